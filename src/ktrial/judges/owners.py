"""Who owned which partition when, as its group's coordinator must have seen it.

Members tell what they were given and what they gave up, and that is the truth as long as they can be told. A member
that is stopped, dead or too busy to listen cannot: it still believes that it owns what the coordinator has long given
to another. So what a member *lost*, and what it held while a fault was on it, ends when the next owner begins; what a
killed one held ends with its death. Revocations and assignments are changes, never the whole: that is right for eager
members, too, for they give up everything first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ktrial.history.tables import History
    from ktrial.judges.witness import Fault, Witness

FOREVER: Final = 2**63 - 1
FATAL: Final = "kill"
Place = tuple[str, str, int]
"""Group, topic, partition."""


class Ended(Enum):
    """How a member's ownership of a partition came to its end."""

    REVOKED = "revoked"
    LOST = "lost"
    KILLED = "killed"
    TAKEN = "taken"  # given to another while a fault kept the member from being told
    NOT = "not"


@dataclass(slots=True)
class Span:
    """One member's ownership of one partition, in ns."""

    place: Place
    actor: str
    began_ns: int
    generation: int | None
    ended_ns: int = FOREVER
    ended: Ended = Ended.NOT

    def end(self, t_ns: int, how: Ended) -> None:
        """Come to an end."""
        self.ended_ns, self.ended = t_ns, how


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a member, about one partition or none."""

    t: int
    op: str
    actor: str
    group: str
    generation: int | None
    place: Place | None


@dataclass(slots=True)
class Owners:
    """All spans of all groups, in order of beginning, and pairs that lay over each other without an excuse."""

    spans: dict[Place, list[Span]] = field(default_factory=dict)
    clashes: list[tuple[Span, Span]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    members: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History, witness: Witness) -> Owners:
        """Work it out from the members' events and the faults."""
        owners = cls()
        faults = _faults_by_target(witness)
        owners.changes = list(_changes(history))
        for change in _with_deaths(owners.changes, faults):
            owners._take(change)
        owners._settle(faults)
        return owners

    def at(self, place: Place, t_ns: int) -> list[Span]:
        """Return the spans of a partition that cover a time."""
        return [span for span in self.spans.get(place, ()) if span.began_ns <= t_ns < span.ended_ns]

    def label(self, place: Place) -> str:
        """Return a partition's short name: its number, with its topic and group where there are several."""
        group, topic, partition = place
        short = str(partition) if len({each[1] for each in self.spans}) == 1 else f"{topic}-{partition}"
        return short if len({each[0] for each in self.spans}) == 1 else f"{group}: {short}"

    def everything(self) -> Iterator[Span]:
        """Yield all spans, partition by partition."""
        for place in sorted(self.spans):
            yield from self.spans[place]

    def _take(self, change: Change) -> None:
        if change.op == FATAL:
            for spans in self.spans.values():
                self._end(spans, change, Ended.KILLED)
            return
        self.members.setdefault(change.group, set()).add(change.actor)
        if change.place is None:
            return
        if change.op != "assigned":
            known = self.spans.get(change.place, [])
            self._end(known, change, Ended.LOST if change.op == "lost" else Ended.REVOKED)
            return
        spans = self.spans.setdefault(change.place, [])
        if not any(span.actor == change.actor and span.ended is Ended.NOT for span in spans):
            spans.append(Span(change.place, change.actor, change.t, change.generation))

    @staticmethod
    def _end(spans: list[Span], change: Change, how: Ended) -> None:
        for span in spans:
            if span.actor == change.actor and span.ended is Ended.NOT:
                span.end(change.t, how)

    def _settle(self, faults: dict[str, list[Fault]]) -> None:
        """End what could not be told when the next owner began; what remains is a clash."""
        for spans in self.spans.values():
            for number, later in enumerate(spans):
                for span in spans[:number]:
                    if span.ended_ns <= later.began_ns or span.actor == later.actor:
                        continue
                    if span.ended is Ended.LOST:
                        span.end(later.began_ns, Ended.LOST)
                    elif _out_of_reach(faults.get(span.actor, []), span.began_ns, later.began_ns):
                        span.end(later.began_ns, Ended.TAKEN)
                    else:
                        self.clashes.append((span, later))


def _changes(history: History) -> Iterator[Change]:
    """Yield the members' events by time, partition by partition; of one time, what is given up comes first."""
    rows = history.members.with_columns(
        pl.col("op").cast(pl.String), pl.col("actor").cast(pl.String), pl.col("group").cast(pl.String)
    ).sort("t", pl.col("op") == "assigned", maintain_order=True)
    columns = ("t", "op", "actor", "group", "generation", "partitions")
    for t, op, actor, group, generation, partitions in rows.select(columns).iter_rows():
        for each in partitions or ():
            yield Change(t, op, actor, group, generation, (group, each["topic"], each["partition"]))
        if not partitions:
            yield Change(t, op, actor, group, generation, None)


def _with_deaths(changes: list[Change], faults: dict[str, list[Fault]]) -> list[Change]:
    """Return the changes and, among them by time, the deaths of members."""
    actors = {change.actor for change in changes}
    deaths = [
        Change(fault.began_ns, FATAL, actor, "", None, None)
        for actor in sorted(actors & set(faults))
        for fault in faults[actor]
        if fault.name == FATAL
    ]
    return sorted([*changes, *deaths], key=lambda change: change.t)


def _faults_by_target(witness: Witness) -> dict[str, list[Fault]]:
    found: dict[str, list[Fault]] = {}
    for fault in witness.faults:
        found.setdefault(fault.target, []).append(fault)
    return found


def _out_of_reach(faults: list[Fault], began_ns: int, t_ns: int) -> bool:
    """Return whether a fault was on a member at some time between two times."""
    return any(
        fault.began_ns <= t_ns and (fault.healed_ns is None or fault.healed_ns >= began_ns)
        for fault in faults
    )
