"""Faults of processes: SIGKILL, controlled shutdown, SIGSTOP.

A kill keeps the page cache: what the broker has written is still there when it starts again. It is not a power cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ktrial.faults.value import Injected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ktrial.cluster.embedded import EmbeddedCluster
    from ktrial.cluster.node import Node


@dataclass(frozen=True, slots=True, init=False)
class _OfNodes:
    """A fault of whole nodes, by id."""

    nodes: tuple[int, ...]

    def __init__(self, *nodes: int) -> None:
        """Name the nodes: broker ids, or the controller's."""
        object.__setattr__(self, "nodes", tuple(nodes))


class Kill(_OfNodes):
    """SIGKILL; healed by starting the node again."""

    def inject(self, cluster: EmbeddedCluster) -> Injected:
        """Kill all nodes, one right after the other."""
        return _inject("kill", self.nodes, cluster, lambda node: node.kill(), "killed", _start)


class Stop(_OfNodes):
    """SIGTERM, a controlled shutdown; healed by starting the node again."""

    def inject(self, cluster: EmbeddedCluster) -> Injected:
        """Stop the nodes one after the other, each to its end."""
        return _inject("stop", self.nodes, cluster, lambda node: node.stop(), "stopped", _start)


class Pause(_OfNodes):
    """SIGSTOP; healed by SIGCONT. The node's connections stay open and silent."""

    def inject(self, cluster: EmbeddedCluster) -> Injected:
        """Pause all nodes."""
        return _inject("pause", self.nodes, cluster, lambda node: node.pause(), "paused", _resume)


def _inject(
    name: str,
    ids: tuple[int, ...],
    cluster: EmbeddedCluster,
    do: Callable[[Node], None],
    wanted: str,
    undo: Callable[[Node], None],
) -> Injected:
    nodes = [cluster.nodes[node] for node in ids]
    for node in nodes:
        do(node)

    def proof() -> Mapping[str, object] | None:
        states = {node.name: node.state() for node in nodes}
        return {"states": states} if all(state == wanted for state in states.values()) else None

    def heal() -> None:
        for node in nodes:
            undo(node)

    return Injected(name, tuple(node.name for node in nodes), proof, heal)


def _start(node: Node) -> None:
    if node.state() in {"killed", "stopped"}:
        node.start()


def _resume(node: Node) -> None:
    if node.state() == "paused":
        node.resume()
