"""What happens now, told to everyone who listens; a listener that is slow loses the oldest, never slows the teller."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEPT_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `kind` says what, `fields` the rest.

    Kinds: fetching (what, done, total), said (text), booting (brokers), booted (seconds). As it goes on, several
    settings at once, each with its `place` (lab/trial/setting): entered, awaiting (what, limit_s), waited (what,
    seconds), happened (text), judging, left. In the order of the course, once all before it are through: lab (number,
    name, title), trial (name, question), setting (lab, trial, setting, predicted), judged (result: SettingResult),
    lab_ended (result: LabResult).
    """

    kind: str
    fields: Mapping[str, object] = field(default_factory=dict)


class Feed:
    """Tells events to listeners; keeps the last `KEPT_EVENTS` for those who come late."""

    def __init__(self) -> None:
        """Begin with nobody listening."""
        self._listeners: list[Callable[[Event], None]] = []
        self._kept: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._lock = threading.Lock()

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on, on the teller's thread: it must be quick."""
        with self._lock:
            self._listeners.append(listener)

    def tell(self, kind: str, **fields: object) -> None:
        """Tell everyone that something happened."""
        event = Event(kind, fields)
        with self._lock:
            self._kept.append(event)
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(event)

    def within(self, **fields: object) -> Feed:
        """Return a feed whose events are told here, too, with `fields` added to each."""
        inner = Feed()
        inner.listen(lambda event: self.tell(event.kind, **{**fields, **event.fields}))
        return inner

    def recent(self) -> tuple[Event, ...]:
        """Return the last events, oldest first."""
        with self._lock:
            return tuple(self._kept)
