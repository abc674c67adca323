"""Lab 2: partitions and offsets. Order is a promise of one partition, and a key decides which one that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktrial.judges import all_of, in_order, keys_together, read_in_send_order
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import Topic
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

RECORDS = 300
ORDERS = Topic("orders", partitions=3)
KEYS = {"cycle": 12}


@trial(
    question=Text(
        ko="보낸 순서대로 읽힐까요? 파티션이 1개일 때와 3개일 때를 비교해 보세요.",
        en="Are records read in the order in which they were sent, with 1 partition and with 3?",
    ),
    varies="partitions",
    predict={1: HELD, 3: BROKEN},
    judge=all_of(read_in_send_order(), in_order()),
    alone=Alone.NOTHING,
    by_hand=(
        "kafka-topics --create --topic events --partitions 3 --replication-factor 3 --bootstrap-server localhost:9092",
        (
            "kafka-console-producer --topic events --property parse.key=true --property key.separator=:"
            " --bootstrap-server localhost:9092"
        ),
        (
            "kafka-console-consumer --topic events --from-beginning --property print.partition=true"
            " --property print.offset=true --bootstrap-server localhost:9092"
        ),
    ),
)
def order_by_partition_count(stage: Stage, partitions: int) -> None:
    """Send records of many keys, then read the whole topic with one consumer."""
    topic = Topic("events", partitions=partitions)
    with stage.producing(topic) as producer:
        producer.sends(RECORDS, keys="id")
    with stage.consuming(topic) as consumer:
        consumer.await_read(RECORDS)
    stage.read_to_end(topic)


@trial(
    question=Text(
        ko="같은 키의 메시지는 언제나 같은 파티션에 순서대로 쌓일까요?",
        en="Do records of one key always stay together on one partition, in order?",
    ),
    varies="how the partition is chosen",
    predict={
        "by the key (partitioner=murmur2_random)": HELD,
        "as if there were no key (partitioner=random)": BROKEN,
    },
    judge=all_of(keys_together(), in_order()),
    alone=Alone.NOTHING,
    by_hand=(
        (
            "kafka-console-producer --topic orders --property parse.key=true --property key.separator=:"
            " --bootstrap-server localhost:9092"
        ),
        (
            "kafka-console-consumer --topic orders --from-beginning --property print.key=true"
            " --property print.partition=true --bootstrap-server localhost:9092"
        ),
    ),
)
def same_key(stage: Stage, chosen: str) -> None:
    """Send records of a dozen keys to three partitions, with the partition chosen by the key or by chance."""
    partitioner = "murmur2_random" if chosen.startswith("by the key") else "random"
    with stage.producing(ORDERS, {"partitioner": partitioner}) as producer:
        producer.sends(RECORDS, keys=KEYS)
    stage.read_to_end(ORDERS)


@trial(
    question=Text(
        ko="자바 프로듀서와 파이썬(librdkafka) 프로듀서는 같은 키를 같은 파티션에 보낼까요?",
        en="Do a Java producer and a librdkafka producer put one key on one partition?",
    ),
    varies="partitioner",
    predict={"consistent_random": BROKEN, "murmur2_random": HELD},
    judge=keys_together(),
    beyond=True,
    alone=Alone.NOTHING,
    by_hand=(
        (
            "kafka-console-producer --topic orders --property parse.key=true --property key.separator=:"
            " --bootstrap-server localhost:9092"
        ),
        (
            "kafka-console-consumer --topic orders --from-beginning --property print.key=true"
            " --property print.partition=true --bootstrap-server localhost:9092"
        ),
    ),
)
def two_clients_one_key(stage: Stage, partitioner: str) -> None:
    """Type a dozen keys into Java's console producer, then send the same keys with librdkafka."""
    stage.types(ORDERS, 48, keys=12)
    with stage.producing(ORDERS, {"partitioner": partitioner}) as producer:
        producer.sends(48, keys=KEYS)
    stage.read_to_end(ORDERS)


LAB = Lab(
    number=2,
    name="partitions",
    title=Text(ko="파티션과 오프셋", en="Partitions and offsets"),
    trials=(order_by_partition_count, same_key, two_clients_one_key),
)
