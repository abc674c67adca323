"""Lab 4: consumer groups. How partitions are shared out, and who takes over when a member leaves."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ktrial.judges import everyone_has_work, taken_over_within
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import Topic, Work
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

ORDERS = Topic("orders", partitions=3, replicas=3)
GROUP = "order-service"
EVERYWHERE = {"cycle": 30}  # this many keys: records on every partition
MEMBERS = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "200"}
AT_ONCE_S = 4.0  # well below the session time-out


class Crowd(Enum):
    """How many members share how many partitions."""

    ONE = "1 member, 3 partitions"
    TWO = "2 members, 3 partitions"
    THREE = "3 members, 3 partitions"
    FOUR = "4 members, 3 partitions"
    CROWDED = "2 members, 1 partition"

    def __str__(self) -> str:
        """Return it in words."""
        return self.value

    @property
    def members(self) -> int:
        """How many members."""
        return int(self.value[0])

    @property
    def topic(self) -> Topic:
        """The topic that they read."""
        return ORDERS if self is not Crowd.CROWDED else Topic("orders", partitions=1, replicas=3)


@trial(
    question=Text(
        ko="그룹에 컨슈머를 늘리면 모든 컨슈머가 일을 나눠 받을까요?",
        en="Consumers join a group one after the other: does each of them get work?",
    ),
    varies="members and partitions",
    predict={
        Crowd.ONE: HELD,
        Crowd.TWO: HELD,
        Crowd.THREE: HELD,
        Crowd.FOUR: BROKEN,
        Crowd.CROWDED: BROKEN,
    },
    judge=everyone_has_work(),
    by_hand=(
        "kafka-topics --create --topic orders --partitions 3 --replication-factor 3 --bootstrap-server localhost:9092",
        "kafka-console-consumer --topic orders --group order-service --bootstrap-server localhost:9092",
        (
            "kafka-consumer-groups --describe --group order-service --members --verbose"
            " --bootstrap-server localhost:9092"
        ),
    ),
    alone=Alone.NOTHING,
    lasts_s=4.0,
)
def scaling_out(stage: Stage, crowd: Crowd) -> None:
    """Let members join one after the other; each time wait until the group is stable and has processed what comes."""
    members = []
    with stage.producing(crowd.topic) as producer:
        for number in range(1, crowd.members + 1):
            members.append(stage.groups.join(GROUP, crowd.topic, config=MEMBERS))
            stage.groups.await_stable(GROUP, *members)
            producer.sends(100, keys=EVERYWHERE)
            stage.groups.await_processed(GROUP, 100 * number)


class Leaves(Enum):
    """How a member leaves."""

    CLOSE = "close()"
    KILL = "kill -9"

    def __str__(self) -> str:
        """Return it in words."""
        return self.value


@trial(
    question=Text(
        ko="컨슈머 하나가 사라지면 남은 컨슈머가 그 파티션을 바로(4초 안에) 이어받을까요?",
        en="One consumer goes away: do the others take its partitions over at once (within 4 s)?",
    ),
    varies="how it leaves",
    predict={Leaves.CLOSE: HELD, Leaves.KILL: BROKEN},
    judge=taken_over_within(AT_ONCE_S),
    by_hand=(
        "kafka-console-consumer --topic orders --group order-service --bootstrap-server localhost:9092",
        "kill -KILL <pid of one consumer>",
        "kafka-consumer-groups --describe --group order-service --bootstrap-server localhost:9092",
        "kafka-consumer-groups --describe --group order-service --state --bootstrap-server localhost:9092",
    ),
    alone=Alone.NOTHING,
    lasts_s=9.0,
)
def leaving(stage: Stage, leaves: Leaves) -> None:
    """Let three members process a steady stream, let one of them leave, wait until the other two have everything."""
    with stage.producing(ORDERS) as producer, producer.load(per_s=50, at_most=5_000, keys=EVERYWHERE):
        leaver, *others = (
            stage.groups.join(GROUP, ORDERS, config=MEMBERS, work=Work(each_ms=1)) for _ in range(3)
        )
        stage.groups.await_stable(GROUP, leaver, *others)
        producer.await_acknowledged(50)
        if leaves is Leaves.CLOSE:
            leaver.close()
        else:
            leaver.kill()
        stage.groups.await_stable(GROUP, *others)
        producer.await_acknowledged(50)
    stage.groups.await_caught_up(GROUP, ORDERS)


LAB = Lab(
    number=4,
    name="groups",
    title=Text(ko="컨슈머 그룹과 리밸런싱", en="Consumer groups and rebalancing"),
    trials=(scaling_out, leaving),
)
