"""Lab 7: replication. Who is in sync, what a write needs of them, and what a stale replica costs."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ktrial.faults import Kill, Pause, Stop
from ktrial.judges import all_of, nothing_lost, stays_in_sync, writes_continue
from ktrial.judges import replicas_agree as logs_agree
from ktrial.lab import Lab, trial
from ktrial.stage import APPENDED, Topic
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

ORDERS = Topic("orders", partitions=1, replicas=3, min_in_sync=2)
LARGE_BATCHES = {"linger.ms": "50", "batch.size": "131072"}
ONE_ATTEMPT = {"retries": "0", "enable.idempotence": "false"}


class Happens(Enum):
    """What happens to the leading broker."""

    STOPPED = "one broker stopped"
    KILLED = "one broker killed"
    NOTHING = "nothing"

    def __str__(self) -> str:
        """Return it in words."""
        return self.value


@trial(
    question=Text(
        ko="브로커 한 대가 멈추면 ISR은 어떻게 될까요? 세 복제본이 모두 ISR에 남아 있을까요?",
        en="One of three brokers goes away: do all replicas stay in sync, and do writes go on?",
    ),
    varies="what happens",
    predict={Happens.STOPPED: BROKEN, Happens.KILLED: BROKEN, Happens.NOTHING: HELD},
    judge=all_of(stays_in_sync(), nothing_lost()),
    by_hand=(
        "kafka-topics --create --topic orders --partitions 1 --replication-factor 3 --bootstrap-server localhost:9092",
        "kafka-topics --describe --topic orders --bootstrap-server localhost:9092",
        "kafka-topics --describe --under-replicated-partitions --bootstrap-server localhost:9092",
        "kill -KILL <pid of one broker>",
    ),
)
def isr_shrinks(stage: Stage, happens: Happens) -> None:
    """Write steadily while the leader is stopped, killed or left alone; watch ISR, leader and JMX; bring it back."""
    leader = stage.leader_of(ORDERS)
    with stage.producing(ORDERS) as producer, producer.load(per_s=200, at_most=20_000):
        producer.await_acknowledged(50)
        stage.wait_for_under_replicated(leader, ORDERS, under=False)
        if happens is not Happens.NOTHING:
            gone = stage.inject(Stop(leader) if happens is Happens.STOPPED else Kill(leader))
            successor = stage.wait_for_leader(ORDERS, other_than=leader)
            stage.wait_for_in_sync(ORDERS, 2)
            stage.wait_for_under_replicated(successor, ORDERS, under=True)
            producer.await_acknowledged(50)
            stage.undo(gone)
            stage.wait_for_in_sync(ORDERS, 3)
            stage.wait_for_under_replicated(successor, ORDERS, under=False)
        producer.await_acknowledged(50)
    stage.heal()
    stage.read_to_end(ORDERS)


class Needs(Enum):
    """How many in-sync replicas a write needs: the topic's minimum, and the producer's acks."""

    TWO = "min.insync.replicas=2, acks=all"
    ONE = "min.insync.replicas=1, acks=all"
    LEADER = "min.insync.replicas=2, acks=1"

    def __str__(self) -> str:
        """Return it in Kafka's words."""
        return self.value

    @property
    def minimum(self) -> int:
        """The topic's min.insync.replicas."""
        return 1 if self is Needs.ONE else 2


@trial(
    question=Text(
        ko="브로커 세 대 중 두 대가 멈추어도 쓰기가 계속될까요?",
        en="Two of three brokers are stopped: do writes continue?",
    ),
    varies="what a write needs",
    predict={Needs.TWO: BROKEN, Needs.ONE: HELD, Needs.LEADER: None},
    judge=all_of(writes_continue(), nothing_lost()),
    by_hand=(
        (
            "kafka-topics --create --topic orders --partitions 1 --replication-factor 3"
            " --config min.insync.replicas=2 --bootstrap-server localhost:9092"
        ),
        "kill -TERM <pids of two brokers>",
        "kafka-console-producer --topic orders --producer-property acks=all --bootstrap-server localhost:9092",
    ),
)
def too_few_in_sync(stage: Stage, needs: Needs) -> None:
    """Stop both followers, try to write, bring them back, write again. Each record is tried once, so errors show."""
    topic = Topic("orders", partitions=1, replicas=3, min_in_sync=needs.minimum)
    acks = {"acks": "1" if needs is Needs.LEADER else "all"}
    with stage.producing(topic, {**acks, **ONE_ATTEMPT}) as producer:
        producer.sends(100)
        stage.inject(Stop(*stage.followers_of(topic)))
        stage.wait_for_in_sync(topic, 1)
        producer.sends(50)
        stage.heal()
        producer.sends(100)
    stage.read_to_end(topic)


@trial(
    question=Text(
        ko="최신 데이터를 가진 유일한 복제본이 죽으면, 승인된 메시지는 그 뒤에도 남아 있을까요?",
        en="The only up-to-date replica dies: are the acknowledged records still there afterwards?",
    ),
    varies="unclean.leader.election.enable",
    predict={"false": HELD, "true": BROKEN},
    judge=nothing_lost(),
    beyond=True,
    by_hand=(
        (
            "kafka-configs --alter --entity-type topics --entity-name orders"
            " --add-config unclean.leader.election.enable=true --bootstrap-server localhost:9092"
        ),
        "kafka-topics --describe --unavailable-partitions --bootstrap-server localhost:9092",
    ),
)
def unclean_election(stage: Stage, unclean: str) -> None:
    """Let both followers fall out of the ISR, let the leader acknowledge alone, kill it, let the followers go on."""
    settings = {"unclean.leader.election.enable": unclean}
    topic = Topic("orders", partitions=1, replicas=3, min_in_sync=1, settings=settings)
    leader = stage.leader_of(topic)
    with stage.producing(topic) as producer:
        producer.sends(100)
        stage.wait_until_replicated(topic)
        with stage.fault(Pause(*stage.followers_of(topic))):
            stage.wait_for_no_fetch_at(leader)
            stage.wait_for_in_sync(topic, 1)
            producer.sends(500)
            dead = stage.inject(Kill(leader))
        if unclean == "true":
            stage.wait_for_leader(topic, other_than=leader)
        else:
            stage.wait_for_no_leader(topic)
            stage.undo(dead)
            stage.wait_for_leader(topic)
    with stage.producing(topic) as another:
        another.sends(600)
    stage.heal()
    stage.read_to_end(topic)


@trial(
    question=Text(
        ko="장애를 겪은 뒤에도 복제본들의 로그는 바이트까지 똑같을까요?",
        en="After a failure, are the replicas' logs byte for byte the same?",
    ),
    varies="when the logs are compared",
    predict={"before the old leader is back": BROKEN, "after everything is healed": HELD},
    judge=logs_agree(),
    beyond=True,
    by_hand=(
        "kafka-dump-log --files <data folder of a broker>/orders-0/00000000000000000000.log",
        "kafka-topics --describe --topic orders --bootstrap-server localhost:9092",
    ),
)
def replicas_agree(stage: Stage, when: str) -> None:
    """Leave a dead leader with records that nobody else has, let its successor write others, compare all three logs."""
    leader = stage.leader_of(ORDERS)
    with stage.producing(ORDERS, {"acks": "1", **LARGE_BATCHES}) as producer:
        producer.sends(100, then=APPENDED)
        stage.wait_until_replicated(ORDERS)
        with stage.fault(Pause(*stage.followers_of(ORDERS))):
            stage.wait_for_no_fetch_at(leader)
            producer.sends(500, then=APPENDED)
            stage.inject(Kill(leader))
        stage.wait_for_leader(ORDERS, other_than=leader)
    with stage.producing(ORDERS, LARGE_BATCHES) as another:
        another.sends(600)
    if when.startswith("before"):
        stage.logs.dump_replicas(ORDERS)
    stage.heal()
    if when.startswith("after"):
        stage.logs.dump_replicas(ORDERS)
    stage.read_to_end(ORDERS)


LAB = Lab(
    number=7,
    name="replication",
    title=Text(ko="복제와 ISR/OSR", en="Replication, ISR and OSR"),
    trials=(isr_shrinks, too_few_in_sync, unclean_election, replicas_agree),
)
