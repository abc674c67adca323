"""Ownership in groups: one owner at a time, nobody left without, and whether members keep what they have.

Two owners at once are two members that say so with no fault to excuse either, or a member whose commit is accepted
though the partition is another's (`ktrial.judges.usurpers`). Unowned is the time between one owner's end and
the next one's beginning; a partition that nobody gets any more is unowned until the group's last event.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ktrial.judges.claim import Findings, Found
from ktrial.judges.owners import FOREVER, Ended, Span
from ktrial.judges.usurpers import accepted_from_others
from ktrial.judges.witness import NS, first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ktrial.judges.case import Case
    from ktrial.judges.owners import Owners

NO_MEMBER = Doubt(
    Text(
        ko="파티션을 할당받은 그룹 멤버가 없습니다.", en="No member of a group was ever assigned a partition."
    )
)
HOW = {
    Ended.REVOKED: Text(ko="넘겨줌", en="gave it up"),
    Ended.LOST: Text(ko="잃음", en="lost it"),
    Ended.KILLED: Text(ko="강제 종료됨", en="was killed"),
    Ended.TAKEN: Text(ko="모르는 사이에 빼앗김", en="had it taken away"),
}


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a partition had no owner; `after` is None only in name: somebody owned it before."""

    after: Span
    before: Span | None
    ended_ns: int

    @property
    def seconds(self) -> float:
        """How long."""
        return round((self.ended_ns - self.after.ended_ns) / NS, 3)


@dataclass(frozen=True, slots=True)
class Ownership:
    """The part that judges who owned what; `limit_s` is how long a partition may be without an owner.

    `needed`: the claim is about groups, so that a history without members is doubtful; `keeps`: that members keep
    their partitions is what is claimed.
    """

    limit_s: float | None = None
    needed: bool = False
    keeps: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return the partitions with two owners, with none for too long, and those taken from their owners."""
        owners = case.owners
        if not owners.spans:
            return Findings(doubts=(NO_MEMBER,) if self.needed else ())
        gaps = list(_gaps(case))
        found = (
            _double_owned(case),
            _unowned(
                case,
                [gap for gap in gaps if self.limit_s is None or gap.seconds > self.limit_s],
                self.limit_s,
            ),
            _taken_away(case),
        )
        return Findings(_measured(case, gaps), found, held=self._held(owners, gaps))

    def _held(self, owners: Owners, gaps: list[Gap]) -> Text | None:
        if self.keeps:
            return Text(
                ko="모든 멤버가 자기 파티션을 끝까지 지켰습니다.", en="Every member kept its partitions."
            )
        if not self.needed:
            return None
        longest = max((gap.seconds for gap in gaps), default=0.0)
        return Text(
            ko=f"파티션 {len(owners.spans)}개의 주인은 늘 하나였고, 주인이 없던 가장 긴 시간은 {longest:.3f}초입니다.",
            en=f"{len(owners.spans)} partitions had one owner at a time, and were without for {longest:.3f} s at most.",
        )


def _gaps(case: Case) -> Iterator[Gap]:
    """Yield the times without an owner, by partition, each with the spans around it."""
    last_signs = {group: _last_sign(case, group) for group in {place[0] for place in case.owners.spans}}
    for place, spans in case.owners.spans.items():
        last = spans[0]
        for span in spans[1:]:
            if span.began_ns > last.ended_ns:
                yield Gap(last, span, span.began_ns)
            if span.ended_ns > last.ended_ns:
                last = span
        over_ns = last_signs[place[0]]
        if last.ended_ns < over_ns:
            yield Gap(last, None, over_ns)


def _last_sign(case: Case, group: str) -> int:
    """Return when the group's last member came, went or did something."""
    signs = [case.history.members, case.history.processed]
    times = [frame.filter(pl.col("group") == group)["t"].max() for frame in signs]
    return max((t for t in times if isinstance(t, int)), default=0)


def _measured(case: Case, gaps: list[Gap]) -> dict[str, object]:
    unowned: dict[str, float] = {}
    for gap in gaps:
        name = case.owners.label(gap.after.place)
        unowned[name] = round(unowned.get(name, 0.0) + gap.seconds, 3)
    kept = [span for span in case.owners.everything() if span.ended in (Ended.LOST, Ended.TAKEN)]
    takeovers = list(_takeovers(case))
    return {
        "members": len({change.actor for change in case.owners.changes}),
        "unowned_s": unowned,
        "longest_unowned_s": max((gap.seconds for gap in gaps), default=0.0),
        "pause_s": _pauses(case),
        "taken_away": len(kept),
        "takeover_s": _longest(takeovers),
        "takeovers": takeovers[:MAX_EXAMPLES],
        "processed_by_two": _by_two(case),
    }


def _pauses(case: Case) -> dict[str, float]:
    """Return the longest time between two processed records of each partition, in seconds."""
    rows = (
        case.history.processed.sort("t")
        .group_by("group", "topic", "partition")
        .agg(gap=pl.col("t").diff().max())
        .select(pl.col("group", "topic").cast(pl.String), "partition", "gap")
        .sort("group", "topic", "partition")
    )
    known = case.owners.spans
    return {
        case.owners.label((group, topic, partition)): round((gap or 0) / NS, 3)
        for group, topic, partition, gap in rows.iter_rows()
        if (group, topic, partition) in known
    }


def _takeovers(case: Case) -> Iterator[dict[str, object]]:
    """Yield every change of owner: from whom to whom, how, and how long until it owned and until it processed."""
    times = _processing_times(case)
    for place, spans in case.owners.spans.items():
        for before, after in pairwise(spans):
            if before.actor == after.actor or before.ended_ns > after.began_ns:
                continue
            left_ns = _left(case, before)
            done_ns = _first_done(times, after)
            yield {
                "partition": case.owners.label(place),
                "from": before.actor,
                "to": after.actor,
                "how": before.ended.value,
                "owned_s": round((after.began_ns - left_ns) / NS, 3),
                "processed_s": None if done_ns is None else round((done_ns - left_ns) / NS, 3),
            }


def _longest(takeovers: list[dict[str, object]]) -> dict[str, dict[str, float]]:
    """Return, by how the owner before went, the longest time until the next one owned, and until it processed."""
    longest: dict[str, dict[str, float]] = {}
    for each in takeovers:
        known = longest.setdefault(str(each["how"]), {})
        for step in ("owned_s", "processed_s"):
            seconds = each[step]
            if isinstance(seconds, float):
                known[step] = max(seconds, known.get(step, 0.0))
    return longest


def _left(case: Case, span: Span) -> int:
    """Return when a member fell silent: when the fault on it began, or else when it gave the partition up."""
    if span.ended in (Ended.LOST, Ended.TAKEN):
        faults = [each for each in case.witness.faults if each.target == span.actor]
        before = [each.began_ns for each in faults if span.began_ns <= each.began_ns <= span.ended_ns]
        return before[-1] if before else span.ended_ns
    return span.ended_ns


def _processing_times(case: Case) -> dict[tuple[str, str, int, str], NDArray[np.int64]]:
    """Return when each member processed something of each partition, sorted."""
    per_member = (
        case.history.processed.group_by("group", "topic", "partition", "actor")
        .agg(pl.col("t").sort())
        .with_columns(pl.col("group", "topic", "actor").cast(pl.String))
    )
    return {
        (group, topic, partition, actor): t.to_numpy()
        for group, topic, partition, actor, t in zip(*per_member.get_columns(), strict=True)
    }


def _first_done(times: dict[tuple[str, str, int, str], NDArray[np.int64]], span: Span) -> int | None:
    """Return when an owner processed its first record of a partition; None when it did not."""
    mine = times.get((*span.place, span.actor), np.empty(0, np.int64))
    at = int(np.searchsorted(mine, span.began_ns))
    return int(mine[at]) if at < mine.size and mine[at] <= span.ended_ns else None


def _by_two(case: Case) -> int:
    """Return how many records were processed by more than one member of a group."""
    per_record = case.history.processed.group_by("group", "id").agg(pl.col("actor").n_unique())
    return per_record.filter(pl.col("actor") > 1).height


def _double_owned(case: Case) -> Found:
    clashes = [_clash(case, span, later) for span, later in case.owners.clashes]
    examples = [*clashes, *accepted_from_others(case)]
    headline = Text(
        ko=f"주인이 둘이었던 파티션이 있습니다({len(examples)}건).",
        en=f"Partitions had two owners at once, {len(examples)} {'time' if len(examples) == 1 else 'times'}.",
    )
    evidence = None
    if examples:
        told = examples[0]
        evidence = first(
            Text(
                ko=f"파티션 {told['partition']}은(는) {told['owner']}의 것인데 "
                f"{told['at_s']:.3f}초에 {told['other']}도 가짐",
                en=f"partition {told['partition']} was {told['owner']}'s and, at {told['at_s']:.3f} s, "
                f"{told['other']}'s, too",
            )
        )
    return Found("double_owned", len(examples), tuple(examples[:MAX_EXAMPLES]), headline, evidence)


def _clash(case: Case, span: Span, later: Span) -> dict[str, object]:
    until = min(span.ended_ns, later.ended_ns)
    return {
        "partition": case.owners.label(span.place),
        "owner": span.actor,
        "other": later.actor,
        "at_s": case.witness.seconds(later.began_ns),
        "until_s": None if until == FOREVER else case.witness.seconds(until),
    }


def _unowned(case: Case, gaps: list[Gap], limit_s: float | None) -> Found:
    longest = sorted(gaps, key=lambda gap: -gap.seconds)
    examples = tuple(
        {
            "partition": case.owners.label(gap.after.place),
            "from_s": case.witness.seconds(gap.after.ended_ns),
            "seconds": gap.seconds,
            "before": gap.after.actor,
            "how": gap.after.ended.value,
            "after": None if gap.before is None else gap.before.actor,
        }
        for gap in longest[:MAX_EXAMPLES]
    )
    allowed = (
        Text(ko="", en="")
        if limit_s is None
        else Text(ko=f" {limit_s:g}초보다 오래", en=f" for more than {limit_s:g} s")
    )
    headline = Text(
        ko=f"파티션이{allowed.ko} 주인 없이 남은 일이 {len(gaps)}번 있습니다.",
        en=f"Partitions were without an owner{allowed.en} {len(gaps)} {'time' if len(gaps) == 1 else 'times'}.",
    )
    evidence = None
    if longest:
        worst, told = longest[0], examples[0]
        how = HOW[worst.after.ended]
        evidence = Text(
            ko=f"가장 긴 것: 파티션 {told['partition']}, {told['from_s']:.3f}초에 {told['before']} {how.ko}, "
            f"{worst.seconds:.3f}초 동안.",
            en=f"Longest: partition {told['partition']}, {told['before']} {how.en} at {told['from_s']:.3f} s, "
            f"for {worst.seconds:.3f} s.",
        )
    return Found("unowned", len(gaps), examples, headline, evidence)


def _taken_away(case: Case) -> Found:
    taken = sorted(
        (span for span in case.owners.everything() if span.ended in (Ended.LOST, Ended.TAKEN)),
        key=lambda span: span.ended_ns,
    )
    examples = tuple(
        {
            "partition": case.owners.label(span.place),
            "member": span.actor,
            "to": next((each.actor for each in case.owners.at(span.place, span.ended_ns)), None),
            "at_s": case.witness.seconds(span.ended_ns),
        }
        for span in taken[:MAX_EXAMPLES]
    )
    members = len({span.actor for span in taken})
    headline = Text(
        ko=f"살아 있던 멤버 {members}명이 파티션 {len(taken)}개를 빼앗겼습니다.",
        en=f"{members} living {'member' if members == 1 else 'members'} had {len(taken)} "
        f"{'partition' if len(taken) == 1 else 'partitions'} taken away.",
    )
    evidence = None
    if examples:
        told = examples[0]
        to = (
            Text(ko="", en="")
            if told["to"] is None
            else Text(ko=f" {told['to']}에게", en=f" to {told['to']}")
        )
        evidence = first(
            Text(
                ko=f"{told['member']}의 파티션 {told['partition']}이(가) {told['at_s']:.3f}초에{to.ko} 넘어감",
                en=f"partition {told['partition']} of {told['member']} went{to.en} at {told['at_s']:.3f} s",
            )
        )
    return Found("taken_away", len(taken), examples, headline, evidence)
