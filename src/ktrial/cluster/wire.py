"""Kafka's own protocol, one request at a time, for looking at a cluster whose brokers may be dead.

The messages are kio's (generated from Kafka's schemas). One connection to one broker with a short time-out: a dead
or paused broker costs that time-out and hides nothing of the others. Leaves out pooling, retries and leader routing.
"""

from __future__ import annotations

import datetime as dt
import io
import socket
import struct
from typing import TYPE_CHECKING, Any, Self

from kio.index import load_response_from_request
from kio.schema.api_versions.v3 import request as versions
from kio.schema.consumer_group_describe.v0 import request as consumer_group
from kio.schema.create_topics.v7 import request as create
from kio.schema.delete_topics.v6 import request as delete
from kio.schema.describe_cluster.v1 import request as cluster
from kio.schema.describe_configs.v4 import request as configs
from kio.schema.describe_groups.v5 import request as classic_group
from kio.schema.describe_topic_partitions.v0 import request as partitions
from kio.schema.find_coordinator.v4 import request as coordinator
from kio.schema.list_offsets.v7 import request as offsets
from kio.schema.offset_fetch.v8 import request as committed
from kio.schema.types import BrokerId, GroupId, TopicName
from kio.serial import entity_reader, entity_writer
from kio.static.primitive import i8, i16, i32, i32Timedelta, i64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

CLIENT_ID = "ktrial-observer"
TOPIC_RESOURCE, BROKER_RESOURCE = 2, 4
LATEST = -1


class Unanswered(OSError):
    """The broker did not answer within the time-out, or its connection ended."""


class Wire:
    """One connection to one broker; opened on first use, opened anew after a failure."""

    def __init__(self, port: int, *, timeout_s: float = 0.5) -> None:
        """Name the loopback port and how long any one answer may take."""
        self._port = port
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._correlation = 0

    def __enter__(self) -> Self:
        """Use it in a `with`."""
        return self

    def __exit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def ask(self, request: Any, *, timeout_s: float | None = None) -> Any:
        """Send a kio request and return kio's response. Raises Unanswered."""
        try:
            return self._ask(request, timeout_s or self._timeout_s)
        except OSError as error:
            self.close()
            raise Unanswered(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _ask(self, request: Any, timeout_s: float) -> Any:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(timeout_s)
        self._correlation += 1
        self._socket.sendall(_encoded(request, self._correlation))
        (size,) = struct.unpack(">i", self._receive(4))
        return _decoded(type(request), self._receive(size))

    def _receive(self, size: int) -> bytes:
        assert self._socket is not None
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionResetError("the broker closed the connection")
            parts += part
        return bytes(parts)


def _encoded(request: Any, correlation: int) -> bytes:
    header_type = type(request).__header_schema__
    header = header_type(
        request_api_key=type(request).__api_key__,
        request_api_version=type(request).__version__,
        correlation_id=i32(correlation),
        client_id=CLIENT_ID,
    )
    body = io.BytesIO()
    entity_writer(header_type)(body, header)
    entity_writer(type(request))(body, request)
    return struct.pack(">i", body.tell()) + body.getvalue()


def _decoded(request_type: Any, body: bytes) -> Any:
    response_type = load_response_from_request(request_type)
    _, start = entity_reader(response_type.__header_schema__)(body, 0)
    response, _ = entity_reader(response_type)(body, start)
    return response


def describe_cluster() -> Any:
    """Ask which brokers are registered and unfenced."""
    return cluster.DescribeClusterRequest(include_cluster_authorized_operations=False, endpoint_type=i8(1))


def describe_partitions(topics: Sequence[str]) -> Any:
    """Ask for leader, epoch, replicas, ISR and ELR of the partitions of these topics."""
    named = tuple(partitions.TopicRequest(name=TopicName(topic)) for topic in topics)
    return partitions.DescribeTopicPartitionsRequest(topics=named)


def describe_configs(resource_type: int, name: str) -> Any:
    """Ask for all settings of one broker or topic."""
    resource = configs.DescribeConfigsResource(
        resource_type=i8(resource_type), resource_name=name, configuration_keys=None
    )
    return configs.DescribeConfigsRequest(resources=(resource,), include_synonyms=True)


def create_topic(name: str, assignment: Sequence[Sequence[int]], settings: Mapping[str, str]) -> Any:
    """Ask for a topic whose partition i lives on the brokers `assignment[i]`, the first of them preferred leader."""
    placed = tuple(
        create.CreatableReplicaAssignment(
            partition_index=i32(index), broker_ids=tuple(BrokerId(broker) for broker in brokers)
        )
        for index, brokers in enumerate(assignment)
    )
    topic = create.CreatableTopic(
        name=TopicName(name),
        num_partitions=i32(-1),
        replication_factor=i16(-1),
        assignments=placed,
        configs=tuple(create.CreatableTopicConfig(name=key, value=value) for key, value in settings.items()),
    )
    return create.CreateTopicsRequest(topics=(topic,), timeout=_timedelta_ms(10_000))


def delete_topic(name: str) -> Any:
    """Ask for the deletion of one topic."""
    topic = delete.DeleteTopicState(name=TopicName(name), topic_id=None)
    return delete.DeleteTopicsRequest(topics=(topic,), timeout=_timedelta_ms(10_000))


def list_latest(topic: str, partition: int) -> Any:
    """Ask the leader for the end offset (high watermark) of one partition."""
    asked = offsets.ListOffsetsPartition(partition_index=i32(partition), timestamp=i64(LATEST))
    return offsets.ListOffsetsRequest(
        replica_id=BrokerId(-1),
        isolation_level=i8(0),
        topics=(offsets.ListOffsetsTopic(name=TopicName(topic), partitions=(asked,)),),
    )


def api_versions() -> Any:
    """Ask what the broker can, and which feature levels the cluster has agreed on."""
    return versions.ApiVersionsRequest(client_software_name="ktrial", client_software_version="1")


def find_coordinator(group: str) -> Any:
    """Ask which broker coordinates a consumer group."""
    return coordinator.FindCoordinatorRequest(key_type=i8(0), coordinator_keys=(group,))


def describe_classic_group(group: str) -> Any:
    """Ask the coordinator for a group's state and members; a KIP-848 group is answered as unknown or dead."""
    return classic_group.DescribeGroupsRequest(groups=(GroupId(group),), include_authorized_operations=False)


def describe_consumer_group(group: str) -> Any:
    """Ask the coordinator for a KIP-848 group's state, epochs and members."""
    return consumer_group.ConsumerGroupDescribeRequest(
        group_ids=(GroupId(group),), include_authorized_operations=False
    )


def fetch_committed(group: str, topic: str, partitions: int) -> Any:
    """Ask the coordinator what a group has committed of partitions 0 to `partitions - 1` of a topic."""
    indexes = tuple(i32(index) for index in range(partitions))
    asked = committed.OffsetFetchRequestTopics(name=TopicName(topic), partition_indexes=indexes)
    of_group = committed.OffsetFetchRequestGroup(group_id=GroupId(group), topics=(asked,))
    return committed.OffsetFetchRequest(groups=(of_group,), require_stable=False)


def _timedelta_ms(milliseconds: int) -> i32Timedelta:
    return i32Timedelta.parse(dt.timedelta(milliseconds=milliseconds))
