"""Lab 3: what an acknowledgement is worth. Producer acks against a leader that dies."""

from __future__ import annotations

from contextlib import ExitStack
from enum import Enum
from typing import TYPE_CHECKING

from ktrial.faults import Kill, Pause
from ktrial.judges import costs_in_order, nothing_missing
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import APPENDED, Topic
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage
    from ktrial.stage.traffic import ProducerHandle

ORDERS = Topic("orders", partitions=1, replicas=3, min_in_sync=2)
UNCLEAN = Topic(
    "orders-unclean",
    partitions=1,
    replicas=3,
    min_in_sync=1,
    settings={"unclean.leader.election.enable": "true"},
)
EVENTS = Topic("events", partitions=1, replicas=3, min_in_sync=2)
ROUNDS = 7


class Acks(Enum):
    """How many replicas must have a record before the producer is told so; the control weakens the topic instead."""

    NONE = "acks=0"
    LEADER = "acks=1"
    ALL = "acks=all"
    ALL_BUT_UNCLEAN = "acks=all, min.insync.replicas=1, unclean.leader.election.enable=true"

    def __str__(self) -> str:
        """Return the setting in Kafka's words."""
        return self.value

    @property
    def config(self) -> dict[str, str]:
        """The producer's settings: acks, and batches large enough that 500 records are under way at once."""
        acks = {"acks=0": "0", "acks=1": "1"}.get(self.value, "all")
        return {"acks": acks, "linger.ms": "50", "batch.size": "131072"}


@trial(
    question=Text(
        ko="팔로워가 아직 복제하지 못한 메시지를 리더가 승인한 직후 리더가 죽으면, 승인된 메시지도 사라질 수 있을까요?",
        en="The leader acknowledges records that no follower has yet, and dies: can acknowledged records be lost?",
    ),
    varies="acks and topic",
    predict={Acks.NONE: BROKEN, Acks.LEADER: BROKEN, Acks.ALL: HELD, Acks.ALL_BUT_UNCLEAN: BROKEN},
    judge=nothing_missing(),
    by_hand=(
        (
            "kafka-topics --create --topic orders --partitions 1 --replication-factor 3"
            " --config min.insync.replicas=2 --bootstrap-server localhost:9092"
        ),
        "kafka-topics --describe --topic orders --bootstrap-server localhost:9092",
        "kill -STOP <pids of both followers>",
        "kafka-console-producer --topic orders --producer-property acks=1 --bootstrap-server localhost:9092",
        "kill -KILL <pid of the leader>",
        "kill -CONT <pids of both followers>",
        "kafka-console-consumer --topic orders --from-beginning --bootstrap-server localhost:9092",
    ),
)
def leader_dies_unreplicated(stage: Stage, acks: Acks) -> None:
    """Hold the followers back, let the leader take 500 records alone, kill it, let the followers go on."""
    topic = UNCLEAN if acks is Acks.ALL_BUT_UNCLEAN else ORDERS
    leader = stage.leader_of(topic)
    with stage.producing(topic, acks.config) as producer:
        producer.sends(100, then=APPENDED)
        stage.wait_until_replicated(topic)
        with stage.fault(Pause(*stage.followers_of(topic))):
            stage.wait_for_no_fetch_at(leader)
            if acks is Acks.ALL_BUT_UNCLEAN:
                stage.wait_for_in_sync(topic, 1)
            producer.sends(500, then=APPENDED)
            stage.inject(Kill(leader))
        stage.wait_for_leader(topic, other_than=leader)
        producer.await_outcomes()
    with stage.producing(topic, acks.config) as another:  # knows only the new leader
        another.sends(600, then=APPENDED)
    stage.heal()
    stage.read_to_end(topic)


@trial(
    question=Text(
        ko="부하가 걸린 상태에서 리더 브로커를 kill -9로 세 번 죽여도, acks=all이면 유실이 없을까요?",
        en="The leader is killed with -9 under load, three times over: is nothing lost with acks=all?",
    ),
    varies="acks",
    predict={"0": None, "1": None, "all": HELD},
    judge=nothing_missing(),
    by_hand=(
        (
            "kafka-producer-perf-test --topic orders --num-records 100000 --record-size 100 --throughput 1000"
            " --producer-props acks=all bootstrap.servers=localhost:9092"
        ),
        "kill -KILL <pid of the leader>",
    ),
)
def one_broker_dies(stage: Stage, acks: str) -> None:
    """Kill the leader under load without holding anybody back, three times; each time the cluster gets whole again."""
    config = {"acks": acks, "linger.ms": "20"}
    with stage.producing(ORDERS, config) as producer, producer.load(per_s=1000, at_most=60_000):
        for _ in range(3):
            leader = stage.leader_of(ORDERS)
            producer.await_called(200)
            killed = stage.inject(Kill(leader))
            stage.undo(killed)  # its process starts again while the cluster still misses it
            stage.wait_for_leader(ORDERS, other_than=leader)
            producer.await_called(200)
            stage.wait_for_in_sync(ORDERS, 3)
    stage.heal()
    stage.read_to_end(ORDERS)


@trial(
    question=Text(
        ko="acks=0, 1, all 중 어느 것이 얼마나 빠를까요? 지연 시간은 all ≥ 1 ≥ 0 순서일까요?",
        en="What does an acknowledgement cost? Is latency ordered all >= 1 >= 0?",
    ),
    varies="what is compared",
    predict={"acks=0, acks=1 and acks=all, in turns": None},
    judge=costs_in_order(
        ("acks-0", "acks-1", "acks-all"), bursts=("bursts-acks-0", "bursts-acks-1", "bursts-acks-all")
    ),
    alone=Alone.MACHINE,
    by_hand=(
        (
            "kafka-producer-perf-test --topic events --num-records 20000 --record-size 100 --throughput -1"
            " --producer-props acks=1 bootstrap.servers=localhost:9092"
        ),
    ),
)
def acks_cost(stage: Stage, _: str) -> None:
    """In a healthy cluster, take turns: a few records one by one for latency, a burst for throughput, by each acks."""
    acks = ("0", "1", "all")
    with ExitStack() as running:

        def producer_of(each: str, name: str, **more: str) -> ProducerHandle:
            return running.enter_context(
                stage.producing(EVENTS, {"acks": each, **more}, actor=f"{name}{each}")
            )

        one_by_one = [producer_of(each, "acks-", **{"linger.ms": "0"}) for each in acks]
        bursting = [producer_of(each, "bursts-acks-") for each in acks]
        for _round in range(ROUNDS):
            for producer in one_by_one:
                producer.sends(40, one_by_one=True)
            for producer in bursting:
                producer.sends(5000)
    stage.read_to_end(EVENTS)


LAB = Lab(
    number=3,
    name="acks",
    title=Text(ko="프로듀서 acks와 내구성", en="Producer acks and durability"),
    trials=(leader_dies_unreplicated, one_broker_dies, acks_cost),
)
