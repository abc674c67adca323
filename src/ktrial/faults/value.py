"""What every fault is: a frozen value whose `inject` returns how to prove and how to undo it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ktrial.cluster.embedded import EmbeddedCluster


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault in force. `proof` returns what shows that it landed, or None as long as nothing does."""

    name: str
    targets: tuple[str, ...]
    proof: Callable[[], Mapping[str, object] | None]
    heal: Callable[[], None]


class Fault(Protocol):
    """A fault as a value; injecting it may be repeated on another cluster."""

    def inject(self, cluster: EmbeddedCluster) -> Injected:
        """Put it in force. Raises StageProblem when it cannot be (a target is down already)."""
        ...
