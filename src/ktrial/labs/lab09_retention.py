"""Lab 9: retention and compaction. How long a record stays, and which records of a key stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktrial.judges import compacted_truthfully, expires_after
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import Topic
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

MINUTE_S = 60.0
HALF_S = 30.0
GRACE_S = 5.0
"""A segment goes as a whole, when its youngest record is too old, and somebody has to look: seconds on top."""


@trial(
    question=Text(
        ko="retention.ms=60000(1분)이면 메시지는 1분이 지나 사라질까요? 그 전에는 하나도 사라지지 않을까요?",
        en="With retention.ms=60000 (1 minute): are records gone after a minute, and none before?",
    ),
    varies="retention.ms",
    predict={"60000": HELD, "-1": BROKEN},
    judge=expires_after(MINUTE_S, GRACE_S),
    alone=Alone.NOTHING,
    lasts_s=70.0,
    by_hand=(
        (
            "kafka-topics --create --topic events --partitions 1 --replication-factor 3"
            " --config retention.ms=60000 --bootstrap-server localhost:9092"
        ),
        "kafka-get-offsets --topic events --time earliest --bootstrap-server localhost:9092",
        "kafka-consumer-groups --describe --group billing --bootstrap-server localhost:9092",
    ),
)
def one_minute(stage: Stage, retention: str) -> None:
    """Write, let a group read the first third and leave; wait a minute, look where log and group start, read it all."""
    events = Topic("events", settings={"retention.ms": retention, "segment.ms": "10000"})
    with stage.producing(events) as producer:
        with stage.consuming(events, group="billing") as reader:
            producer.sends(100)
            reader.await_read(100)
        producer.sends(200)
        stage.logs.note_segments(events)
        stage.logs.wait_until_older(events, HALF_S)
        producer.sends(100)  # half a minute younger, and in a segment of their own
        stage.logs.wait_until_older(events, MINUTE_S + GRACE_S - HALF_S)
    stage.logs.wait_until_files_are_gone(events)
    with stage.consuming(events, group="billing") as late:
        late.await_read(100)
    stage.read_to_end(events)


SEGMENT_S = 0.5
LAG_S = 2.5
TOMBSTONES_STAY_S = 1.0
COMPACTED = {
    "segment.ms": str(int(SEGMENT_S * 1000)),
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": str(int(LAG_S * 1000)),
    "delete.retention.ms": str(int(TOMBSTONES_STAY_S * 1000)),
}


@trial(
    question=Text(
        ko="정리(cleanup) 뒤에 로그에는 키마다 마지막 값만 남을까요?",
        en="After the cleaner has been there: is of each key the latest value left, and of the older ones none?",
    ),
    varies="cleanup.policy",
    predict={"compact": HELD, "delete": BROKEN},
    judge=compacted_truthfully(),
    alone=Alone.NOTHING,
    lasts_s=10.0,
    by_hand=(
        (
            "kafka-topics --create --topic prices --partitions 1 --replication-factor 3 --config cleanup.policy=compact"
            " --config segment.ms=500 --config min.cleanable.dirty.ratio=0.01 --bootstrap-server localhost:9092"
        ),
        "kafka-dump-log --print-data-log --files <data folder of a broker>/prices-0/00000000000000000000.log",
    ),
)
def compaction(stage: Stage, policy: str) -> None:
    """Write many values of a few keys, delete some keys, let the cleaner come twice; dump the log before and after."""
    prices = Topic("prices", settings={"cleanup.policy": policy, **COMPACTED})
    keys = [f"key-{number}" for number in range(20)]
    with stage.producing(prices) as producer:
        producer.sends(400, keys=keys)
        stage.logs.wait_until_older(prices, SEGMENT_S)
        producer.sends(200, keys=keys[:10])
        producer.deletes(keys[15:])
        stage.logs.wait_until_older(prices, SEGMENT_S)
        producer.sends(10, keys=keys[:5])
        stage.logs.copy(prices, "before")
        if policy == "compact":
            stage.logs.wait_until_cleaned(prices)
        stage.read_to_end(prices)  # the tombstones are still there for everyone to see
        stage.logs.wait_until_older(prices, TOMBSTONES_STAY_S)
        producer.sends(10, keys=keys[:5])
        stage.logs.wait_until_older(prices, SEGMENT_S)
        producer.sends(10, keys=keys[:5])
        if policy == "compact":
            stage.logs.wait_until_cleaned(prices)
    stage.logs.copy(prices, "after")
    stage.logs.dump_copies()
    stage.read_to_end(prices)


LAB = Lab(
    number=9,
    name="retention",
    title=Text(ko="로그 보존과 압축 정리", en="Log retention and compaction"),
    trials=(one_minute, compaction),
)
