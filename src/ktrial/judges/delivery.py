"""Delivery: whether every acknowledged record is in the log once, where it was acknowledged, and nothing else.

Kinds: lost, lost_tail, overwritten, unseen, duplicate, phantom, failed_but_visible, unknown_tally,
unacknowledged_missing. Left out: compaction; a compacted topic loses old values legally (a judge of its own).

Counts are of records, each once, however many readers saw it; of `overwritten`, offsets. `measured["lost"]` is all
acknowledged records that are gone (lost and lost_tail together).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ktrial.judges.claim import Findings, Found
from ktrial.judges.gone import absent, earliest
from ktrial.judges.intruders import intruders, record_of
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ktrial.judges.case import Case
    from ktrial.judges.gone import Absent


@dataclass(frozen=True, slots=True)
class Delivery:
    """The part that judges delivery."""

    def __call__(self, case: Case) -> Findings:
        """Return the numbers of the whole run, and every anomaly of delivery."""
        gone = absent(case.ledger)
        return Findings(
            measured=_measured(case, gone),
            found=(*_losses(case, gone), _missing(case, gone), *intruders(case), *_tallies(case, gone)),
            doubts=_doubts(case, gone),
            held=_held(gone),
        )


def _measured(case: Case, gone: Absent) -> dict[str, object]:
    measured: dict[str, object] = {
        "sent": gone.sent,
        "acknowledged": gone.acknowledged,
        "failed": gone.failed,
        "unknown": gone.unknown,
        "unknown_in_log": gone.unknown_in_log,
        "unknown_not_in_log": gone.unknown - gone.unknown_in_log,
        "unacknowledged": gone.unacknowledged,
        "read": case.ledger.final_reads,
        "lost": _lost(gone),
        "duplicates": int(case.ledger.repeated.size),
        "missing": int(gone.missing.size),
    }
    seldom = {
        "unseen": gone.unseen.size + gone.missing_unseen,
        "below_log_start": gone.below_start,
        "aborted": gone.aborted,
        "compacted_away": gone.compacted,
    }
    return measured | {name: count for name, count in seldom.items() if count}


def _held(gone: Absent) -> Text:
    if not gone.acknowledged and gone.unacknowledged:
        there = gone.unacknowledged - gone.missing.size
        return Text(
            ko=f"보낸 메시지 {gone.unacknowledged}개 중 {there}개가 로그에 있습니다.",
            en=f"{there} of {gone.unacknowledged} records sent are in the log.",
        )
    if gone.below_start or gone.compacted:
        return _held_though_gone(gone)
    return Text(
        ko=f"승인된 메시지 {gone.acknowledged}개 중 사라진 것은 없습니다.",
        en=f"None of {gone.acknowledged} acknowledged records is gone.",
    )


def _held_though_gone(gone: Absent) -> Text:
    """Say who has taken records that are rightly gone."""
    ko = {"보존 기간(retention)이 지나": gone.below_start, "압축 정리(compaction)로": gone.compacted}
    en = {"retention": gone.below_start, "compaction": gone.compacted}
    taken_ko = ", ".join(f"{why} 지워진 것 {count}개" for why, count in ko.items() if count)
    taken_en = " and ".join(f"{count} by {who}" for who, count in en.items() if count)
    return Text(
        ko=f"승인된 메시지 {gone.acknowledged}개 중 잃은 것은 없습니다({taken_ko}).",
        en=f"None of {gone.acknowledged} acknowledged records is lost (taken: {taken_en}).",
    )


def _losses(case: Case, gone: Absent) -> list[Found]:
    lost = _lost(gone)
    found = [
        _loss(case, kind, rows, (_gone(lost, gone), _gone(rows.size, gone)))
        for kind, rows in (("lost", gone.lost), ("lost_tail", gone.lost_tail))
        if rows.size
    ]
    if gone.latest_missing.size:
        said = _latest_gone(gone.latest_missing.size)
        found.append(_loss(case, "latest_missing", gone.latest_missing, (said, said)))
    return found


def _lost(gone: Absent) -> int:
    return gone.lost.size + gone.lost_tail.size + gone.latest_missing.size


def _latest_gone(count: int) -> Text:
    return Text(
        ko=f"키 {count}개의 마지막 값이 압축된 로그에서 사라졌습니다.",
        en=f"The latest {'value of 1 key is' if count == 1 else f'values of {count} keys are'} gone"
        " from a compacted log.",
    )


def _gone(count: int, gone: Absent) -> Text:
    return Text(
        ko=f"승인된 메시지 {gone.acknowledged}개 중 {count}개가 사라졌습니다.",
        en=f"{count} of {gone.acknowledged} acknowledged records {'is' if count == 1 else 'are'} gone.",
    )


def _loss(case: Case, kind: str, rows: NDArray[np.int64], said: tuple[Text, Text]) -> Found:
    examples = _acknowledgements(case, rows)
    foremost = examples[0]
    topic, partition = str(foremost["topic"]), int(str(foremost["partition"]))
    place = case.ledger.places.number(topic, partition)
    log_end = int(case.ledger.ends.log_end[place])
    for example in examples:
        at = case.ledger.places.number(str(example["topic"]), int(str(example["partition"])))
        example["log_end"] = int(case.ledger.ends.log_end[at])
    by = foremost.get("acknowledged_by")
    leader = int(str(by)) if by is not None else None
    t_ns = int(case.ledger.acks["t"].take(earliest(case.ledger, rows)[:1])[0])
    evidence = first(
        case.witness.acknowledged(foremost),
        case.witness.downfall(leader, t_ns) if leader is not None else None,
        case.witness.ending(topic, partition, log_end, leader),
    )
    return Found(kind, int(rows.size), tuple(examples), said[0], evidence, said[1])


def _acknowledgements(case: Case, rows: NDArray[np.int64]) -> list[dict[str, object]]:
    taken = case.history.completions[earliest(case.ledger, rows)]
    return [case.witness.acknowledgement(row) for row in taken.iter_rows(named=True)]


def _missing(case: Case, gone: Absent) -> Found:
    examples = tuple(record_of(case, int(position)) for position in gone.missing[:MAX_EXAMPLES])
    headline = Text(
        ko=f"승인을 기다리지 않고 보낸 메시지 {gone.unacknowledged}개 중 {gone.missing.size}개가 로그에 없습니다.",
        en=f"{gone.missing.size} of {gone.unacknowledged} records sent without acknowledgement are not in the log.",
    )
    evidence = None
    if examples:
        foremost = examples[0]
        evidence = first(
            Text(
                ko=f"메시지 {foremost['id']}, {foremost['called_s']:.3f}초에 보냄",
                en=f"record {foremost['id']}, sent at {foremost['called_s']:.3f} s",
            )
        )
    return Found("unacknowledged_missing", int(gone.missing.size), examples, headline, evidence)


def _tallies(case: Case, gone: Absent) -> list[Found]:
    unknown = Found(
        "unknown_tally",
        gone.unknown,
        tuple(record_of(case, int(position)) for position in gone.unknown_first),
        Text(
            ko=f"결과를 모르는 메시지 {gone.unknown}개 중 {gone.unknown_in_log}개는 로그에 있고 "
            f"{gone.unknown - gone.unknown_in_log}개는 없습니다.",
            en=f"Of {gone.unknown} records with an unknown outcome {gone.unknown_in_log} are in the log, "
            f"{gone.unknown - gone.unknown_in_log} are not.",
        ),
    )
    unseen = gone.unseen.size + gone.missing_unseen
    examples = tuple(_acknowledgements(case, gone.unseen)) if gone.unseen.size else ()
    return [unknown, Found("unseen", unseen, examples, _unseen(unseen))]


def _unseen(count: int) -> Text:
    return Text(
        ko=f"마지막 읽기가 메시지 {count}개의 위치에 이르지 못했습니다.",
        en=f"The final reader did not reach the place of {count} records.",
    )


def _doubts(case: Case, gone: Absent) -> tuple[Doubt, ...]:
    if case.history.ends.is_empty():
        return ()  # said by the part that looks at the conditions of the run
    unseen = gone.unseen.size + gone.missing_unseen
    return (Doubt(_unseen(unseen)),) if unseen else ()
