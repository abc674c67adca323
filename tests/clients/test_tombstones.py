"""Tombstones on their way through a real client library: sent without a value, read back with their id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from ktrial.clients.deliveries import Deliveries
from ktrial.clients.intake import Intake
from ktrial.clients.requests import Send
from ktrial.clients.tombstones import Burial
from ktrial.errors import UsageProblem
from ktrial.history.collect import read_journals
from ktrial.history.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from ktrial.history.tables import History

PARTITION = 1
BROKERS = {"bootstrap.servers": "none", "test.mock.num.brokers": 1}  # the library's own stand-in for a broker


def buried(folder: Path, **more: object) -> History:
    """Send two tombstones and a strange record without a value, read them back, and return what was written down."""
    producer = Producer(BROKERS)
    brokers = producer.list_topics("orders", timeout=10).brokers.values()
    journal = Journal(folder, "p1")
    deliveries = Deliveries(journal, {})
    asked = {"topic": "orders", "first_id": 5, "count": 2, "keys": ["a", "é"], "partition": PARTITION}
    Burial(producer, journal, deliveries).carry_out(Send.of({**asked, "tombstones": True, **more}), 0, 2)
    producer.produce("orders", None, "c", PARTITION)
    assert producer.flush(10) == 0
    deliveries.write_down()
    assert deliveries.outstanding == 0
    journal.close()
    reader = Journal(folder, "reader")
    consumer = Consumer(
        {
            "bootstrap.servers": ",".join(f"{broker.host}:{broker.port}" for broker in brokers),
            "group.id": "none",
        }
    )
    consumer.assign([TopicPartition("orders", PARTITION, 0)])
    intake = Intake(reader, "read_uncommitted", None)
    intake.take(consumer.consume(3, timeout=10))
    consumer.close()
    reader.close()
    return read_journals(folder)


def test_a_tombstone_keeps_its_id(tmp_path: Path) -> None:
    """Called as a tombstone, acknowledged, and read under its id and key, though it has no value to carry them."""
    history = buried(tmp_path)
    assert history.calls.select("id", "topic", "key", "tombstone").rows() == [
        (5, "orders", "a", True),
        (6, "orders", "é", True),
    ]
    assert history.completions.select("id", "outcome", "partition", "offset").rows() == [
        (5, "ok", PARTITION, 0),
        (6, "ok", PARTITION, 1),
    ]
    assert history.reads.select("id", "offset", "key", "intact").rows() == [
        (5, 0, "a", True),
        (6, 1, "é", True),
    ]


def test_a_value_that_is_missing_is_not_ours(tmp_path: Path) -> None:
    """A record without a value and without our header is noted as somebody else's."""
    assert buried(tmp_path).others["op"].to_list() == ["foreign"]


@pytest.mark.parametrize("keys", [None, ["a", None]])
def test_a_tombstone_needs_a_key(keys: object) -> None:
    """Without a key there is nothing to delete."""
    with pytest.raises(UsageProblem, match="needs a key"):
        Send.of({"topic": "orders", "first_id": 0, "count": 2, "keys": keys, "tombstones": True})
