"""Lab 8: rebalancing. When a group takes partitions from a member, and what each strategy makes the others pay."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ktrial.judges import keeps_its_partitions, kept_partitions_go_on, no_rebalance
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import Commits, Topic, Work
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

ORDERS = Topic("orders", partitions=4, replicas=3)
GROUP = "order-service"
EVERYWHERE = {"cycle": 40}  # this many keys: records on every partition
HEARTBEATS = {"heartbeat.interval.ms": "200"}
PACED = Work(each_ms=2, batch=20)
CAREFUL = Work(each_ms=4, batch=20, commits=Commits.AFTER_BATCH)  # busy for a while, and commits what it did
PAUSE_S = 3.5  # between the short session time-out and the long one


@trial(
    question=Text(
        ko="컨슈머가 3.5초 동안 멈춰 있다가(SIGSTOP) 다시 돌아옵니다. 자기 파티션을 그대로 지킬까요?",
        en="A consumer stands still for 3.5 s (SIGSTOP) and goes on: does it keep its partitions?",
    ),
    varies="session.timeout.ms",
    predict={"1500": BROKEN, "10000": HELD},
    judge=keeps_its_partitions(),
    by_hand=(
        (
            "kafka-console-consumer --topic orders --group order-service --bootstrap-server localhost:9092"
            " --command-property session.timeout.ms=10000"
        ),
        "kill -STOP <pid of one consumer>",
        "kafka-consumer-groups --describe --group order-service --members --bootstrap-server localhost:9092",
        "kill -CONT <pid of the consumer>",
    ),
    alone=Alone.NOTHING,
    lasts_s=6.5,
)
def session_timeout(stage: Stage, session_ms: str) -> None:
    """Stop one of two members in the middle of a batch for 3.5 s, let it go on, wait until both have done the rest."""
    config = {**HEARTBEATS, "session.timeout.ms": session_ms}
    sleeper = stage.groups.join(GROUP, ORDERS, config=config, work=CAREFUL)
    other = stage.groups.join(GROUP, ORDERS, config=config, work=CAREFUL)
    stage.groups.await_stable(GROUP, sleeper, other)
    with stage.producing(ORDERS) as producer:
        producer.sends(400, keys=EVERYWHERE)
        sleeper.await_processed(30)
        with sleeper.paused():
            sleeper.await_paused_for(PAUSE_S)
        stage.groups.await_stable(GROUP, sleeper, other)
        producer.sends(100, keys=EVERYWHERE)
    stage.groups.await_caught_up(GROUP, ORDERS)


@trial(
    question=Text(
        ko="컨슈머는 살아 있지만 메시지 하나를 처리하는 데 오래 걸립니다. 자기 파티션을 그대로 지킬까요?",
        en="A consumer lives, but takes long over one record: does it keep its partitions?",
    ),
    varies="how long one record takes, with max.poll.interval.ms=3000",
    predict={"500 ms": HELD, "4500 ms": BROKEN},
    judge=keeps_its_partitions(),
    beyond=True,
    by_hand=(
        (
            "kafka-console-consumer --topic orders --group order-service --bootstrap-server localhost:9092"
            " --command-property max.poll.interval.ms=3000"
        ),
        "kafka-consumer-groups --describe --group order-service --members --bootstrap-server localhost:9092",
    ),
    alone=Alone.NOTHING,
    lasts_s=6.0,
)
def poll_interval(stage: Stage, takes: str) -> None:
    """Let one record of one of two members take long, while its heartbeats go on; wait until both are at work."""
    config = {**HEARTBEATS, "session.timeout.ms": "3000", "max.poll.interval.ms": "3000"}
    slow = stage.groups.join(GROUP, ORDERS, config=config, work=PACED)
    other = stage.groups.join(GROUP, ORDERS, config=config, work=PACED)
    stage.groups.await_stable(GROUP, slow, other)
    with stage.producing(ORDERS) as producer, producer.load(per_s=100, at_most=5_000, keys=EVERYWHERE):
        slow.busy(float(takes.removesuffix(" ms")))
        slow.await_idle()
        stage.groups.await_stable(GROUP, slow, other)
    stage.groups.await_caught_up(GROUP, ORDERS)


class Strategy(Enum):
    """How a group shares its partitions out, and moves them."""

    RANGE = "range (eager)"
    COOPERATIVE = "cooperative-sticky"
    KIP_848 = "group.protocol=consumer (KIP-848)"

    def __str__(self) -> str:
        """Return it in Kafka's words."""
        return self.value

    @property
    def config(self) -> dict[str, str]:
        """The members' settings."""
        if self is Strategy.KIP_848:
            return {"group.protocol": "consumer"}
        assignor = "range" if self is Strategy.RANGE else "cooperative-sticky"
        return {**HEARTBEATS, "session.timeout.ms": "6000", "partition.assignment.strategy": assignor}


@trial(
    question=Text(
        ko="컨슈머가 하나 들어오고 하나 나갑니다. 주인이 바뀌지 않는 파티션은 멈추지 않고 계속 처리될까요?",
        en="One consumer joins, one leaves: do partitions that keep their owner go on without a stop?",
    ),
    varies="strategy",
    predict={Strategy.RANGE: BROKEN, Strategy.COOPERATIVE: HELD, Strategy.KIP_848: HELD},
    judge=kept_partitions_go_on(),
    by_hand=(
        (
            "kafka-console-consumer --topic orders --group order-service --bootstrap-server localhost:9092"
            " --command-property partition.assignment.strategy="
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
        ),
        (
            "kafka-console-consumer --topic orders --group order-service-848 --bootstrap-server localhost:9092"
            " --command-property group.protocol=consumer"
        ),
        "kafka-consumer-groups --describe --group order-service --state --bootstrap-server localhost:9092",
    ),
    alone=Alone.NOTHING,
    lasts_s=6.0,
)
def strategy(stage: Stage, chosen: Strategy) -> None:
    """Let two members work on a steady stream, let a third join, let the first leave in good order."""
    first, second = (stage.groups.join(GROUP, ORDERS, config=chosen.config, work=PACED) for _ in range(2))
    stage.groups.await_stable(GROUP, first, second)
    with stage.producing(ORDERS) as producer, producer.load(per_s=200, at_most=5_000, keys=EVERYWHERE):
        producer.await_acknowledged(50)
        third = stage.groups.join(GROUP, ORDERS, config=chosen.config, work=PACED)
        stage.groups.await_stable(GROUP, first, second, third)
        producer.await_acknowledged(50)
        first.close()
        stage.groups.await_stable(GROUP, second, third)
        producer.await_acknowledged(50)
    stage.groups.await_caught_up(GROUP, ORDERS)


@trial(
    question=Text(
        ko="컨슈머 프로세스가 죽고 세션 시간 안에 다시 시작됩니다. 리밸런싱 없이 넘어갈까요?",
        en="A consumer dies and is started again within its session: does the group do without a rebalance?",
    ),
    varies="group.instance.id",
    predict={"set": HELD, "not set": BROKEN},
    judge=no_rebalance(),
    beyond=True,
    by_hand=(
        (
            "kafka-console-consumer --topic orders --group order-service --bootstrap-server localhost:9092"
            " --command-property group.instance.id=order-service-1"
        ),
        "kill -KILL <pid of the consumer>; start it again",
        "kafka-consumer-groups --describe --group order-service --members --verbose --bootstrap-server localhost:9092",
    ),
    alone=Alone.NOTHING,
    lasts_s=6.0,
)
def static_membership(stage: Stage, instance: str) -> None:
    """Kill one of two members, start it again at once, and wait until the new one has the dead one's work."""

    def config(number: int) -> dict[str, str]:
        named = {"group.instance.id": f"order-service-{number}"} if instance == "set" else {}
        return {**HEARTBEATS, "session.timeout.ms": "6000", **named}

    mortal = stage.groups.join(GROUP, ORDERS, config=config(1), work=PACED)
    other = stage.groups.join(GROUP, ORDERS, config=config(2), work=PACED)
    stage.groups.await_stable(GROUP, mortal, other)
    with stage.producing(ORDERS) as producer, producer.load(per_s=100, at_most=5_000, keys=EVERYWHERE):
        producer.await_acknowledged(50)
        mortal.kill()
        reborn = stage.groups.join(GROUP, ORDERS, config=config(1), work=PACED)
        stage.groups.await_stable(GROUP, reborn, other)
        producer.await_acknowledged(50)
    stage.groups.await_caught_up(GROUP, ORDERS)


LAB = Lab(
    number=8,
    name="rebalancing",
    title=Text(ko="리밸런싱 전략과 세션 타임아웃", en="Rebalancing strategies and session time-outs"),
    trials=(session_timeout, poll_interval, strategy, static_membership),
)
