"""Delivery reports: who is counted as what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from confluent_kafka import KafkaError, Message

from ktrial.clients.deliveries import Deliveries
from ktrial.history.collect import read_journals
from ktrial.history.journal import Journal
from ktrial.history.payload import encode

if TYPE_CHECKING:
    from pathlib import Path

    from ktrial.clients.profile import Setting


@dataclass
class Landed:
    """A message as the library would report it."""

    record_id: int
    place: int | None = 0

    def value(self) -> bytes:
        """The payload."""
        return encode(self.record_id, None, 30)

    def topic(self) -> str:
        """The topic."""
        return "orders"

    def partition(self) -> int | None:
        """The partition; the library returns None for a record that was never given one."""
        return None if self.place is None else 1

    def offset(self) -> int | None:
        """The offset."""
        return self.place


def reported(
    folder: Path, settings: dict[str, Setting], *reports: tuple[int | None, Landed]
) -> list[tuple[int, str, int | None, str | None]]:
    """Report errors (None: none) for messages and return the completions' id, outcome, offset and error."""
    journal = Journal(folder, "p1")
    deliveries = Deliveries(journal, settings)
    deliveries.called = len(reports) + 1
    for code, message in reports:
        deliveries.callback(None if code is None else KafkaError(code), cast(Message, message))
    assert deliveries.outstanding == deliveries.called
    deliveries.write_down()
    deliveries.write_down()
    assert deliveries.outstanding == 1
    journal.close()
    return read_journals(folder).completions.select("id", "outcome", "offset", "error").rows()


def test_ok_has_its_place(tmp_path: Path) -> None:
    """An acknowledged record is ok, at its offset; an offset that was not told (a repeated batch) is null."""
    rows = reported(tmp_path, {}, (None, Landed(7, 70)), (None, Landed(8, None)))
    assert rows == [(7, "ok", 70, None), (8, "ok", None, None)]


@pytest.mark.parametrize("code", [None, KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE])
def test_without_acks_nothing_is_acknowledged(tmp_path: Path, code: int | None) -> None:
    """With acks=0 nothing was promised, whatever the library says."""
    assert reported(tmp_path, {"acks": 0}, (code, Landed(7, None)))[0][1] == "unacknowledged"


def test_errors_are_named_as_in_the_table(tmp_path: Path) -> None:
    """Errors keep the name that the table has, and their outcome."""
    rows = reported(
        tmp_path,
        {},
        (KafkaError._MSG_TIMED_OUT, Landed(1, None)),
        (KafkaError.NOT_ENOUGH_REPLICAS, Landed(2, None)),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Landed(3, None)),
    )
    assert rows == [
        (1, "unknown", None, "_MSG_TIMED_OUT"),
        (2, "unknown", None, "NOT_ENOUGH_REPLICAS"),
        (3, "failed", None, "TOPIC_AUTHORIZATION_FAILED"),
    ]


def test_refused_by_the_only_attempt(tmp_path: Path) -> None:
    """With retries=0 the refusal of the attempt is the refusal of the record."""
    rows = reported(tmp_path, {"retries": "0"}, (KafkaError.NOT_ENOUGH_REPLICAS, Landed(2, None)))
    assert rows == [(2, "failed", None, "NOT_ENOUGH_REPLICAS")]


def test_never_queued_is_failed(tmp_path: Path) -> None:
    """What the library did not take is failed, and has no place."""
    journal = Journal(tmp_path, "p1")
    deliveries = Deliveries(journal, {})
    deliveries.refused("orders", np.array([4, 5]), KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    journal.close()
    assert deliveries.tally()["failed"] == 2
    assert read_journals(tmp_path).completions.select("id", "outcome", "partition", "error").rows() == [
        (4, "failed", None, "MSG_SIZE_TOO_LARGE"),
        (5, "failed", None, "MSG_SIZE_TOO_LARGE"),
    ]
