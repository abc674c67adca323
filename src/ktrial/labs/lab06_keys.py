"""Lab 6: partition key and order. What keeps the events of one order in order, and what breaks it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ktrial.faults import Hold, Stop
from ktrial.judges import effects_in_order, in_order, keys_together
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import APPENDED, NOTHING, Topic, Work
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

EVENTS = Topic("order-events", partitions=3, replicas=3, min_in_sync=2)
ONE = Topic("orders", partitions=1, replicas=3, min_in_sync=2)
STATES = ("CREATED", "PAID", "SHIPPED", "DELIVERED")
ORDERS = 60
PACES_MS = (8.0, 1.0, 0.0)


@trial(
    question=Text(
        ko="주문의 CREATED, PAID, SHIPPED, DELIVERED는 컨슈머 세 대가 나누어 처리해도 순서대로 처리될까요?",
        en="Three consumers share the work: are CREATED, PAID, SHIPPED, DELIVERED of each order processed in order?",
    ),
    varies="how the partition is chosen",
    predict={
        "key=order id (partitioner=murmur2_random)": HELD,
        "as if the key were random (partitioner=random)": BROKEN,
    },
    judge=effects_in_order(),
    alone=Alone.NOTHING,
    by_hand=(
        "kafka-topics --create --topic order-events --partitions 3 --bootstrap-server localhost:9092",
        (
            "kafka-console-producer --topic order-events --reader-property parse.key=true"
            " --reader-property key.separator=: --bootstrap-server localhost:9092"
        ),
        (
            "kafka-console-consumer --topic order-events --group shop --formatter-property print.key=true"
            " --formatter-property print.partition=true --bootstrap-server localhost:9092"
        ),
    ),
)
def life_of_an_order(stage: Stage, chosen: str) -> None:
    """Send the four events of 60 orders, state after state; three consumers work at different paces."""
    partitioner = {"partitioner": "murmur2_random" if "murmur2" in chosen else "random"}
    with ExitStack() as running:
        members = [
            running.enter_context(stage.groups.member("shop", EVENTS, work=Work(each_ms=pace_ms)))
            for pace_ms in PACES_MS
        ]
        stage.groups.await_stable("shop", *members)
        with stage.producing(EVENTS, partitioner) as producer:
            producer.sends(ORDERS * len(STATES), keys={"cycle": ORDERS})
        stage.groups.await_caught_up("shop", EVENTS)
    stage.read_to_end(EVENTS)


@trial(
    question=Text(
        ko="운영 중에 파티션을 3개에서 6개로 늘려도 같은 키의 메시지는 한 파티션에 모여 있을까요?",
        en="The topic grows from 3 to 6 partitions in mid-stream: do the records of one key stay on one partition?",
    ),
    varies="partitions afterwards",
    predict={3: HELD, 6: BROKEN},
    judge=keys_together(),
    alone=Alone.NOTHING,
    beyond=True,
    by_hand=(
        "kafka-topics --alter --topic order-events --partitions 6 --bootstrap-server localhost:9092",
        "kafka-topics --describe --topic order-events --bootstrap-server localhost:9092",
    ),
)
def growing_the_topic(stage: Stage, partitions: int) -> None:
    """Send half of each order's events, let the topic grow, send the other half by a producer that knows."""
    topic = EVENTS
    with stage.producing(topic) as producer:
        producer.sends(ORDERS * 2, keys={"cycle": ORDERS})
    if partitions != topic.partitions:
        topic = stage.grows(topic, partitions)
    with stage.producing(topic) as producer:
        producer.sends(ORDERS * 2, keys={"cycle": ORDERS})
    stage.read_to_end(topic)


@trial(
    question=Text(
        ko="먼저 보낸 배치가 거부되어 재시도되는 동안, 나중에 보낸 배치가 앞지를 수 있을까요?",
        en="A batch is refused and tried again: can one that was sent later overtake it?",
    ),
    varies="enable.idempotence",
    predict={"false": BROKEN, "true": HELD},
    judge=in_order(),
    beyond=True,
    by_hand=(
        (
            "kafka-producer-perf-test --topic orders --num-records 1000 --record-size 100 --throughput 100"
            " --producer-props enable.idempotence=false max.in.flight.requests.per.connection=5"
            " bootstrap.servers=localhost:9092"
        ),
        "kill -TERM <pids of both followers>; start them again",
    ),
)
def retry_overtakes(stage: Stage, idempotence: str) -> None:
    """Let the leader refuse a batch for want of replicas, hold that answer back, let it take the next batch."""
    config = {
        "enable.idempotence": idempotence,
        "max.in.flight.requests.per.connection": "5",
        "linger.ms": "5",
    }
    leader = stage.leader_of(ONE)
    with stage.producing(ONE, config, linked=True) as producer:
        producer.sends(100)
        gone = stage.inject(Stop(*stage.followers_of(ONE)))
        stage.wait_for_in_sync(ONE, 1)
        with stage.fault(Hold((leader,), client=producer.actor), lands=False) as held:
            before = stage.gauges.counts(ONE)
            producer.sends(50, then=NOTHING)
            stage.gauges.await_requests(ONE, more_than=before)
            stage.await_landed(held)
            stage.undo(gone)
            stage.wait_for_in_sync(ONE, 3)
            producer.sends(50, then=NOTHING if idempotence == "true" else APPENDED)
        producer.await_outcomes()
    stage.heal()
    stage.read_to_end(ONE)


LAB = Lab(
    number=6,
    name="keys",
    title=Text(ko="파티션 키와 순서", en="Partition key and order"),
    trials=(life_of_an_order, growing_the_topic, retry_overtakes),
)
