"""Retention: whether records went when their time was up, and not before.

A record is as old as its call (at least) and its acknowledgement (at most); it is gone when its partition was seen to
start above it, and there while it was seen to start at or below it. That its timestamp is the time of sending is taken
for granted. What retention removes it removes by whole segments, by the youngest record in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.judges.arrays import joined
from ktrial.judges.claim import Findings, Found
from ktrial.judges.places import code_of
from ktrial.judges.policies import FOREVER_NS
from ktrial.judges.witness import NS, first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ktrial.judges.case import Case
    from ktrial.judges.starts import Seen

NEVER: Final = np.iinfo(np.int64).max
ROUNDING_NS: Final = 2_000_000  # timestamps are whole milliseconds, and the clocks differ by their rounding
FINAL_READ_S: Final = 30.0  # the final reader's own record makes the last segment younger while it reads
NOBODY_LOOKED: Final = Doubt(
    Text(ko="로그의 시작 오프셋을 본 기록이 없습니다.", en="Nobody saw where the logs start.")
)


@dataclass(frozen=True, slots=True)
class Term:
    """How long records of a topic stay: none goes before `least_ns`, none stays beyond what `latest` gives."""

    least_ns: int
    grace_ns: int | None
    segment_ns: int | None = None

    def deadlines(self, born: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when each record must be gone; `born` is in order of offset, at the latest that may be true.

        Others in its segment keep a record: at most all that follow it, and at most as long as segments grow.
        """
        if self.grace_ns is None or self.least_ns == FOREVER_NS:
            return np.full(born.size, NEVER)
        youngest = born
        if self.segment_ns is not None and born.size:
            youngest = np.minimum(born + self.segment_ns, born.max())
        return youngest + self.least_ns + self.grace_ns


@dataclass(slots=True)
class Life:
    """What was seen of the records of one partition: rows are in order of offset."""

    topic: str
    partition: int
    records: pl.DataFrame
    seen: Seen
    gone_ns: NDArray[np.int64] = field(init=False)
    still_ns: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Work out when each record was first seen gone (NEVER), and last seen there (-1)."""
        looks = self.seen.gone_at(self.records["offset"].to_numpy())
        times = np.concatenate([[-1], self.seen.times, [NEVER]])
        self.gone_ns, self.still_ns = times[looks + 1], times[looks]

    def born(self, column: str) -> NDArray[np.int64]:
        """Return when each record was called or acknowledged."""
        return self.records[column].to_numpy()


@dataclass(frozen=True, slots=True)
class Retention:
    """The part that judges how long records stay.

    With `retention_s` and `grace_s` that is claimed of all topics; without, topics are judged by their own settings,
    where the history knows them.
    """

    retention_s: float | None = None
    grace_s: float = 0.0

    def __call__(self, case: Case) -> Findings:
        """Return the records that went too early, and those that stayed too long."""
        lives = list(_lives(case, self._terms(case)))
        claimed = self.retention_s is not None
        if not lives:
            return Findings(doubts=(NOBODY_LOOKED,) if claimed else ())
        early = [(life, np.flatnonzero(_early(life, term))) for life, term in lives]
        late = [(life, np.flatnonzero(_late(life, term))) for life, term in lives]
        seen = [life for life, _ in lives]
        measured = _measured(case, seen) if claimed or case.starts.moved else {}
        return Findings(
            measured,
            (_early_found(case, early), _late_found(case, late)),
            held=_held(seen) if claimed else None,
        )

    def _terms(self, case: Case) -> dict[str, Term]:
        if self.retention_s is not None:
            topics = case.history.ends["topic"].unique().to_list()
            return dict.fromkeys(topics, Term(int(self.retention_s * NS), int(self.grace_s * NS)))
        terms = {topic: _term_of(case, topic) for topic in case.policies.topics}
        return {topic: term for topic, term in terms.items() if term and _matters(case, topic, term)}


def _term_of(case: Case, topic: str) -> Term | None:
    """Return how long records of a topic stay by its settings; None where they do not say, or size matters, too."""
    policies = case.policies
    kept, sizes = (policies.numbers(topic, name) for name in ("retention.ms", "retention.bytes"))
    if not kept or not sizes or max(sizes) >= 0 or not policies.has(topic, "delete"):
        return None
    least = policies.shortest_ns(topic, "retention.ms")
    assert least is not None
    waits = [
        policies.longest_ns(topic, name)
        for name in ("log.retention.check.interval.ms", "file.delete.delay.ms")
    ]
    grace = None
    if len(set(kept)) == 1 and None not in waits:
        grace = sum(wait or 0 for wait in waits) + int(FINAL_READ_S * NS)
    return Term(least, grace, policies.longest_ns(topic, "segment.ms") or FOREVER_NS)


def _matters(case: Case, topic: str, term: Term) -> bool:
    """Say whether anything of a topic went, or could be overdue: most runs are shorter, and have many records."""
    looks = [seen for (name, _), seen in case.starts.seen.items() if name == topic]
    last = max((int(seen.times[-1]) for seen in looks), default=0)
    return any(seen.starts[-1] > 0 for seen in looks) or last > case.witness.began_ns + term.least_ns


def _lives(case: Case, terms: dict[str, Term]) -> Iterator[tuple[Life, Term]]:
    """Return what was seen of each partition of these topics, in order."""
    if not terms:
        return
    codes = [code_of(topic) for topic in terms]
    acked = case.history.completions.filter(
        pl.col("topic").to_physical().is_in(codes) & (pl.col("outcome") == "ok") & (pl.col("offset") >= 0)
    )
    born = (
        acked.select("id", "topic", "partition", "offset", acked="t")
        .join(case.history.calls.select("id", called="t"), on="id", how="left")
        .with_columns(called=pl.coalesce("called", "acked"), told=pl.col("called").is_not_null())
        .sort("offset")
    )
    for (topic, partition), records in sorted(born.partition_by("topic", "partition", as_dict=True).items()):
        seen = case.starts.of(str(topic), int(partition))
        if seen is not None:
            yield Life(str(topic), int(partition), records, seen), terms[str(topic)]


def _early(life: Life, term: Term) -> NDArray[np.bool_]:
    """Say which records were gone too soon; of one whose call nobody noted, nobody knows how old it was."""
    ripe = life.born("called") + term.least_ns - ROUNDING_NS
    early: NDArray[np.bool_] = (
        (life.gone_ns < ripe) & (life.gone_ns < NEVER) & life.records["told"].to_numpy()
    )
    return early


def _late(life: Life, term: Term) -> NDArray[np.bool_]:
    late: NDArray[np.bool_] = life.still_ns > term.deadlines(life.born("acked"))
    return late


def _measured(case: Case, lives: list[Life]) -> dict[str, object]:
    gone = [life.gone_ns < NEVER for life in lives]
    ages = joined([(life.gone_ns - life.born("called"))[out] for life, out in zip(lives, gone, strict=True)])
    kept = joined(
        [(life.still_ns - life.born("called"))[~out] for life, out in zip(lives, gone, strict=True)]
    )
    measured: dict[str, object] = {"expired": ages.size, "kept": kept.size}
    if ages.size:
        measured |= {"youngest_gone_s": _seconds(ages.min()), "oldest_gone_s": _seconds(ages.max())}
    if kept.size:
        measured["oldest_kept_s"] = _seconds(kept.max())
    moved = {f"{life.topic}/{life.partition}": _moves(case, life.seen) for life in lives}
    measured["log_starts"] = {place: moves for place, moves in moved.items() if moves}
    if resets := {name: reset for life in lives for name, reset in _resets(case, life).items()}:
        measured["resets"] = resets
    return measured


def _seconds(ns: np.int64) -> float:
    return round(int(ns) / NS, 1)


def _moves(case: Case, seen: Seen) -> list[list[float]]:
    """Return when the log was seen to start elsewhere, and where."""
    at = np.flatnonzero(np.diff(seen.starts, prepend=0) > 0)
    return [[case.witness.seconds(int(seen.times[n])), int(seen.starts[n])] for n in at[:MAX_EXAMPLES]]


def _resets(case: Case, life: Life) -> dict[str, dict[str, int]]:
    """Return by group and partition who found the log starting above where they wanted to go on, the last time."""
    here = (pl.col("topic") == life.topic) & (pl.col("partition") == life.partition)
    reads = case.history.reads.filter(here & pl.col("group").is_not_null()).sort("t", "offset")
    before = pl.col("offset").shift().over("group")
    jumps = reads.with_columns(before=before).filter(
        (pl.col("offset") > pl.col("before") + 1) & pl.col("offset").is_in(life.seen.starts.tolist())
    )
    return {
        f"{row['group']} {life.topic}/{life.partition}": {
            "wanted_offset": row["before"] + 1,
            "found_offset": row["offset"],
            "never_read": row["offset"] - row["before"] - 1,
        }
        for row in jumps.iter_rows(named=True)
    }


def _held(lives: list[Life]) -> Text:
    gone = sum(int((life.gone_ns < NEVER).sum()) for life in lives)
    every = sum(life.records.height for life in lives)
    return Text(
        ko=f"보존 기간이 지난 메시지 {gone}개는 사라졌고, 나머지 {every - gone}개는 그대로 있습니다.",
        en=f"The {gone} records whose time was up are gone, and the other {every - gone} are still there.",
    )


Chosen = list[tuple[Life, "NDArray[np.int64]"]]
"""Some of the records of each partition, by their rows."""


def _examples(case: Case, chosen: Chosen, *, gone: bool) -> tuple[dict[str, object], ...]:
    examples: list[dict[str, object]] = []
    for life, rows in chosen:
        for at in rows[: MAX_EXAMPLES - len(examples)].tolist():
            record = life.records.row(at, named=True)
            seen = int((life.gone_ns if gone else life.still_ns)[at])
            examples.append(
                {
                    "id": record["id"],
                    "topic": life.topic,
                    "partition": life.partition,
                    "offset": record["offset"],
                    "age_s": _seconds(np.int64(seen - record["called"])),
                    "seen_s": case.witness.seconds(seen),
                }
            )
    return tuple(examples)


def _evidence(case: Case, examples: tuple[dict[str, object], ...], *, gone: bool) -> Text | None:
    if not examples:
        return None
    one = examples[0]
    place = case.witness.place(str(one["topic"]), int(str(one["partition"])))
    state = ("사라짐", "gone") if gone else ("그대로 있음", "still there")
    return first(
        Text(
            ko=f"메시지 {one['id']}, {place.ko}, 오프셋 {one['offset']}, 보낸 지 {one['age_s']}초 뒤 {state[0]}",
            en=f"record {one['id']}, {place.en}, offset {one['offset']}, {state[1]} {one['age_s']} s after it was sent",
        )
    )


def _early_found(case: Case, early: Chosen) -> Found:
    count = sum(rows.size for _, rows in early)
    examples = _examples(case, early, gone=True)
    headline = Text(
        ko=f"메시지 {count}개가 보존 기간이 지나기 전에 사라졌습니다.",
        en=f"{count} {'record was' if count == 1 else 'records were'} gone before the time was up.",
    )
    return Found("expired_early", count, examples, headline, _evidence(case, examples, gone=True))


def _late_found(case: Case, late: Chosen) -> Found:
    count = sum(rows.size for _, rows in late)
    examples = _examples(case, late, gone=False)
    headline = Text(
        ko=f"메시지 {count}개가 보존 기간이 지난 뒤에도 남아 있습니다.",
        en=f"{count} {'record is' if count == 1 else 'records are'} still there though the time was up.",
    )
    return Found("not_expired", count, examples, headline, _evidence(case, examples, gone=False))
