"""Which nodes a cluster has and what their server.properties say: one controller and brokers, or one combined node.

Each broker has three listeners: DIRECT for ktrial's own admin and final reader (and anyone who wants no link),
LINKED for clients through a link, INTERNAL for the other brokers through a link. The controller's quorum address is a
link, too. `listeners` are the real ports, `advertised.listeners` and the voter's address are the links' ports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ktrial.cluster.settings import broker_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTROLLER_ID = 100
PROTOCOLS = "DIRECT:PLAINTEXT,LINKED:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What cluster a trial needs: how many brokers (1 = one combined node) and settings of its own.

    `ports` are the direct client ports of the brokers, in order; empty means free ones.
    """

    brokers: int = 3
    settings: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()

    def broker_settings(self) -> dict[str, str]:
        """Return all settings by which its brokers differ from Kafka's defaults."""
        return broker_settings(self.brokers, self.settings)


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """The ports of one broker on 127.0.0.1: real listeners, and the links in front of two of them."""

    direct: int
    linked: int
    internal: int
    linked_link: int
    internal_link: int


def controller_properties(port: int, voter_port: int, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of the lone controller; brokers reach it at `voter_port`."""
    return {
        "process.roles": "controller",
        "node.id": str(CONTROLLER_ID),
        "controller.quorum.voters": f"{CONTROLLER_ID}@127.0.0.1:{voter_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CONTROLLER://127.0.0.1:{port}",
        "listener.security.protocol.map": PROTOCOLS,
        **settings,
    }


def broker_properties(
    broker: int, ports: BrokerPorts, voter_port: int, settings: Mapping[str, str]
) -> dict[str, str]:
    """Return the properties of a broker of its own."""
    return {
        "process.roles": "broker",
        "node.id": str(broker),
        "controller.quorum.voters": f"{CONTROLLER_ID}@127.0.0.1:{voter_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": _listed(DIRECT=ports.direct, LINKED=ports.linked, INTERNAL=ports.internal),
        "advertised.listeners": _listed(
            DIRECT=ports.direct, LINKED=ports.linked_link, INTERNAL=ports.internal_link
        ),
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": PROTOCOLS,
        **settings,
    }


def combined_properties(
    ports: BrokerPorts, controller_port: int, settings: Mapping[str, str]
) -> dict[str, str]:
    """Return the properties of node 1 as broker and controller in one process (the seed's lab 1)."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": _listed(DIRECT=ports.direct, LINKED=ports.linked, CONTROLLER=controller_port),
        "advertised.listeners": _listed(DIRECT=ports.direct, LINKED=ports.linked_link),
        "inter.broker.listener.name": "DIRECT",
        "listener.security.protocol.map": PROTOCOLS,
        **settings,
    }


def _listed(**ports: int) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
