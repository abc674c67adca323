"""What rebalances cost: partitions given up for nothing, how often the group was disturbed, records that had to wait.

A partition that its owner gives up and gets back, with nobody in between, was stopped needlessly: that is what an
eager protocol does to all of them. Rebalances are counted by generation (classic) or member epoch (KIP-848) where the
history knows it. A record waits from its sending to its first processing in a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from ktrial.judges.claim import Findings, Found
from ktrial.judges.owners import Ended
from ktrial.judges.witness import NS, first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from ktrial.judges.case import Case
    from ktrial.judges.owners import Owners, Span

LONG_S: Final = 0.25
NOTHING_HAPPENED: Final = Doubt(
    Text(
        ko="멤버에게 아무 일도 일어나지 않아 리밸런싱 여부를 물을 수 없습니다.",
        en="Nothing was done to any member, so it says nothing that the group was not rebalanced.",
    )
)


@dataclass(frozen=True, slots=True)
class Rebalances:
    """The part that judges what rebalances cost; `steady`: the claim is that a fault on a member causes none.

    `kept`: the claim is that a partition that keeps its owner is never stopped.
    """

    steady: bool = False
    kept: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return the partitions stopped needlessly, and the rebalances after the first fault on a member."""
        owners = case.owners
        if not owners.spans:
            return Findings()
        stopped = _stopped(owners)
        struck_ns = _struck(case)
        numbers = _generations(owners)
        later = [] if struck_ns is None else _after(owners, struck_ns)
        measured = {
            "generations": len(numbers),
            "revoked": sum(span.ended is Ended.REVOKED for span in owners.everything()),
            "stopped_needlessly": len(stopped),
            "stopped_s": round(
                max((after.began_ns - before.ended_ns for before, after in stopped), default=0) / NS, 3
            ),
            **_pauses(case),
            **_waits(case),
        }
        found = [_stopped_found(case, stopped)]
        if self.steady:
            found.append(_rebalanced(case, later))
        doubts = (NOTHING_HAPPENED,) if self.steady and struck_ns is None else ()
        return Findings(measured, tuple(found), doubts, self._held(measured))

    def _held(self, measured: dict[str, object]) -> Text | None:
        if self.steady:
            return Text(ko="그룹은 리밸런싱되지 않았습니다.", en="The group was not rebalanced.")
        if not self.kept:
            return None
        return Text(
            ko=f"파티션 {measured['revoked']}개를 넘겨주었고, 주인이 그대로인 파티션은 멈추지 않았습니다.",
            en=f"{measured['revoked']} partitions were given up, and none that kept its owner was stopped.",
        )


def _stopped(owners: Owners) -> list[tuple[Span, Span]]:
    """Return the pairs of spans in which a member gave a partition up and got the same one back."""
    return [
        (before, after)
        for spans in owners.spans.values()
        for before, after in pairwise(spans)
        if before.actor == after.actor and before.ended is Ended.REVOKED
    ]


def _struck(case: Case) -> int | None:
    """Return when the first fault on a member began."""
    members = {change.actor for change in case.owners.changes}
    return next((fault.began_ns for fault in case.witness.faults if fault.target in members), None)


def _generations(owners: Owners) -> set[tuple[str, int]]:
    return {
        (change.group, change.generation)
        for change in owners.changes
        if change.op == "assigned" and change.generation is not None
    }


def _after(owners: Owners, struck_ns: int) -> list[tuple[int, str, int | None]]:
    """Return (t, member, generation) of each rebalance after a time: generations that are new, or revocations."""
    given = [change for change in owners.changes if change.op == "assigned"]
    known = {
        (each.group, each.generation) for each in given if each.generation is not None and each.t < struck_ns
    }
    later: list[tuple[int, str, int | None]] = []
    for each in given:
        if each.t >= struck_ns and each.generation is not None and (each.group, each.generation) not in known:
            known.add((each.group, each.generation))
            later.append((each.t, each.actor, each.generation))
    if any(each.generation is not None for each in given):
        return later
    times = {
        (after.began_ns, after.actor): None
        for before, after in _stopped(owners)
        if before.ended_ns >= struck_ns
    }
    return [(t, actor, None) for t, actor in sorted(times)]


def _pauses(case: Case) -> dict[str, object]:
    """Return the longest time between two processed records of each partition, in seconds.

    `kept_pause_s`: the same member processed both; `moved_pause_s`: another one went on.
    """
    done = case.history.processed.sort("t")
    here = ("group", "topic", "partition")
    gaps = (
        done.select(
            pl.col("group", "topic").cast(pl.String),
            "partition",
            gap=pl.col("t").diff().over(here),
            kept=(pl.col("actor") == pl.col("actor").shift()).over(here),
        )
        .drop_nulls("gap")
        .group_by(*here, "kept")
        .agg(pl.col("gap").max())
        .sort(*here)
    )
    found: dict[str, dict[str, float]] = {"kept_pause_s": {}, "moved_pause_s": {}}
    for group, topic, partition, kept, gap in gaps.iter_rows():
        place = (group, topic, partition)
        if place in case.owners.spans:
            found["kept_pause_s" if kept else "moved_pause_s"][case.owners.label(place)] = round(gap / NS, 3)
    return dict(found)


def _waits(case: Case) -> dict[str, object]:
    """Return how many records waited long from their sending to their processing, and the longest wait."""
    done = case.history.processed.group_by("group", "id").agg(done=pl.col("t").min())
    waits = done.join(case.history.calls.select("id", "t"), on="id").select(
        wait=(pl.col("done") - pl.col("t")) / NS
    )["wait"]
    longest = waits.max()
    return {
        "records_delayed": int((waits > LONG_S).sum()),
        "longest_delay_s": round(float(longest), 3) if isinstance(longest, float) else 0.0,
    }


def _stopped_found(case: Case, stopped: list[tuple[Span, Span]]) -> Found:
    ordered = sorted(stopped, key=lambda pair: pair[0].ended_ns)
    examples = tuple(
        {
            "partition": case.owners.label(before.place),
            "member": before.actor,
            "from_s": case.witness.seconds(before.ended_ns),
            "until_s": case.witness.seconds(after.began_ns),
        }
        for before, after in ordered[:MAX_EXAMPLES]
    )
    count = len(stopped)
    headline = Text(
        ko=f"주인이 그대로인 파티션이 {count}번 멈췄습니다.",
        en=f"Partitions that kept their owner were stopped {count} {'time' if count == 1 else 'times'}.",
    )
    evidence = None
    if examples:
        told = examples[0]
        evidence = first(
            Text(
                ko=f"{told['member']}이(가) 파티션 {told['partition']}을(를) {told['from_s']:.3f}초에 넘겨주고 "
                f"{told['until_s']:.3f}초에 되받음",
                en=f"{told['member']} gave partition {told['partition']} up at {told['from_s']:.3f} s and got it back "
                f"at {told['until_s']:.3f} s",
            )
        )
    return Found("stopped_needlessly", count, examples, headline, evidence)


def _rebalanced(case: Case, later: list[tuple[int, str, int | None]]) -> Found:
    examples = tuple(
        {"at_s": case.witness.seconds(t), "member": actor, "generation": generation}
        for t, actor, generation in later[:MAX_EXAMPLES]
    )
    count = len(later)
    headline = Text(
        ko=f"그룹이 {count}번 리밸런싱되었습니다.",
        en=f"The group was rebalanced {count} {'time' if count == 1 else 'times'}.",
    )
    evidence = None
    if examples:
        told = examples[0]
        number = "" if told["generation"] is None else f" ({told['generation']})"
        evidence = first(
            Text(
                ko=f"{told['at_s']:.3f}초에 {told['member']}이(가) 새 세대{number}로 할당받음",
                en=f"{told['member']} was assigned partitions in a new generation{number} at {told['at_s']:.3f} s",
            )
        )
    return Found("rebalanced", count, examples, headline, evidence)
