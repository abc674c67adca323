"""Parts of the stage that need no cluster: placing, parsing what Apache's tools print, masking."""

from __future__ import annotations

from pathlib import Path

from ktrial.stage.circumstances import masked
from ktrial.stage.logs import parsed_batches
from ktrial.stage.tools import describe_group
from ktrial.stage.topic import Topic

DUMPED = """Dumping /data/orders-0/00000000000000000000.log
Log starting offset: 0
baseOffset: 0 lastOffset: 99 count: 100 baseSequence: 0 lastSequence: 99 producerId: 1000 producerEpoch: 0 \
partitionLeaderEpoch: 0 isTransactional: false isControl: false deleteHorizonMs: OptionalLong.empty position: 0 \
CreateTime: 1790000000000 size: 10781 magic: 2 compresscodec: none crc: 2309116346 isvalid: true
baseOffset: 100 lastOffset: 100 count: 1 baseSequence: -1 lastSequence: -1 producerId: -1 producerEpoch: -1 \
partitionLeaderEpoch: 3 isTransactional: true isControl: true deleteHorizonMs: OptionalLong.empty position: 10781 \
CreateTime: 1790000000001 size: 83 magic: 2 compresscodec: none crc: 17 isvalid: true
"""
HEADS = (
    "GROUP",
    "TOPIC",
    "PARTITION",
    "CURRENT-OFFSET",
    "LOG-END-OFFSET",
    "LAG",
    "CONSUMER-ID",
    "HOST",
    "CLIENT-ID",
)
OWNED = ("my-group", "test-topic", "0", "12", "12", "0", "console-1-abc", "/127.0.0.1", "console-1")
UNOWNED = ("my-group", "test-topic", "1", "-", "3", "-", "-", "-", "-")
DESCRIBED = "\n" + "\n".join("    ".join(row) for row in (HEADS, OWNED, UNOWNED)) + "\n"


def test_partitions_take_turns_in_leading() -> None:
    """Partition i is led by another broker than partition i+1, and a run's turn moves them all."""
    topic = Topic("orders", partitions=3, replicas=3)
    assert topic.placed((1, 2, 3), 0) == [[1, 2, 3], [2, 3, 1], [3, 1, 2]]
    assert topic.placed((1, 2, 3), 1)[0] == [2, 3, 1]


def test_no_more_replicas_than_brokers() -> None:
    """On one node a topic for three replicas has one."""
    assert Topic("orders", replicas=3).placed((1,), 5) == [[1]]


def test_batches_are_read_from_dump_log_segments() -> None:
    """Folder and segment, base and last offset, records, epoch, size, CRC and markers; other lines are not batches."""
    (folder, first), (_, marker) = parsed_batches(DUMPED.splitlines())
    assert folder == Path("/data/orders-0")
    assert first == {
        "offset": 0,
        "last_offset": 99,
        "records": 100,
        "epoch": 0,
        "size": 10781,
        "crc": 2309116346,
        "segment": 0,
    }
    assert (marker["epoch"], marker["control"]) == (3, True)


def test_a_group_description_is_read_by_column() -> None:
    """Each row of the tool's table by its own heads, an unowned partition with its dashes."""
    rows = describe_group(DESCRIBED)
    assert [row["LAG"] for row in rows] == ["0", "-"]
    assert rows[1]["CONSUMER-ID"] == "-"


def test_secrets_are_not_shown() -> None:
    """Passwords, JAAS lines and keys are masked; a record's key settings are none of them."""
    shown = masked({"sasl.password": "x", "sasl.jaas.config": "y", "ssl.key.password": "z", "linger.ms": "5"})
    assert shown == {
        "sasl.password": "***",
        "sasl.jaas.config": "***",
        "ssl.key.password": "***",
        "linger.ms": "5",
    }
