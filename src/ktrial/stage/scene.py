"""What a scenario can say: topics, roles, traffic, faults, waits, the final read.

Each wait has a name and a limit; a wait that times out ends the scenario, and the run is inconclusive. Nothing here
sleeps and hopes. Leaves out judging: a scenario only makes things happen.
"""

from __future__ import annotations

import random
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ktrial.cluster import jmx, wire
from ktrial.cluster.topology import CONTROLLER_ID
from ktrial.errors import FaultDidNotLand, StageProblem, WaitTimedOut
from ktrial.stage.backstage import WAIT_LIMIT_S, Backstage
from ktrial.stage.final import read_everything
from ktrial.stage.gauges import Gauges
from ktrial.stage.groups import Groups
from ktrial.stage.logs import Logs
from ktrial.stage.tools import Tools
from ktrial.stage.traffic import ConsumerHandle, ProducerHandle
from ktrial.stage.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ktrial.faults import Fault, Injected
    from ktrial.stage.ground import Ground
    from ktrial.stage.topic import Topic

LAND_LIMIT_S = 10.0
STAGE_LIMIT_S = 60.0


class Stage:
    """One run's stage; scenarios use its public methods only."""

    def __init__(self, ground: Ground) -> None:
        """Begin to observe; topics come to be when they are first named."""
        self._ground = ground
        self._cluster = ground.cluster
        self._faults: list[Injected] = []
        self._back = Backstage(ground)
        self._sight = self._back.sight
        self.tools = Tools(ground, self.topic)
        self.logs = Logs(self._back)
        self.groups = Groups(self._back)
        self.gauges = Gauges(self._back, self.groups, self.tools)
        self.transactions = Transactions(self._back)

    # ---- topics and roles

    def topic(self, topic: Topic) -> str:
        """Return the topic's name on the cluster; creates it when it is first named."""
        return self._back.topic(topic)

    def creates(self, topic: Topic) -> None:
        """Create a topic as a person would, by kafka-topics, and let it show what it made."""
        name = self._ground.name(topic)
        shape = ("--partitions", str(topic.partitions), "--replication-factor", str(topic.replicas))
        self.tools.run("kafka-topics", "--create", "--topic", name, *shape)
        self.tools.run("kafka-topics", "--describe", "--topic", name)
        self._back.watch(topic)

    def grows(self, topic: Topic, partitions: int) -> Topic:
        """Give a topic more partitions, as a person would, by kafka-topics; return it as it is now."""
        name = self.topic(topic)
        self.tools.run("kafka-topics", "--alter", "--topic", name, "--partitions", str(partitions))
        grown = replace(topic, partitions=partitions)
        self._back.topics[grown] = self._back.topics.pop(topic)

        def known() -> tuple[bool, str]:
            views = self._sight.views(name)
            return len(views) == partitions and all(view.leader >= 0 for view in views), f"{len(views)} known"

        self._await(f"{partitions} partitions of {topic.name}", known, WAIT_LIMIT_S)
        return grown

    def dice(self) -> random.Random:
        """Return random numbers that the run's seed decides."""
        return random.Random(self._ground.seed)

    @property
    def brokers(self) -> tuple[int, ...]:
        """All brokers, by id."""
        return self._cluster.brokers

    @property
    def controller(self) -> int:
        """The controller's node id."""
        return CONTROLLER_ID if CONTROLLER_ID in self._cluster.nodes else 1

    def leader_of(self, topic: Topic, partition: int = 0) -> int:
        """Return the leading broker. Raises WaitTimedOut when the partition has none for too long."""
        self.wait_for_leader(topic, partition=partition)
        return self._sight.partition(self.topic(topic), partition).leader

    def followers_of(self, topic: Topic, partition: int = 0) -> tuple[int, ...]:
        """Return the replicas that do not lead."""
        view = self._sight.partition(self.topic(topic), partition)
        return tuple(broker for broker in view.replicas if broker != view.leader)

    def in_sync(self, topic: Topic, partition: int = 0) -> tuple[int, ...]:
        """Return the ISR."""
        return self._sight.partition(self.topic(topic), partition).isr

    def coordinator_of(self, group: str) -> int:
        """Return the broker that coordinates a consumer group of this stage. Raises WaitTimedOut when none does."""
        found: list[int] = []

        def told() -> tuple[bool, str]:
            with suppress(wire.Unanswered):
                answer = self._cluster.ask(wire.find_coordinator(self._ground.group(group)), timeout_s=5.0)
                found[:] = [int(each.node_id) for each in answer.coordinators if each.error_code.value == 0]
            return bool(found), "no broker names one"

        self._await(f"a coordinator of {group}", told, WAIT_LIMIT_S)
        return found[0]

    # ---- traffic

    @contextmanager
    def producing(
        self, topic: Topic, config: Mapping[str, str] | None = None, *, linked: bool = False, actor: str = ""
    ) -> Iterator[ProducerHandle]:
        """Run a producer process while the body runs; settings are Kafka's names, over the Java client's defaults.

        `actor` is its name in the history (lower case, digits, dashes); left out, it is producer-1 and so on.
        """
        name = self.topic(topic)
        settings = {**(config or {}), **self._ground.producer_settings}
        if (
            "transactional.id" in settings
        ):  # of this run alone: a second one with the same name would fence it
            settings["transactional.id"] = self._ground.group(settings["transactional.id"])
        client = self._back.start(
            "producer", settings, {"seed": self._ground.seed}, linked=linked, actor=actor
        )
        client.await_ready()
        try:
            yield ProducerHandle(
                client, name, self._back.take_ids, lambda: self._sight.log_end(name), self._back.await_seen
            )
        finally:
            client.close()

    @contextmanager
    def consuming(
        self,
        *topics: Topic,
        group: str | None = None,
        config: Mapping[str, str] | None = None,
        linked: bool = False,
    ) -> Iterator[ConsumerHandle]:
        """Run a consumer process while the body runs: a member of `group`, or else a reader from the beginning."""
        names = [self.topic(topic) for topic in topics]
        settings = {"auto.offset.reset": "earliest", **(config or {})}
        if group:
            source: dict[str, object] = {"topics": names, "group": self._ground.group(group)}
        else:
            places = zip(topics, names, strict=True)
            source = {
                "assign": [[name, number, 0] for topic, name in places for number in range(topic.partitions)]
            }
        client = self._back.start("consumer", settings, source, linked=linked)
        client.await_ready()
        try:
            yield ConsumerHandle(client)
        finally:
            client.close()

    def types(self, topic: Topic, count: int, *, keys: int = 3) -> range:
        """Type records with this many different keys into kafka-console-producer; return their ids."""
        first = self._back.take_ids(count)
        self.tools.produce(topic, count, first, keys)
        return range(first, first + count)

    # ---- faults

    @contextmanager
    def fault(self, fault: Fault, *, lands: bool = True) -> Iterator[Injected]:
        """Keep a fault in force while the body runs (see `inject`); undone at the end, also when the body fails."""
        injected = self.inject(fault, lands=lands)
        try:
            yield injected
        finally:
            self.undo(injected)

    def inject(self, fault: Fault, *, lands: bool = True) -> Injected:
        """Put a fault in force until `undo` or `heal`, and wait until it has landed.

        `lands=False` leaves that to `await_landed`, for faults that need traffic to show. Raises FaultDidNotLand.
        """
        injected = fault.inject(self._cluster)
        self._faults.append(injected)
        self._note_fault(injected, "injected")
        if lands:
            self.await_landed(injected)
        return injected

    def await_landed(self, injected: Injected) -> None:
        """Wait for the proof that a fault has had its effect, and write it down. Raises FaultDidNotLand."""
        found: Mapping[str, object] | None = None

        def landed() -> tuple[bool, str]:
            nonlocal found
            found = injected.proof()
            return found is not None, "no effect seen"

        try:
            self._await(f"{injected.name} to land", landed, LAND_LIMIT_S)
        except WaitTimedOut as error:
            raise FaultDidNotLand(injected.name, ", ".join(injected.targets), error.last_seen) from error
        self._note_fault(injected, "landed", found)
        self._back.happened(f"{injected.name} {', '.join(injected.targets)}: landed")

    def undo(self, injected: Injected) -> None:
        """Undo one fault: a killed or stopped node is started (not awaited: see `heal`), a paused one goes on."""
        if injected in self._faults:
            self._faults.remove(injected)
            injected.heal()
            self._note_fault(injected, "healed")
            self._back.happened(f"{injected.name} {', '.join(injected.targets)}: undone")

    def heal(self) -> None:
        """Undo all faults, latest first, and wait until all brokers are back and every replica is in sync."""
        for injected in reversed(self._faults[:]):
            self.undo(injected)
        self._await("all brokers registered", self._sight.all_registered, STAGE_LIMIT_S)
        for topic in self._back.topics:
            self.wait_for_in_sync(topic, topic.replicas, limit_s=STAGE_LIMIT_S)

    # ---- waits

    def wait_for_leader(
        self, topic: Topic, *, other_than: int = -1, partition: int = 0, limit_s: float = WAIT_LIMIT_S
    ) -> int:
        """Wait until all brokers that answer agree on a leader (another one than `other_than`); return it.

        A client that asks any of them from then on is sent to that leader.
        """

        def led() -> tuple[bool, str]:
            leaders = {
                view.leader
                for view in self._cluster.every_view(self.topic(topic))
                if view.partition == partition
            }
            return len(leaders) == 1 and not leaders & {-1, other_than}, f"leaders {sorted(leaders)}"

        self._await(f"a leader of {topic.name}/{partition} other than {other_than}", led, limit_s)
        return self._sight.partition(self.topic(topic), partition).leader

    def wait_for_no_leader(self, topic: Topic, *, partition: int = 0, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until the partition is offline: no broker may lead it."""

        def headless() -> tuple[bool, str]:
            leader = self._sight.partition(self.topic(topic), partition).leader
            return leader == -1, f"leader {leader}"

        self._await(f"{topic.name}/{partition} to be offline", headless, limit_s)

    def wait_for_in_sync(
        self, topic: Topic, count: int, *, partition: int | None = None, limit_s: float = WAIT_LIMIT_S
    ) -> None:
        """Wait until the ISR of the partition (None: of every partition) has exactly `count` members."""

        def counted() -> tuple[bool, str]:
            views = [v for v in self._sight.views(self.topic(topic)) if partition in {None, v.partition}]
            come = bool(views) and all(
                len(v.isr) == min(count, len(v.replicas)) and v.leader >= 0 for v in views
            )
            return come, ", ".join(f"{v.partition}: leader {v.leader} ISR {list(v.isr)}" for v in views)

        self._await(f"ISR of {count} in {topic.name}", counted, limit_s)

    def wait_until_replicated(self, topic: Topic, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until every in-sync replica has all that the leaders hold: high watermark = log end offset."""
        name = self.topic(topic)

        self._await(f"all of {topic.name} on its replicas", lambda: self._sight.is_replicated(name), limit_s)

    def wait_for_no_fetch_at(self, broker: int, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until no follower's fetch waits at the broker: what is appended from then on reaches nobody by it.

        A paused follower's last fetch still waits at the leader; answered with new records, it would find them in its
        socket when it goes on.
        """

        def idle() -> tuple[bool, str]:
            waiting = jmx.waiting_fetches(self._cluster.nodes[broker])
            return waiting == 0, f"{waiting} waiting"

        self._await(f"no fetch to wait at broker {broker}", idle, limit_s)

    def wait_for_under_replicated(
        self, leader: int, topic: Topic, *, under: bool, limit_s: float = WAIT_LIMIT_S
    ) -> None:
        """Wait until the leader's JMX calls partition 0 under-replicated, or not; write its figures down."""
        name = self.topic(topic)

        self._await(
            f"broker {leader} to call {topic.name} {'under-' if under else 'fully '}replicated",
            lambda: self._sight.is_under_replicated(leader, name, wanted=under),
            limit_s,
        )
        self.measure(
            "UnderReplicatedPartitions", jmx.under_replicated(self._cluster.nodes[leader]), broker=leader
        )

    # ---- the end

    def measure(self, name: str, value: float, **labels: object) -> None:
        """Write a number into the history."""
        self._ground.notebook.note("metric", "ok", name=name, value=float(value), labels=labels)

    def read_to_end(self, *topics: Topic, isolations: Sequence[str] = ("read_uncommitted",)) -> None:
        """Let the final reader read whole partitions through direct listeners: everything must be healed before."""
        if self._faults:
            raise StageProblem(
                f"The final read needs a healed cluster, but {self._faults[-1].name} is in force."
            )
        self._await("all brokers registered", self._sight.all_registered, STAGE_LIMIT_S)
        for topic in topics:
            self.wait_for_in_sync(topic, topic.replicas, limit_s=STAGE_LIMIT_S)
        with self._back.waiting("the final read", STAGE_LIMIT_S):
            read_everything(
                self._ground, {self.topic(topic): topic.partitions for topic in topics}, isolations
            )

    def close(self) -> None:
        """End clients, undo faults that a failed scenario left, stop observing, delete the topics."""
        self.groups.close()
        for client in self._back.clients:
            client.close(limit_s=5.0)
        for injected in reversed(self._faults[:]):
            with suppress(StageProblem):
                self.undo(injected)
        self._back.observer.close()
        for name in self._back.topics.values():
            with suppress(OSError):
                self._cluster.delete_topic(name)

    # ---- inside

    def _await(self, awaited: str, seen: Callable[[], tuple[bool, str]], limit_s: float) -> None:
        self._back.await_seen(awaited, seen, limit_s)

    def _note_fault(
        self, injected: Injected, outcome: str, detail: Mapping[str, object] | None = None
    ) -> None:
        for target in injected.targets:
            more = {} if detail is None else {"detail": dict(detail)}
            self._ground.notebook.note("fault", outcome, fault=injected.name, target=target, **more)
