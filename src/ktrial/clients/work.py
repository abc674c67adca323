"""The work of a group's member: each record takes its time, and its effect is written down when it is done.

The reading thread works; the listening thread may halt it after a number of records, let it go on, or make the next
record a long one. A halted member polls nothing, and the library goes on with its heartbeats and its own commits: so a
scenario can kill it in the middle of a batch, at a record that it chose.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ktrial.clients.intake import offset_of, place_of
from ktrial.clients.tombstones import value_of
from ktrial.history.payload import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from confluent_kafka import Message

    from ktrial.clients.channel import Channel
    from ktrial.history.journal import Journal

LOOK_S = 0.05
MS = 1000.0
Place = tuple[str, int]


class Work:
    """Does record after record; `done` counts them, `positions` says for each partition what comes next."""

    def __init__(
        self,
        journal: Journal,
        channel: Channel,
        group: str | None,
        each_ms: float | None,
        closing: threading.Event,
    ) -> None:
        """Work for a member of `group`, `each_ms` per record; None: reading is all there is, nothing is processed."""
        self.done = 0
        self.positions: dict[Place, int] = {}
        self._journal = journal
        self._channel = channel
        self._group = group if each_ms is not None else None
        self._each_s = (each_ms or 0.0) / MS
        self._closing = closing
        self._changed = threading.Condition()
        self._halt_after: int | None = None
        self._busy_ms = 0.0

    def do(self, messages: Sequence[Message], after_each: Callable[[], None]) -> bool:
        """Do all of them in order; return False when it was halted and then closed, the rest undone.

        `after_each` is called once a record's effect is written down and no halt holds it up.
        """
        if self._group is None:
            self._pass(messages)
            return True
        for message in messages:
            if not self.rest():
                return False
            self._take_time(message)
            place, offset = place_of(message), offset_of(message)
            told = decode(value_of(message), message.key())
            if told is not None:
                self._journal.done(told[0], *place, offset, self._group)
            self.positions[place] = offset + 1
            self.done += 1
            if not self.rest():
                return False
            after_each()
        return True

    def give_up(self, places: Collection[Place]) -> None:
        """Forget partitions that are no longer ours."""
        self.positions = {place: offset for place, offset in self.positions.items() if place not in places}

    def rest(self) -> bool:
        """Stay here as long as it is halted; return False when it was closed meanwhile."""
        if not self._halted():
            return True
        self._channel.event("halted", processed=self.done)
        with self._changed:
            while self._halted() and not self._closing.is_set():
                self._changed.wait(LOOK_S)
        return not self._closing.is_set()

    def halt(self, after: int) -> None:
        """Halt once `after` records in all have been done (now, if they have)."""
        with self._changed:
            self._halt_after = after

    def go_on(self) -> None:
        """End the halt."""
        with self._changed:
            self._halt_after = None
            self._changed.notify_all()

    def make_busy(self, ms: float) -> None:
        """Let the next record take `ms` milliseconds."""
        self._busy_ms = ms

    def _halted(self) -> bool:
        return self._halt_after is not None and self.done >= self._halt_after

    def _take_time(self, message: Message) -> None:
        busy_ms, self._busy_ms = self._busy_ms, 0.0
        if busy_ms:
            self._channel.event("busy", ms=busy_ms, offset=message.offset())
            time.sleep(busy_ms / MS)
            self._channel.event("idle", ms=busy_ms, offset=message.offset())
        elif self._each_s:
            time.sleep(self._each_s)

    def _pass(self, messages: Iterable[Message]) -> None:
        positions = self.positions.copy()  # the listener may be looking at the old one
        positions.update({place_of(message): offset_of(message) + 1 for message in messages})
        self.positions = positions
