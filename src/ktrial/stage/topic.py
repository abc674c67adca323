"""A topic as a lab names it; the name on the cluster is made from it, so that runs never meet each other's records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "ktrial-"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: its name in the lab, how many partitions and replicas, and settings in Kafka's own names."""

    name: str
    partitions: int = 1
    replicas: int = 3
    min_in_sync: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    def all_settings(self) -> dict[str, str]:
        """Return the settings with which it is created."""
        own = {} if self.min_in_sync is None else {"min.insync.replicas": str(self.min_in_sync)}
        return {**own, **self.settings}

    def placed(self, brokers: Sequence[int], turn: int) -> list[list[int]]:
        """Return the brokers of each partition, preferred leader first, turned by `turn` from run to run."""
        count = len(brokers)
        replicas = min(self.replicas, count)
        return [
            [brokers[(turn + partition + replica) % count] for replica in range(replicas)]
            for partition in range(self.partitions)
        ]
