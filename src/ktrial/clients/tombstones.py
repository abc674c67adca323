"""Tombstones: records with a key and no value, which carry their id in a header.

A compacted topic takes a record without a value as "this key is deleted". The value cannot carry the id then, so the
header `ktrial-id` does, in the form that a value begins with: id and checksum over the key. Compaction keeps headers.
A call that is a tombstone is noted so: it is a line of the journal and no row, for tombstones are few.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import KafkaException

from ktrial.history.payload import HEAD_BYTES, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import KafkaError, Message, Producer

    from ktrial.clients.deliveries import Deliveries
    from ktrial.clients.requests import Send
    from ktrial.history.journal import Journal

HEADER = "ktrial-id"
ROOM_S = 0.01


@dataclass(frozen=True, slots=True)
class Report:
    """The delivery report of a tombstone: a message, with what its header holds in the place of a value."""

    message: Message
    head: bytes

    def value(self) -> bytes:
        """Return what tells the id."""
        return self.head

    def topic(self) -> str | None:
        """Return the topic."""
        return self.message.topic()

    def partition(self) -> int | None:
        """Return the partition, if it is known."""
        return self.message.partition()

    def offset(self) -> int | None:
        """Return the offset, if it is known."""
        return self.message.offset()


def value_of(message: Message) -> bytes | None:
    """Return a message's value, or what the header of a tombstone of ours holds in its place."""
    value = message.value()
    if value is not None:
        return value
    head = dict(message.headers() or {}).get(HEADER)
    return head if isinstance(head, bytes) else None


@dataclass(frozen=True, slots=True)
class Burial:
    """Sends tombstones of one producer."""

    producer: Producer
    journal: Journal
    deliveries: Deliveries

    def carry_out(self, send: Send, first: int, count: int) -> None:
        """Write `count` calls down, the `first`-th of the request first, then give the tombstones to the library."""
        named = [
            (send.first_id + first + place, key) for place, key in enumerate(send.keys(first, count) or ())
        ]
        for record_id, key in named:
            self.journal.note("send", "called", id=record_id, topic=send.topic, key=key, tombstone=True)
        self.deliveries.called += count
        for record_id, key in named:
            assert key is not None  # the request was checked
            head = encode(record_id, key.encode(), HEAD_BYTES)
            self._offer(send.topic, key, head, -1 if send.partition is None else send.partition, record_id)

    def _offer(self, topic: str, key: str, head: bytes, partition: int, record_id: int) -> None:
        while True:
            try:
                self.producer.produce(
                    topic, None, key, partition, self._reporter(head), headers=[(HEADER, head)]
                )
            except BufferError:  # the queue is full: make room
                self.producer.poll(ROOM_S)
                self.deliveries.write_down()
                time.sleep(ROOM_S)
            except KafkaException as refusal:
                self.deliveries.refused(topic, np.array([record_id], dtype=np.int64), refusal.args[0])
                return
            else:
                return

    def _reporter(self, head: bytes) -> Callable[[KafkaError | None, Message], None]:
        report = self.deliveries.callback

        def told(error: KafkaError | None, message: Message) -> None:
            report(error, Report(message, head))  # type: ignore[arg-type] # all that is asked of a message

        return told
