"""What a stage stands on: the cluster, the folders, the seed, and what the user wants otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ktrial.stage.topic import PREFIX, Topic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ktrial.children import Session
    from ktrial.cluster.embedded import EmbeddedCluster
    from ktrial.feed import Feed
    from ktrial.stage.journals import Notebook


@dataclass(frozen=True, slots=True)
class Ground:
    """What a stage stands on: the cluster, where things are written, and what the user wants otherwise.

    `turn` tells this run of a setting from others on the same cluster: topic names and leaders follow it.
    """

    cluster: EmbeddedCluster
    session: Session
    notebook: Notebook
    logs: Path
    feed: Feed
    seed: int
    turn: int
    topic_settings: Mapping[str, str] = field(default_factory=dict)
    producer_settings: Mapping[str, str] = field(default_factory=dict)

    def name(self, topic: Topic) -> str:
        """Return the topic's name on the cluster."""
        return f"{PREFIX}{topic.name}-{self.turn}"

    def group(self, group: str) -> str:
        """Return the group's name on the cluster."""
        return f"{PREFIX}{group}-{self.turn}"
