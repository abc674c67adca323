"""Hand-written histories of groups: members that come and go, on top of `playing`."""

from __future__ import annotations

import json
from typing import Self

from tests.judges.playing import Playing

GROUP = "shop"
SECOND = 1_000_000_000


class Gathering(Playing):
    """A group whose events are written in seconds."""

    def member(
        self,
        op: str,
        actor: str,
        at_s: float,
        *partitions: int,
        group: str = GROUP,
        generation: int | None = None,
    ) -> Self:
        """Write that partitions of `orders` were assigned, revoked or lost."""
        places = [{"topic": "orders", "partition": partition} for partition in partitions]
        row = {"op": op, "outcome": "ok", "group": group, "partitions": places, "generation": generation}
        return self.add("members", t=int(at_s * SECOND), actor=actor, **row)

    def did(self, actor: str, at_s: float, record: int, partition: int, offset: int) -> Self:
        """Write that a record was processed."""
        place = {"topic": "orders", "partition": partition, "offset": offset}
        return self.add("processed", t=int(at_s * SECOND), actor=actor, group=GROUP, id=record, **place)

    def committed(self, actor: str, at_s: float, partition: int, offset: int, outcome: str = "ok") -> Self:
        """Write what became of a commit."""
        place = {"topic": "orders", "partition": partition, "offset": offset}
        return self.add("commits", t=int(at_s * SECOND), actor=actor, group=GROUP, outcome=outcome, **place)

    def struck(self, fault: str, actor: str, at_s: float, healed_s: float | None = None) -> Self:
        """Write that a fault was on a member."""
        times = {"injected": int(at_s * SECOND), "landed": int(at_s * SECOND) + 1}
        healed = {} if healed_s is None else {"healed": int(healed_s * SECOND)}
        return self.fault(fault, actor, **times, **healed)

    def stable(self, at_s: float, *members: str, partitions: int = 2) -> Self:
        """Write that the group was seen to be stable with these members."""
        line = {
            "t": int(at_s * SECOND), "actor": "stage", "op": "stable", "outcome": "ok",
            "group": GROUP, "members": list(members), "topics": {"orders": partitions},
        }  # fmt: skip
        head = {name: line[name] for name in ("t", "actor", "op", "outcome")}
        return self.add("others", **head, json=json.dumps(line))

    def sent(self, records: int, at_s: float = 0.0) -> Self:
        """Write that records were sent and acknowledged, turn by turn on partitions 0 and 1, and that all were read."""
        for record in range(records):
            t = int(at_s * SECOND) + record
            self.called(record, t).acked(record, record // 2, t + 100, partition=record % 2)
            self.read(record, record // 2, partition=record % 2, t=100 * SECOND + record)
        for partition in (0, 1):
            self.ended(len(range(partition, records, 2)), partition=partition, t=101 * SECOND)
        return self


def gathering() -> Gathering:
    """Return a group without a flaw: a joins, b joins and gets partition 1, a leaves, b has both.

    Eager members: everybody gives up everything first. Each record is processed once.
    """
    play = Gathering()
    play.sent(8)
    play.member("assigned", "a", 1.0, 0, 1, generation=1).stable(1.1, "a")
    play.did("a", 1.2, 0, 0, 0).did("a", 1.3, 1, 1, 0)
    play.member("revoked", "a", 2.0, 0, 1, generation=1).committed("a", 2.05, 0, 1).committed("a", 2.05, 1, 1)
    play.member("assigned", "a", 2.1, 0, generation=2).member("assigned", "b", 2.1, 1, generation=2)
    play.stable(2.2, "a", "b")
    play.did("a", 2.3, 2, 0, 1).did("b", 2.3, 3, 1, 1).did("a", 2.4, 4, 0, 2).did("b", 2.4, 5, 1, 2)
    play.member("revoked", "a", 3.0, 0, generation=2).committed("a", 3.1, 0, 3)
    play.member("revoked", "b", 3.1, 1, generation=2).committed("b", 3.15, 1, 3)
    play.member("assigned", "b", 3.2, 0, 1, generation=3).stable(3.3, "b")
    play.did("b", 3.4, 6, 0, 3).did("b", 3.5, 7, 1, 3)
    return play.member("revoked", "b", 4.0, 0, 1, generation=3)
