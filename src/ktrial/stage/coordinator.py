"""The coordinator's side of groups: what it holds as committed, whom it counts as members, and its own log lines.

Log lines bear wall-clock time. It is translated into the history's clock when they are read, and never lies before the
look that found nothing nor after the one that found them: a clock that is set in between moves no line far.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ktrial.cluster import wire
from ktrial.stage.journals import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ktrial.cluster.embedded import EmbeddedCluster
    from ktrial.stage.ground import Ground

ACTOR: Final = "coordinator"
ANSWER_TIMEOUT_S = 2.0
LINE = re.compile(r"^\[(?P<at>[\d-]+ [\d:]+),(?P<ms>\d{3})\] (?P<level>[A-Z]+) (?P<text>.*) \([\w.$]+\)$")
NS, MS = 1_000_000_000, 1_000_000


@dataclass(slots=True)
class Tail:
    """One node's log, read on from where it ended before; `looked_ns` is when, in the history's clock."""

    broker: int
    path: Path
    position: int
    looked_ns: int
    rest: bytes = field(default=b"")

    def lines(self) -> Iterator[tuple[int, str, str]]:
        """Yield (t, level, text) of each whole line that is new."""
        before, self.looked_ns = self.looked_ns, time.monotonic_ns()
        skew_ns = time.time_ns() - time.monotonic_ns()
        with suppress(OSError), self.path.open("rb") as file:
            file.seek(self.position)
            read = file.read()
            self.position += len(read)
            *whole, self.rest = (self.rest + read).split(b"\n")
            for raw in whole:
                found = LINE.match(raw.decode(errors="replace"))
                if found:
                    at_s = int(time.mktime(time.strptime(found["at"], "%Y-%m-%d %H:%M:%S")))
                    t = at_s * NS + int(found["ms"]) * MS - skew_ns
                    yield min(max(t, before), self.looked_ns), found["level"], found["text"]


class Coordinator:
    """Asks the brokers that coordinate, and listens to what all of them log about the groups named to it."""

    def __init__(self, ground: Ground) -> None:
        """Listen from now on."""
        self._cluster: EmbeddedCluster = ground.cluster
        self._ground = ground
        self._notebook: Notebook | None = None
        self._names: dict[str, re.Pattern[str]] = {}
        self._tails: list[Tail] = []
        self._brokers: dict[str, int] = {}

    def know(self, group: str) -> None:
        """Write down what is logged about this group, by its name on the cluster, from now on."""
        if not self._tails:
            self._notebook = Notebook(self._ground.notebook.folder, ACTOR)
            for broker in self._cluster.brokers:
                log = self._cluster.nodes[broker].log
                size = log.stat().st_size if log.exists() else 0
                self._tails.append(Tail(broker, log, size, time.monotonic_ns()))
        self._names.setdefault(group, re.compile(rf"(?<![\w-]){re.escape(group)}(?![\w-])"))

    def listen(self) -> None:
        """Write down the lines that have come since the last time."""
        assert self._notebook is not None or not self._tails
        for tail in self._tails:
            for t, level, text in tail.lines():
                for group, pattern in self._names.items():
                    if pattern.search(text) and self._notebook is not None:
                        fields = {"group": group, "broker": tail.broker, "level": level, "line": text}
                        self._notebook.note_at(t, "coordinator", "ok", **fields)

    def members(self, group: str, *, classic: bool) -> tuple[str, frozenset[str]]:
        """Return the group's state and its members: static ones by their instance id, the others by their client id.

        (A static member that replaced its dead forerunner is still known by that one's client id.) Raises
        wire.Unanswered when nobody coordinates the group.
        """
        ask = wire.describe_classic_group if classic else wire.describe_consumer_group
        described = self._ask(group, ask(group)).groups[0]
        self._check(group, described.error_code.value)
        known = (_instance(member) or str(member.client_id) for member in described.members)
        return str(described.group_state), frozenset(known)

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """Return the committed offset of each partition, -1 for none. Raises wire.Unanswered."""
        answer = self._ask(group, wire.fetch_committed(group, topic, partitions)).groups[0]
        self._check(group, answer.error_code.value)
        told = [each for of_topic in answer.topics for each in of_topic.partitions]
        return {int(each.partition_index): int(each.committed_offset) for each in told}

    def note_committed(self, group: str, topic: str, partitions: int) -> None:
        """Write down what the coordinator holds as committed."""
        assert self._notebook is not None
        for partition, offset in self.committed(group, topic, partitions).items():
            if offset >= 0:
                place = {"topic": topic, "partition": partition, "offset": offset}
                self._notebook.note("committed", "ok", group=group, **place)

    def close(self) -> None:
        """Listen one last time, and write no more."""
        if self._notebook is not None:
            self.listen()
            self._notebook.close()
            self._notebook = None
            self._tails = []

    def _ask(self, group: str, request: Any) -> Any:
        if group not in self._brokers:
            answer = self._cluster.ask(wire.find_coordinator(group), timeout_s=ANSWER_TIMEOUT_S)
            found = answer.coordinators[0]
            if found.error_code.value != 0:
                raise wire.Unanswered(f"no broker coordinates {group}")
            self._brokers[group] = int(found.node_id)
        try:
            return self._cluster.ask(request, brokers=[self._brokers[group]], timeout_s=ANSWER_TIMEOUT_S)
        except wire.Unanswered:
            self._brokers.pop(group, None)  # it may be another one next time
            raise

    def _check(self, group: str, error: int) -> None:
        if error:
            self._brokers.pop(group, None)
            raise wire.Unanswered(f"the coordinator of {group} answered with error {error}")


def _instance(member: Any) -> str | None:
    """Return a static member's instance id; the two protocols name the field differently."""
    named = getattr(member, "group_instance_id", None) or getattr(member, "instance_id", None)
    return None if named is None else str(named)
