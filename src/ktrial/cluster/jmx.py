"""JMX over HTTP, by the Jolokia agent in each node: reading only, loopback only."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

from ktrial.errors import StageProblem

if TYPE_CHECKING:
    from ktrial.cluster.node import Node

READ_TIMEOUT_S = 2.0
NOT_THERE = "InstanceNotFound"
COORDINATOR_MBEAN = "kafka.server:type=group-coordinator-metrics"
REBALANCES = "group-completed-rebalance-count"


class JmxUnanswered(StageProblem):
    """The node's JMX agent did not answer, or does not know the MBean."""


def read(node: Node, mbean: str, attribute: str) -> float | str | dict[str, object]:
    """Return one attribute of one MBean of a node.

    Raises JmxUnanswered when the node is dead or paused, or the MBean is not there (yet).
    """
    body = json.dumps({"type": "read", "mbean": mbean, "attribute": attribute})
    connection = http.client.HTTPConnection("127.0.0.1", node.jmx_port, timeout=READ_TIMEOUT_S)
    try:
        connection.request("POST", "/jolokia/", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise JmxUnanswered(
            f"JMX of {node.name} did not answer for {mbean} ({type(error).__name__})."
        ) from error
    finally:
        connection.close()
    if answer.get("status") != 200:
        raise JmxUnanswered(f"{node.name} has no {mbean} {attribute}: {answer.get('error_type', 'unknown')}.")
    value: float | str | dict[str, object] = answer["value"]
    return value


def log_end_offset(node: Node, topic: str, partition: int) -> int:
    """Return the node's own log end offset of a partition: also what followers have not fetched yet counts."""
    return _number(node, f"kafka.log:type=Log,name=LogEndOffset,topic={topic},partition={partition}")


def log_start_offset(node: Node, topic: str, partition: int) -> int:
    """Return where the node's own log of a partition starts: retention has taken what lies below."""
    return _number(node, f"kafka.log:type=Log,name=LogStartOffset,topic={topic},partition={partition}")


def waiting_fetches(node: Node) -> int:
    """Return how many fetch requests wait at the node for new records (followers' and consumers')."""
    return _number(
        node, "kafka.server:type=DelayedOperationPurgatory,name=NumDelayedOperations,delayedOperation=Fetch"
    )


def under_replicated(node: Node) -> int:
    """Return how many partitions led by the node have followers out of sync."""
    return _number(node, "kafka.server:type=ReplicaManager,name=UnderReplicatedPartitions")


def is_under_replicated(node: Node, topic: str, partition: int) -> bool:
    """Return whether the leading node counts this partition as under-replicated."""
    return bool(
        _number(
            node, f"kafka.cluster:type=Partition,name=UnderReplicated,topic={topic},partition={partition}"
        )
    )


def topic_count(node: Node, topic: str, name: str) -> int:
    """Return a counter of BrokerTopicMetrics for one topic at one node; 0 where the node has never counted any."""
    try:
        value = read(node, topic_mbean(topic, name), "Count")
    except JmxUnanswered as error:
        if NOT_THERE in str(error):
            return 0
        raise
    return int(value) if isinstance(value, int | float) else 0


def topic_mbean(topic: str, name: str) -> str:
    """Return the MBean of a counter of one topic: BytesInPerSec, MessagesInPerSec, TotalProduceRequestsPerSec."""
    return f"kafka.server:type=BrokerTopicMetrics,name={name},topic={topic}"


def rebalances(node: Node) -> int:
    """Return how many rebalances of classic groups the node's coordinator has completed since it started."""
    value = read(node, COORDINATOR_MBEAN, REBALANCES)
    return int(value) if isinstance(value, int | float) else -1


def _number(node: Node, mbean: str) -> int:
    value = read(node, mbean, "Value")
    return int(value) if isinstance(value, int | float) else -1
