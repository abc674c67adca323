"""Lab 1: broker, topic, partition, consumer group, on one KRaft node and by Apache's own tools."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ktrial.judges import all_read_by
from ktrial.lab import Lab, trial
from ktrial.stage import ClusterSpec, Topic
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

MESSAGES = Topic("test-topic", partitions=1, replicas=1)
READER = "second-reader"


class Who(Enum):
    """Who reads after my-group has read everything once."""

    NEW_GROUP = "my-group, for the first time"
    SAME_GROUP = "my-group again, with --from-beginning"
    OTHER_GROUP = "other-group, after my-group"

    def __str__(self) -> str:
        """Return it in words."""
        return self.value


@trial(
    question=Text(
        ko="--from-beginning을 주면, 보낸 메시지를 언제나 처음부터 모두 읽을까요?",
        en="Does a consumer with --from-beginning always read every record that was sent?",
    ),
    varies="who reads",
    predict={Who.NEW_GROUP: HELD, Who.SAME_GROUP: BROKEN, Who.OTHER_GROUP: HELD},
    judge=all_read_by(READER),
    cluster=ClusterSpec(brokers=1),
    by_hand=(
        (
            "kafka-topics --create --topic test-topic --partitions 1 --replication-factor 1"
            " --bootstrap-server localhost:9092"
        ),
        (
            "kafka-console-producer --topic test-topic --property parse.key=true --property key.separator=:"
            " --bootstrap-server localhost:9092"
        ),
        "kafka-console-consumer --topic test-topic --group my-group --from-beginning --bootstrap-server localhost:9092",
        "kafka-consumer-groups --describe --group my-group --bootstrap-server localhost:9092",
        "kafka-metadata-quorum --bootstrap-server localhost:9092 describe --status",
    ),
)
def first_messages(stage: Stage, who: Who) -> None:
    """Create a topic, type keyed records, read them in a group; then read again as the setting says."""
    stage.tools.describe_quorum()
    stage.creates(MESSAGES)
    stage.types(MESSAGES, 12)
    if who is not Who.NEW_GROUP:
        stage.tools.consume(MESSAGES, "my-group", "first-reader")
    stage.tools.consume(MESSAGES, "other-group" if who is Who.OTHER_GROUP else "my-group", READER)
    stage.read_to_end(MESSAGES)


LAB = Lab(
    number=1,
    name="basics",
    title=Text(ko="카프카 기본 개념과 설치", en="Broker, topic, partition, consumer group"),
    trials=(first_messages,),
)
