"""Records that were read, on their way into the journal: our own as rows, foreign ones as notes.

The final reader's sentinels are left out: they are nobody's records. A value that is not ours (another program
writes to the same topic) is noted as `foreign` with its place, so that nothing in the log goes unmentioned.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import KafkaError

from ktrial.clients.tombstones import value_of
from ktrial.history.journal import READ
from ktrial.history.payload import SENTINEL, decode_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

    from ktrial.history.journal import Journal


PARTITION_EOF = KafkaError._PARTITION_EOF  # noqa: SLF001 - the library's public constants begin like this


def place_of(message: Message) -> tuple[str, int]:
    """Return topic and partition of a message that has been somewhere."""
    topic, partition = message.topic(), message.partition()
    assert topic is not None
    assert partition is not None
    return topic, partition


def offset_of(message: Message) -> int:
    """Return the offset of a message that has been somewhere."""
    offset = message.offset()
    assert offset is not None
    return offset


class Intake:
    """Writes reads down under one isolation level and group, and counts them."""

    def __init__(self, journal: Journal, isolation: str, group: str | None) -> None:
        """Prepare for a reader of this kind; `group` is None outside of a group."""
        self.count = 0
        self._journal = journal
        self._context = journal.name(f"{isolation}\t{group or ''}")

    def take(self, messages: Sequence[Message]) -> None:
        """Write down messages without errors."""
        now = time.monotonic_ns()
        ours = [message for message in messages if message.value() != SENTINEL]
        keys: list[bytes | None] = [message.key() for message in ours]
        values = [value_of(message) for message in ours]
        ids, intact, known = decode_all(values, keys)
        rows = np.empty(len(ours), dtype=READ)
        rows["t"] = now + np.arange(len(ours))  # the order within a poll is part of the history
        rows["id"], rows["intact"], rows["context"] = ids, intact, self._context
        rows["offset"] = [message.offset() for message in ours]
        rows["partition"] = [message.partition() for message in ours]
        rows["topic"] = self._journal.names([message.topic() for message in ours])
        rows["key"] = self._journal.names([_text(key) for key in keys])
        self._journal.reads(rows[known])
        for place in np.flatnonzero(~known):
            self._note_foreign(ours[place])
        self.count += int(known.sum())

    def _note_foreign(self, message: Message) -> None:
        self._journal.note(
            "foreign",
            "ok",
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
            key=_text(message.key()),
        )


def _text(key: bytes | None) -> str | None:
    """Return a key as text; bytes that are no UTF-8 are shown as escapes."""
    return None if key is None else key.decode("utf-8", "backslashreplace")
