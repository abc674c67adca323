"""Delivery reports on their way into the journal: gathered one by one, written down many at a time.

The library calls back once per record, and brokers share our processors, so the callback only appends; all else is
done in numpy after the poll. An acknowledgement therefore carries the time at which its poll was over: never before
it was known, so that "sent after that one was acknowledged" is never claimed wrongly.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ktrial.clients.channel import log
from ktrial.clients.outcome import Outcome, code_names, outcome_of
from ktrial.clients.profile import promises_nothing, tries_once
from ktrial.history.journal import ACK, NO_NAME
from ktrial.history.payload import decode_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import KafkaError, Message
    from numpy.typing import NDArray

    from ktrial.clients.profile import Setting
    from ktrial.history.journal import Journal

NOWHERE = -1
"""The offset of a record whose place the broker did not tell (acks=0)."""
LOGGED_FAILURES = 20


class Deliveries:
    """Counts and writes down how sends ended; one thread polls, any thread may look at the counts."""

    def __init__(self, journal: Journal, settings: Mapping[str, Setting]) -> None:
        """Judge the reports of a producer with these settings."""
        self.called = 0
        self.counts = dict.fromkeys(Outcome, 0)
        self._journal = journal
        self._outcome_of_ok = Outcome.UNACKNOWLEDGED if promises_nothing(settings) else Outcome.OK
        self._only_attempt = tries_once(settings)
        self._code_names = code_names()
        self._names = {outcome: journal.name(outcome.value) for outcome in Outcome}
        self._landed: list[Message] = []
        self._broken: list[tuple[KafkaError, Message]] = []
        self._logged = 0
        self.callback = self._callback()

    @property
    def outstanding(self) -> int:
        """How many called records have no outcome yet, as far as it is written down."""
        return self.called - sum(self.counts.values())

    def tally(self) -> dict[str, int]:
        """Return called, ok, failed, unknown and unacknowledged."""
        return {"called": self.called, **{outcome.value: count for outcome, count in self.counts.items()}}

    def write_down(self) -> None:
        """Write rows for everything that was reported since the last time."""
        if self._landed:
            landed, self._landed[:] = self._landed[:], []
            self._write(landed, self._outcome_of_ok, NO_NAME)
        if self._broken:
            broken, self._broken[:] = self._broken[:], []
            self._write_broken(broken)

    def refused(self, topic: str, ids: NDArray[np.int64], error: KafkaError) -> None:
        """Write down records that the library did not take: they were never queued, so they have failed."""
        rows = self._rows(len(ids), Outcome.FAILED, self._journal.name(self._name_of(error)))
        rows["id"], rows["topic"], rows["partition"], rows["offset"] = (
            ids,
            self._journal.name(topic),
            NOWHERE,
            NOWHERE,
        )
        self._finish(rows, Outcome.FAILED)

    def _callback(self) -> Callable[[KafkaError | None, Message], None]:
        landed, broken = self._landed.append, self._broken.append

        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:
                landed(message)
            else:
                broken((error, message))

        return report

    def _write(self, messages: list[Message], outcome: Outcome, error: int) -> None:
        rows = self._rows(len(messages), outcome, error)
        rows["id"] = decode_ids([message.value() or b"" for message in messages])
        rows["offset"] = [NOWHERE if (at := message.offset()) is None else at for message in messages]
        rows["partition"] = [NOWHERE if (at := message.partition()) is None else at for message in messages]
        rows["topic"] = self._journal.names([message.topic() for message in messages])
        self._finish(rows, outcome)

    def _write_broken(self, broken: list[tuple[KafkaError, Message]]) -> None:
        by_error: dict[str, list[Message]] = {}
        for error, message in broken:
            by_error.setdefault(self._name_of(error), []).append(message)
        for name, messages in by_error.items():
            outcome = outcome_of(name, only_attempt=self._only_attempt)
            if self._outcome_of_ok is Outcome.UNACKNOWLEDGED:
                outcome = Outcome.UNACKNOWLEDGED  # nothing was promised, whatever the library thinks of it
            if self._logged < LOGGED_FAILURES:
                self._logged += 1
                log(f"{len(messages)} records came back with {name}: {outcome.value}")
            self._write(messages, outcome, self._journal.name(name))

    def _rows(self, count: int, outcome: Outcome, error: int) -> NDArray[np.void]:
        rows = np.empty(count, dtype=ACK)
        rows["t"], rows["outcome"], rows["error"] = time.monotonic_ns(), self._names[outcome], error
        return rows

    def _finish(self, rows: NDArray[np.void], outcome: Outcome) -> None:
        self._journal.acks(rows)
        self.counts[outcome] += len(rows)

    def _name_of(self, error: KafkaError) -> str:
        """Return the table's name of the code; `KafkaError.name()` differs from the attribute's for a few codes."""
        return self._code_names.get(error.code(), error.name())
