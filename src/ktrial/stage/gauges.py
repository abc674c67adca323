"""What the stage measures: JMX with the MBean named, processor time, lag; each figure is a `metric` of the history."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from ktrial.cluster import jmx, wire
from ktrial.errors import StageProblem
from ktrial.stage.tools import describe_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ktrial.stage.backstage import Backstage
    from ktrial.stage.groups import Groups
    from ktrial.stage.tools import Tools
    from ktrial.stage.topic import Topic

REQUESTS = "TotalProduceRequestsPerSec"
COUNTERS = ("BytesInPerSec", "MessagesInPerSec", REQUESTS)
UNDER_REPLICATED = "kafka.server:type=ReplicaManager,name=UnderReplicatedPartitions"
SAMPLED_EVERY_S = 0.1
MOST_SAMPLES = 6000


class Gauges:
    """Reads figures and writes them down; what a figure is of stands in its labels."""

    def __init__(self, back: Backstage, groups: Groups, tools: Tools) -> None:
        """Stand on the stage's inner works, its groups and Apache's tools."""
        self._back, self._groups, self._tools = back, groups, tools

    def counts(self, topic: Topic, **labels: object) -> dict[str, int]:
        """Read a topic's counters, summed over all running brokers, by JMX: bytes and records in, produce requests."""
        name = self._back.topic(topic)
        every = (self._back.cluster.nodes[broker] for broker in self._back.cluster.brokers)
        nodes = [node for node in every if node.state() == "running"]
        read = {counter: sum(jmx.topic_count(node, name, counter) for node in nodes) for counter in COUNTERS}
        for counter, value in read.items():
            self._note(counter, value, topic=name, mbean=jmx.topic_mbean(name, counter), **labels)
        return read

    def await_requests(self, topic: Topic, *, more_than: Mapping[str, int]) -> None:
        """Wait until brokers were asked to append to a topic once more than `counts` told, taken or refused."""
        name = self._back.topic(topic)
        nodes = [self._back.cluster.nodes[broker] for broker in self._back.cluster.brokers]

        def come() -> tuple[bool, str]:
            asked = sum(jmx.topic_count(node, name, REQUESTS) for node in nodes if node.state() == "running")
            return asked > more_than[REQUESTS], f"{asked} requests"

        self._back.await_seen(f"one more produce request for {topic.name}", come)

    @contextmanager
    def processor_time(self, pid: int, **labels: object) -> Iterator[None]:
        """Note how much processor time a client and all brokers take while the body runs, in seconds."""
        brokers = [psutil.Process(node.child.pid) for node in self._back.cluster.nodes.values() if node.child]
        client = psutil.Process(pid)
        before = _seconds(client), sum(map(_seconds, brokers))
        yield
        self._note("cpu_s", _seconds(client) - before[0], of="client", **labels)
        self._note("cpu_s", sum(map(_seconds, brokers)) - before[1], of="brokers", **labels)

    def rebalances(self, broker: int, **labels: object) -> int:
        """Read how many rebalances of classic groups a broker's coordinator has completed."""
        value = jmx.rebalances(self._back.cluster.nodes[broker])
        labels |= {"broker": broker, "mbean": f"{jmx.COORDINATOR_MBEAN} {jmx.REBALANCES}"}
        self._note("rebalances", value, **labels)
        return value

    # ---- lag

    def lag(self, group: str, topic: Topic) -> None:
        """Note the group's lag per partition: the log's end as the leader's JMX tells it, less what is committed."""
        name = self._back.topic(topic)
        committed = self._groups.committed(group, topic)
        views = {view.partition: view for view in self._back.sight.views(name)}
        for partition, offset in committed.items():
            end = jmx.log_end_offset(self._back.cluster.nodes[views[partition].leader], name, partition)
            place = {"group": self._groups.name(group), "topic": name, "partition": partition}
            self._note("lag", end - max(offset, 0), by="ktrial", committed=offset, log_end=end, **place)

    def lag_by_tool(self, group: str, topic: Topic) -> None:
        """Note the group's lag per partition as `kafka-consumer-groups --describe` prints it."""
        name = self._groups.name(group)
        printed = self._tools.run("kafka-consumer-groups", "--describe", "--group", name)
        for row in describe_group(printed):
            if row["TOPIC"] == self._back.topic(topic) and row["LAG"].isdigit():
                place = {"group": name, "topic": row["TOPIC"], "partition": int(row["PARTITION"])}
                self._note("lag", int(row["LAG"]), by="kafka-consumer-groups", **place)

    @contextmanager
    def watching_lag(self, group: str, topic: Topic) -> Iterator[None]:
        """Note the group's lag again and again while the body runs."""

        def look() -> None:
            with suppress(wire.Unanswered):
                self.lag(group, topic)

        with self._sampling(look):
            yield

    # ---- the watch

    @contextmanager
    def watching_under_replicated(self, brokers: Sequence[int]) -> Iterator[None]:
        """Note JMX's UnderReplicatedPartitions of each broker that answers, ten times a second and at the end."""

        def look() -> None:
            for broker in brokers:
                with suppress(jmx.JmxUnanswered):
                    value = jmx.under_replicated(self._back.cluster.nodes[broker])
                    self._note("watch", value, broker=broker, mbean=UNDER_REPLICATED)

        with self._sampling(look):
            yield

    def await_fully_replicated(self, broker: int) -> None:
        """Wait until a broker's JMX counts no under-replicated partition."""

        def seen() -> tuple[bool, str]:
            value = jmx.under_replicated(self._back.cluster.nodes[broker])
            return value == 0, f"{value} under-replicated"

        self._back.await_seen(f"broker {broker} to count no under-replicated partition", seen)

    # ---- inside

    @contextmanager
    def _sampling(self, look: Callable[[], None]) -> Iterator[None]:
        ended = threading.Event()

        def run() -> None:
            for _ in range(MOST_SAMPLES):
                with suppress(StageProblem):
                    look()
                if ended.wait(SAMPLED_EVERY_S):
                    return

        sampler = threading.Thread(target=run, name="sampler", daemon=True)
        sampler.start()
        try:
            yield
        finally:
            ended.set()
            sampler.join(10)
        with suppress(StageProblem):
            look()

    def _note(self, name: str, value: float, **labels: object) -> None:
        self._back.ground.notebook.note("metric", "ok", name=name, value=float(value), labels=labels)


def _seconds(process: psutil.Process) -> float:
    """Return the processor time that a process has taken so far; 0 for one that is gone."""
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
