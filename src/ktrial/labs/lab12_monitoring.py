"""Lab 12: monitoring. Whether lag, alarms and counters tell what happened."""

from __future__ import annotations

from contextlib import ExitStack
from enum import Enum
from typing import TYPE_CHECKING

from ktrial.faults import Kill
from ktrial.judges import alarms_truthfully, counts_agree, lag_agrees
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import Commits, Topic, Work
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

ORDERS = Topic("orders", partitions=3, replicas=3, min_in_sync=2)
SLOW = Work(each_ms=5.0, batch=20, commits=Commits.AFTER_BATCH)
KEYS = {"cycle": 30}  # all three partitions get some
ALARM_WITHIN_S = 10.0


class When(Enum):
    """When the two ways of telling the lag look."""

    TOGETHER = "both while the group stands still"
    APART = "one before and one after 300 records more"

    def __str__(self) -> str:
        """Return it in words."""
        return self.value


@trial(
    question=Text(
        ko="로그 끝 오프셋에서 커밋된 오프셋을 뺀 값은 kafka-consumer-groups가 보여 주는 LAG과 같을까요?",
        en="Is the log's end less the committed offset the LAG that kafka-consumer-groups prints?",
    ),
    varies="when they look",
    predict={When.TOGETHER: HELD, When.APART: BROKEN},
    judge=lag_agrees(),
    alone=Alone.NOTHING,
    by_hand=(
        "kafka-consumer-groups --describe --group my-group --bootstrap-server localhost:9092",
        "kafka-get-offsets --topic orders --bootstrap-server localhost:9092",
    ),
)
def lag(stage: Stage, when: When) -> None:
    """Let a slow group fall behind, stop it where it stands, tell its lag in both ways, let it catch up."""
    with stage.producing(ORDERS) as producer:
        producer.sends(90, keys=KEYS)
        with stage.groups.member("readers", ORDERS, work=SLOW) as member:
            stage.groups.await_caught_up("readers", ORDERS)
            member.halt(after=150)
            producer.sends(210, keys=KEYS)
            member.await_halted()
            stage.gauges.lag("readers", ORDERS)
            if when is When.APART:
                producer.sends(300, keys=KEYS)
            stage.gauges.lag_by_tool("readers", ORDERS)
            with stage.gauges.watching_lag("readers", ORDERS):
                member.go_on()
                stage.groups.await_caught_up("readers", ORDERS)
            stage.gauges.lag("readers", ORDERS)
    stage.read_to_end(ORDERS)


class Watch(Enum):
    """What happens, and whom the watch asks."""

    ALL = "a broker is killed, the watch asks all brokers"
    NOTHING = "nothing happens, the watch asks all brokers"
    ONLY_THE_DEAD = "a broker is killed, the watch asks only that one"

    def __str__(self) -> str:
        """Return it in words."""
        return self.value


@trial(
    question=Text(
        ko="UnderReplicatedPartitions 경보는 브로커가 죽으면 울리고, 복구되면 꺼지고, 아무 일 없으면 조용할까요?",
        en="Does the alarm on UnderReplicatedPartitions come with a death, end with the return, and else keep silent?",
    ),
    varies="what happens, and who is asked",
    predict={Watch.ALL: HELD, Watch.NOTHING: HELD, Watch.ONLY_THE_DEAD: BROKEN},
    judge=alarms_truthfully(ALARM_WITHIN_S),
    by_hand=(
        "kafka-topics --describe --under-replicated-partitions --bootstrap-server localhost:9092",
        "kill -KILL <pid of one broker>",
    ),
)
def under_replicated_watch(stage: Stage, watch: Watch) -> None:
    """Watch JMX while the leader of a partition is killed and comes back, or while nothing happens."""
    leader = stage.leader_of(ORDERS)
    asked = (leader,) if watch is Watch.ONLY_THE_DEAD else stage.brokers
    with stage.producing(ORDERS) as producer, producer.load(per_s=100, at_most=6000):
        producer.await_acknowledged(20)
        with stage.gauges.watching_under_replicated(asked):
            producer.await_acknowledged(50)
            if watch is not Watch.NOTHING:
                killed = stage.inject(Kill(leader))
                successor = stage.wait_for_leader(ORDERS, other_than=leader)
                stage.wait_for_under_replicated(successor, ORDERS, under=True)
                producer.await_acknowledged(50)
                stage.undo(killed)
                stage.wait_for_in_sync(ORDERS, 3)
                for broker in stage.brokers:
                    stage.gauges.await_fully_replicated(broker)
            producer.await_acknowledged(20)
    stage.heal()
    stage.read_to_end(ORDERS)


@trial(
    question=Text(
        ko="JMX의 리밸런스 횟수는 클라이언트가 겪은 리밸런스 횟수와 같을까요?",
        en="Does JMX count as many rebalances as the clients went through?",
    ),
    varies="whose counter is read",
    predict={"the coordinator's": HELD, "another broker's": BROKEN},
    judge=counts_agree(),
    by_hand=(
        "kafka-consumer-groups --describe --group my-group --state --bootstrap-server localhost:9092",
        (
            "kafka-jmx --object-name kafka.server:type=group-coordinator-metrics"
            " --attributes group-completed-rebalance-count"
        ),
    ),
)
def rebalance_rate(stage: Stage, whose: str) -> None:
    """Let members come and go one at a time; read the counter before and after, and what the topic counted."""
    coordinator = stage.coordinator_of("readers")
    others = [broker for broker in stage.brokers if broker != coordinator]
    asked = coordinator if whose.startswith("the") else others[0]
    stage.gauges.rebalances(asked, at="before")
    with stage.producing(ORDERS) as producer, ExitStack() as running:
        producer.sends(300, keys=KEYS)
        members = [running.enter_context(stage.groups.member("readers", ORDERS))]
        stage.groups.await_stable("readers", *members)
        for _ in range(2):
            members.append(running.enter_context(stage.groups.member("readers", ORDERS)))
            stage.groups.await_stable("readers", *members)
        members.pop().close()
        stage.groups.await_stable("readers", *members)
        stage.groups.await_caught_up("readers", ORDERS)
        stage.gauges.rebalances(asked, at="after")
    stage.gauges.counts(ORDERS)
    stage.read_to_end(ORDERS)


LAB = Lab(
    number=12,
    name="monitoring",
    title=Text(ko="모니터링: lag과 JMX", en="Monitoring: lag and JMX"),
    trials=(lag, under_replicated_watch, rebalance_rate),
)
