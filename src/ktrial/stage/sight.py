"""What can be seen of the cluster at this moment: partitions as brokers tell them, logs as JMX does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ktrial.cluster import jmx, wire
from ktrial.cluster.embedded import await_condition
from ktrial.errors import StageProblem

if TYPE_CHECKING:
    from ktrial.cluster.embedded import EmbeddedCluster, PartitionView

NEWS_LIMIT_S = 10.0
SET_FOR_TOPIC = 1  # DescribeConfigs: where a value comes from
CHECK_INTERVAL = "log.retention.check.interval.ms"
LIFETIME = frozenset(
    {
        "cleanup.policy",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "message.timestamp.type",
        "min.compaction.lag.ms",
        "retention.bytes",
        "retention.ms",
        "segment.ms",
    }
)
"""Settings that decide how long a record stays."""
Seen = tuple[bool, str]
"""Whether a condition has come, and what is seen of it now."""


class Sight:
    """Looks; topics are named as the cluster names them."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        """Look at this cluster."""
        self._cluster = cluster

    def views(self, topic: str) -> tuple[PartitionView, ...]:
        """Return the partitions as some trusted broker sees them; empty when nobody answers."""
        with suppress(wire.Unanswered):
            return self._cluster.partitions(topic)
        return ()

    def partition(self, topic: str, partition: int) -> PartitionView:
        """Return one partition. Raises WaitTimedOut when nobody tells of it."""
        found: list[PartitionView] = []

        def told() -> Seen:
            found[:] = [view for view in self.views(topic) if view.partition == partition]
            return bool(found), "no broker answered"

        await_condition(f"news of {topic}/{partition}", told, NEWS_LIMIT_S)
        return found[0]

    def settings(self, topic: str) -> dict[str, str]:
        """Return what is set for a topic, and whatever holds for it of what retention and compaction go by."""
        with suppress(wire.Unanswered):
            answer = self._cluster.ask(wire.describe_configs(wire.TOPIC_RESOURCE, topic), timeout_s=2.0)
            told = {
                str(each.name): str(each.value)
                for each in answer.results[0].configs or ()
                if each.value is not None and (each.config_source == SET_FOR_TOPIC or each.name in LIFETIME)
            }
            interval = self._cluster.spec.broker_settings().get(CHECK_INTERVAL)
            return told | ({CHECK_INTERVAL: interval} if told and interval else {})
        return {}

    def log_end(self, topic: str) -> int:
        """Return how many records the leaders' logs hold, acknowledged or not."""
        return sum(
            jmx.log_end_offset(self._cluster.nodes[view.leader], topic, view.partition)
            for view in self.views(topic)
        )

    def is_replicated(self, topic: str) -> Seen:
        """Whether every in-sync replica has all that the leaders hold: high watermark = log end offset."""
        ends, marks = [], []
        for view in self.views(topic):
            ends.append(jmx.log_end_offset(self._cluster.nodes[view.leader], topic, view.partition))
            marks.append(self._asked_end(view))
        return bool(ends) and ends == marks, f"log ends {ends}, high watermarks {marks}"

    def high_watermark(self, topic: str, partition: int) -> int:
        """Return the end offset that consumers see. Raises wire.Unanswered, or WaitTimedOut when nobody leads."""
        return self._asked_end(self.partition(topic, partition))

    def _asked_end(self, view: PartitionView) -> int:
        answer = self._cluster.ask(wire.list_latest(view.topic, view.partition), brokers=[view.leader])
        return int(answer.topics[0].partitions[0].offset)

    def is_under_replicated(self, leader: int, topic: str, *, wanted: bool) -> Seen:
        """Whether the leader's JMX says of partition 0 what is wanted: that it is under-replicated, or not."""
        try:
            seen = jmx.is_under_replicated(self._cluster.nodes[leader], topic, 0)
        except jmx.JmxUnanswered as silence:
            return False, str(silence)
        return seen is wanted, f"under-replicated: {seen}"

    def all_registered(self) -> Seen:
        """Whether all brokers are registered. Raises StageProblem for a node that died by itself."""
        for node in self._cluster.nodes.values():
            if node.state() == "died":
                raise StageProblem(
                    f"{node.name} died although nothing here killed it: {node.last_log_lines(1)}"
                )
        registered = self._cluster.registered()
        return registered == self._cluster.brokers, f"{list(registered)} of {list(self._cluster.brokers)}"
