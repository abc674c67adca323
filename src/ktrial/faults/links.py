"""Faults of links: cut, hold, slow, between a broker and its peers or between clients and a broker.

Who calls whom: a follower fetches from the leader through the leader's internal link; every broker reaches the
controller through the controller's link; clients that use links reach a broker through its clients link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ktrial.cluster.link import Direction, Rule, peers_of_broker
from ktrial.faults.value import Injected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ktrial.cluster.embedded import EmbeddedCluster

CONTROLLER_LINK = "controller"


@dataclass(frozen=True, slots=True)
class Cut:
    """Cut a broker's ways to its peers: both ways, or only what it sends out, or only what others send to it.

    `peers` are broker ids and the controller's id; empty means all of them. Clients still reach the broker. A cut in
    one way is by who calls: `outgoing` cuts the connections that the broker opens (fetching, heartbeats), `incoming`
    those that others open to it.
    """

    broker: int
    peers: tuple[int, ...] = ()
    outgoing: bool = True
    incoming: bool = True

    def inject(self, cluster: EmbeddedCluster) -> Injected:
        """Cut; what this broker tells of the cluster is not trusted until it is healed."""
        rules = []
        for peer in self.peers or tuple(node for node in cluster.nodes if node != self.broker):
            if self.outgoing:
                rules += [Rule.cut(_way_to(peer, cluster), client) for client in peers_of_broker(self.broker)]
            if self.incoming and peer in cluster.brokers:
                rules += [Rule.cut(_way_to(self.broker, cluster), client) for client in peers_of_broker(peer)]
        injected = _in_force("cut", (f"broker-{self.broker}",), cluster, rules)
        cluster.isolated.add(self.broker)

        def heal() -> None:
            injected.heal()
            cluster.isolated.discard(self.broker)

        return Injected(injected.name, injected.targets, injected.proof, heal)


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold the bytes between clients and these brokers: responses only, requests only, or both.

    What is held arrives, in order, when it is healed. `client` is a client id or a pattern of them. Only clients that
    use links are touched.
    """

    brokers: tuple[int, ...]
    direction: Direction = Direction.RESPONSES
    client: str = "*"

    def inject(self, cluster: EmbeddedCluster) -> Injected:
        """Hold; it lands with the first byte held."""
        rules = [
            Rule.hold(f"broker-{broker}-clients", self.client, self.direction) for broker in self.brokers
        ]
        return _in_force("hold", tuple(f"broker-{broker}" for broker in self.brokers), cluster, rules)


@dataclass(frozen=True, slots=True)
class Sever:
    """Break the connections between clients and these brokers, and refuse new ones: what was held on them is lost."""

    brokers: tuple[int, ...]
    client: str = "*"

    def inject(self, cluster: EmbeddedCluster) -> Injected:
        """Break them; it lands with the first connection that breaks."""
        rules = [Rule.cut(f"broker-{broker}-clients", self.client) for broker in self.brokers]
        return _in_force("sever", tuple(f"broker-{broker}" for broker in self.brokers), cluster, rules)


@dataclass(frozen=True, slots=True)
class Slow:
    """Slow the bytes between clients and these brokers by a delay, a bandwidth, or both."""

    brokers: tuple[int, ...]
    delay_ms: float = 0.0
    bytes_per_s: float = 0.0
    direction: Direction = Direction.BOTH
    client: str = "*"

    def inject(self, cluster: EmbeddedCluster) -> Injected:
        """Slow down; it lands with the first byte slowed."""
        rules = [
            Rule.slow(
                f"broker-{broker}-clients",
                self.client,
                self.direction,
                delay_ms=self.delay_ms,
                bytes_per_s=self.bytes_per_s,
            )
            for broker in self.brokers
        ]
        return _in_force("slow", tuple(f"broker-{broker}" for broker in self.brokers), cluster, rules)


def _way_to(node: int, cluster: EmbeddedCluster) -> str:
    return f"broker-{node}-internal" if node in cluster.brokers else CONTROLLER_LINK


def _in_force(
    name: str, targets: tuple[str, ...], cluster: EmbeddedCluster, rules: Sequence[Rule]
) -> Injected:
    numbers = [cluster.links.add(rule) for rule in rules]

    def proof() -> Mapping[str, object] | None:
        in_force = cluster.links.status().rules
        met = {number: in_force[number] for number in numbers}
        if not any(rule.landed for rule in met.values()):
            return None
        return {
            "connections_closed": sum(rule.closed for rule in met.values()),
            "bytes_touched": sum(rule.touched_bytes for rule in met.values()),
        }

    def heal() -> None:
        for number in numbers:
            cluster.links.remove(number)

    return Injected(name, targets, proof, heal)
