"""The assignment of a group at the moments when it was stable: whole, and how it is spread over the members.

The stage writes such a moment down with the members and the topics meant; who owns what then is worked out from the
members' own events, so that the wait which saw it is not believed. Two owners are judged by `ownership`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from ktrial.judges.claim import Findings, Found
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ktrial.judges.case import Case

NEVER_STABLE = Doubt(
    Text(
        ko="그룹이 안정된 순간의 기록이 없습니다.",
        en="No moment is written down at which a group was stable.",
    )
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A group when it was stable: what each member owned, and the partitions that nobody did."""

    group: str
    t: int
    owned: dict[str, list[tuple[str, int]]]
    left: list[tuple[str, int]]

    @property
    def sizes(self) -> list[int]:
        """How many partitions each member has, the most first."""
        return sorted((len(places) for places in self.owned.values()), reverse=True)


@dataclass(frozen=True, slots=True)
class Assignment:
    """The part that judges the assignment at stable moments; `needed`: that is the claim."""

    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return the partitions that nobody had, and the members that had nothing when last it was stable."""
        moments = sorted(_moments(case), key=lambda moment: moment.t)
        if not moments:
            return Findings(doubts=(NEVER_STABLE,) if self.needed else ())
        last = list({moment.group: moment for moment in moments}.values())
        found = (_unassigned(case, moments), _idle(case, last))
        measured = {"sizes": [moment.sizes for moment in moments]}
        return Findings(measured, found, held=_held(last) if self.needed else None)


def _held(last: list[Moment]) -> Text:
    sizes = "; ".join(" + ".join(str(size) for size in moment.sizes) for moment in last)
    return Text(
        ko=f"모든 파티션에 주인이 하나씩 있고 모든 멤버가 일합니다: {sizes}.",
        en=f"Every partition has one owner, and every member has work: {sizes}.",
    )


def _moments(case: Case) -> Iterator[Moment]:
    told = case.history.others.filter(pl.col("op") == "stable")
    for t, text in told.select("t", "json").iter_rows():
        fields: dict[str, Any] = json.loads(text)
        group, members, topics = (fields.get(name) for name in ("group", "members", "topics"))
        if not (isinstance(group, str) and isinstance(members, list) and isinstance(topics, dict)):
            continue
        owned: dict[str, list[tuple[str, int]]] = {str(member): [] for member in members}
        left = []
        for topic, count in topics.items():
            for partition in range(int(count)):
                spans = case.owners.at((group, topic, partition), t)
                for span in spans:
                    owned.setdefault(span.actor, []).append((topic, partition))
                if not spans:
                    left.append((topic, partition))
        yield Moment(group, t, owned, left)


def _unassigned(case: Case, moments: list[Moment]) -> Found:
    examples = [
        {
            "group": moment.group,
            "topic": topic,
            "partition": partition,
            "at_s": case.witness.seconds(moment.t),
        }
        for moment in moments
        for topic, partition in moment.left
    ]
    count = len(examples)
    headline = Text(
        ko=f"그룹이 안정되었는데도 주인 없는 파티션이 {count}개 있습니다.",
        en=f"{count} {'partition' if count == 1 else 'partitions'} had no owner though the group was stable.",
    )
    evidence = None
    if examples:
        told = examples[0]
        evidence = first(
            Text(
                ko=f"{told['topic']} 파티션 {told['partition']}, {told['at_s']:.3f}초",
                en=f"partition {told['partition']} of {told['topic']} at {told['at_s']:.3f} s",
            )
        )
    return Found("unassigned", count, tuple(examples[:MAX_EXAMPLES]), headline, evidence)


def _idle(case: Case, last: list[Moment]) -> Found:
    examples = [
        {
            "group": moment.group,
            "member": member,
            "members": len(moment.owned),
            "at_s": case.witness.seconds(moment.t),
        }
        for moment in last
        for member, places in moment.owned.items()
        if not places
    ]
    count = len(examples)
    headline = Text(
        ko=f"멤버 {count}명이 파티션을 하나도 받지 못했습니다.",
        en=f"{count} {'member has' if count == 1 else 'members have'} no partition at all.",
    )
    evidence = None
    if examples:
        told = examples[0]
        sizes = " + ".join(str(size) for size in last[0].sizes)
        evidence = first(
            Text(ko=f"{told['member']}; 나눔은 {sizes}", en=f"{told['member']}; the shares are {sizes}")
        )
    return Found("idle_member", count, tuple(examples[:MAX_EXAMPLES]), headline, evidence)
