"""The cluster that ktrial boots itself: real nodes as child processes, links between them, everything on loopback.

Ready means: every broker is registered and unfenced, *and* a topic with as many replicas as the cluster gives can be
created. After boot every setting is read back from every broker, so that what was asked for is what is judged.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from ktrial.cluster import wire
from ktrial.cluster.link import Links
from ktrial.cluster.node import Node
from ktrial.cluster.ports import check_free, free_ports
from ktrial.cluster.settings import check_names
from ktrial.cluster.topology import (
    CONTROLLER_ID,
    BrokerPorts,
    ClusterSpec,
    broker_properties,
    combined_properties,
    controller_properties,
)
from ktrial.errors import MachineProblem, StageProblem, WaitTimedOut
from ktrial.store import tree_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ktrial.children import Session
    from ktrial.cluster.runtime import Runtime

BOOT_LIMIT_S = 60.0
READY_TOPIC = "ktrial-ready"
POLL_S = 0.03
TAKEN_PORT = "Address already in use"
CONTROLLER_SETTINGS = ("broker.session.timeout.ms", "unclean.leader.election.enable")
"""Settings that the controller acts upon, so that it must have them, too."""


@dataclass(frozen=True, slots=True)
class PartitionView:
    """One partition as a broker told it: brokers by id, leader -1 = none, `elr` = eligible leader replicas."""

    topic: str
    partition: int
    leader: int
    epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    elr: tuple[int, ...]


@dataclass(slots=True)
class EmbeddedCluster:
    """A running cluster; `close` ends its processes and removes its folder (node logs are kept elsewhere)."""

    spec: ClusterSpec
    folder: Path
    nodes: dict[int, Node]
    ports: dict[int, BrokerPorts]
    links: Links
    isolated: set[int] = field(default_factory=set)
    """Brokers that a fault has cut off: what they tell of the cluster may be old."""

    @classmethod
    def boot(cls, session: Session, runtime: Runtime, spec: ClusterSpec, logs: Path) -> Self:
        """Start all nodes at once and wait until the cluster is ready; node logs go to the folder `logs`.

        Raises UsageProblem for unknown settings and asked-for ports that are taken, MachineProblem when a node
        ends during boot (with its own words).
        """
        check_names("broker", spec.settings)
        check_free(spec.ports)
        for last_try in (False, True):
            cluster = cls.laid_out(session, runtime, spec, logs)
            try:
                cluster.start_all()
            except MachineProblem as problem:
                cluster.close()
                if last_try or TAKEN_PORT not in str(problem):
                    raise
            except BaseException:
                cluster.close()
                raise
            else:
                return cluster
        raise AssertionError("unreachable")  # pragma: no cover

    @classmethod
    def laid_out(cls, session: Session, runtime: Runtime, spec: ClusterSpec, logs: Path) -> Self:
        """Return the cluster with ports chosen, links open and properties made, and nothing started."""
        folder = session.folder / f"cluster-{base64.b32encode(os.urandom(5)).decode().lower()}"
        folder.mkdir(parents=True)
        logs.mkdir(parents=True, exist_ok=True)
        links = Links(lambda command: _piped(session, command, logs))
        ports, controller_port, voter_port = _lay_ports(links, spec)
        cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        settings = spec.broker_settings()
        if spec.brokers == 1:
            properties = {1: combined_properties(ports[1], controller_port, settings)}
        else:
            shared = {key: settings[key] for key in CONTROLLER_SETTINGS if key in settings}
            properties = {CONTROLLER_ID: controller_properties(controller_port, voter_port, shared)}
            for broker, of_broker in ports.items():
                properties[broker] = broker_properties(broker, of_broker, voter_port, settings)
        jmx = free_ports(len(properties))
        nodes = {
            node: Node(
                id=node,
                folder=folder / f"node-{node}",
                log=logs / (f"broker-{node}.log" if node in ports else "controller.log"),
                properties=of_node,
                jmx_port=jmx[index],
                port=ports[node].direct if node in ports else controller_port,
                runtime=runtime,
                session=session,
                cluster_id=cluster_id,
            )
            for index, (node, of_node) in enumerate(properties.items())
        }
        return cls(spec, folder, nodes, ports, links)

    @property
    def brokers(self) -> tuple[int, ...]:
        """The ids of all brokers, dead or alive."""
        return tuple(sorted(self.ports))

    @property
    def bootstrap(self) -> str:
        """The direct listeners, for clients that no link may touch."""
        return ",".join(f"127.0.0.1:{ports.direct}" for ports in self.ports.values())

    @property
    def linked_bootstrap(self) -> str:
        """The listeners through links, for clients whose network is on trial."""
        return ",".join(f"127.0.0.1:{ports.linked_link}" for ports in self.ports.values())

    def ask(self, request: Any, *, brokers: Iterable[int] | None = None, timeout_s: float = 0.5) -> Any:
        """Return the answer of the first broker that gives one, trusted ones first. Raises wire.Unanswered."""
        told: list[str] = []
        for broker in self.brokers if brokers is None else brokers:
            if self.nodes[broker].state() != "running" or (brokers is None and broker in self.isolated):
                told.append(f"{self.nodes[broker].name} is {self.nodes[broker].state()}")
                continue
            with wire.Wire(self.ports[broker].direct, timeout_s=timeout_s) as connection:
                try:
                    return connection.ask(request)
                except wire.Unanswered as error:
                    told.append(f"{self.nodes[broker].name}: {error}")
        raise wire.Unanswered("; ".join(told))

    def registered(self) -> tuple[int, ...]:
        """Return the brokers that the cluster calls alive (registered and unfenced); empty when nobody answers."""
        try:
            answer = self.ask(wire.describe_cluster())
        except wire.Unanswered:
            return ()
        return tuple(sorted(int(broker.broker_id) for broker in answer.brokers))

    def partitions(self, topic: str) -> tuple[PartitionView, ...]:
        """Return the partitions of a topic in order; empty when nobody knows it. Raises wire.Unanswered."""
        return views_of(self.ask(wire.describe_partitions([topic])))

    def every_view(self, topic: str) -> tuple[PartitionView, ...]:
        """Return what each trusted broker that answers says of the topic's partitions, one broker after the other."""
        views: list[PartitionView] = []
        for broker in self.brokers:
            if self.nodes[broker].state() == "running" and broker not in self.isolated:
                with suppress(wire.Unanswered):
                    views.extend(views_of(self.ask(wire.describe_partitions([topic]), brokers=[broker])))
        return tuple(views)

    def create_topic(self, name: str, assignment: Sequence[Sequence[int]], settings: dict[str, str]) -> None:
        """Create a topic whose partition i lives on `assignment[i]` and wait until each has its leader.

        Raises StageProblem when Kafka refuses it, WaitTimedOut when leaders do not appear.
        """
        check_names("topic", settings)
        answer = self.ask(wire.create_topic(name, assignment, settings), timeout_s=15.0)
        result = answer.topics[0]
        if result.error_code.value:
            raise StageProblem(
                f"Kafka did not create topic {name}: {result.error_message or result.error_code.name}."
            )
        await_condition(
            f"leaders and full ISR of topic {name} on every broker",
            lambda: self._knows_everywhere(name, assignment),
            limit_s=20.0,
        )

    def delete_topic(self, name: str) -> None:
        """Ask for the deletion of a topic; one that is gone already is no error. Raises wire.Unanswered."""
        self.ask(wire.delete_topic(name), timeout_s=15.0)

    def data_bytes(self) -> int:
        """Return how many bytes of disk the nodes' folders take now."""
        return tree_bytes(self.folder)

    def close(self) -> None:
        """Kill every node, end the links, remove the data."""
        for node in self.nodes.values():
            if node.child and node.child.alive:
                node.expected = "killed"
                node.child.kill()
        self.links.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def await_brokers(self, limit_s: float = BOOT_LIMIT_S) -> None:
        """Wait until all brokers are registered and unfenced. Raises WaitTimedOut."""
        await_condition(
            "all brokers registered",
            lambda: (self.registered() == self.brokers, f"{self.registered()}"),
            limit_s,
        )

    def await_whole(self, limit_s: float = 20.0) -> None:
        """Check that every node runs and is registered. Raises StageProblem, WaitTimedOut."""
        for node in self.nodes.values():
            if node.state() != "running":
                raise StageProblem(f"{node.name} is {node.state()}.")
        self.await_brokers(limit_s)

    def start_all(self) -> None:
        """Start every node and wait until the cluster is ready. Raises MachineProblem, WaitTimedOut."""
        for node in self.nodes.values():
            node.start()
        await_condition("all brokers registered", self._boot_progress, BOOT_LIMIT_S)
        replicas = list(self.brokers)[: min(3, self.spec.brokers)]
        self.create_topic(READY_TOPIC, [replicas], {})
        self.delete_topic(READY_TOPIC)
        self._read_back()

    def _boot_progress(self) -> tuple[bool, str]:
        self._check_alive()
        registered = self.registered()
        return registered == self.brokers, f"brokers {list(registered)} of {list(self.brokers)} registered"

    def _check_alive(self) -> None:
        """Raise MachineProblem, with its last words, for a node that ended by itself."""
        for node in self.nodes.values():
            if node.state() == "died":
                what = f"{node.name} ended by itself: {node.last_log_lines()}"
                raise MachineProblem(what, mend="Its whole log is kept in the run folder.")

    def _knows_everywhere(self, topic: str, assignment: Sequence[Sequence[int]]) -> tuple[bool, str]:
        self._check_alive()
        for broker in self.brokers:
            if self.nodes[broker].state() != "running" or broker in self.isolated:
                continue
            try:
                views = views_of(self.ask(wire.describe_partitions([topic]), brokers=[broker]))
            except wire.Unanswered as error:
                return False, str(error)
            whole = [view for view in views if view.leader >= 0 and len(view.isr) == len(view.replicas)]
            if len(whole) != len(assignment):
                return False, f"broker {broker} sees {[(view.leader, view.isr) for view in views]}"
        return True, "all of it"

    def _read_back(self) -> None:
        """Compare every setting that was written with what each broker says that it uses."""
        for broker in self.brokers:
            answer = self.ask(
                wire.describe_configs(wire.BROKER_RESOURCE, str(broker)), brokers=[broker], timeout_s=5.0
            )
            told = {config.name: config.value for config in answer.results[0].configs}
            for name, value in self.spec.broker_settings().items():
                if told.get(name) != value:
                    raise StageProblem(
                        f"Broker {broker} was given {name}={value}, but uses {told.get(name)}."
                    )


def views_of(answer: Any) -> tuple[PartitionView, ...]:
    """Return a DescribeTopicPartitions answer as views, topics and partitions in order."""
    return tuple(
        PartitionView(
            topic=str(topic.name),
            partition=int(part.partition_index),
            leader=int(part.leader_id),
            epoch=int(part.leader_epoch),
            replicas=tuple(map(int, part.replica_nodes)),
            isr=tuple(sorted(map(int, part.isr_nodes))),
            elr=tuple(sorted(map(int, part.eligible_leader_replicas or ()))),
        )
        for topic in sorted(answer.topics, key=lambda topic: str(topic.name))
        if topic.error_code.value == 0
        for part in sorted(topic.partitions, key=lambda part: int(part.partition_index))
    )


def await_condition(awaited: str, seen: Callable[[], tuple[bool, str]], limit_s: float) -> None:
    """Look until `seen()` says (True, _). Raises WaitTimedOut with what was seen last."""
    deadline = time.monotonic() + limit_s
    while True:
        come, last = seen()
        if come:
            return
        if time.monotonic() > deadline:
            raise WaitTimedOut(awaited, limit_s, last)
        time.sleep(POLL_S)


def _piped(session: Session, command: Sequence[str], logs: Path) -> subprocess.Popen[bytes]:
    with (logs / "links.log").open("ab") as log:
        child = session.spawn("links", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    return child.process


def _lay_ports(links: Links, spec: ClusterSpec) -> tuple[dict[int, BrokerPorts], int, int]:
    """Choose all ports and open the links: (ports by broker, the controller's port, its link's port)."""
    free = iter(free_ports(3 * spec.brokers + 1))
    ports: dict[int, BrokerPorts] = {}
    for broker in range(1, spec.brokers + 1):
        direct = spec.ports[broker - 1] if spec.ports else next(free)
        linked, internal = next(free), next(free)
        linked_link = links.open(f"broker-{broker}-clients", 0, linked)
        internal_link = links.open(f"broker-{broker}-internal", 0, internal)
        ports[broker] = BrokerPorts(direct, linked, internal, linked_link, internal_link)
    controller = next(free)
    return ports, controller, links.open("controller", 0, controller)
