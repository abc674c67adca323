"""Policies: what a history says about how long records may stay, by the settings of its topics.

A topic whose settings nobody noted is judged as one that keeps everything: its records have no excuse to be gone but
a log that starts above them. Where settings were noted several times, all of them held at some time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from ktrial.history.tables import History

POLICY = "cleanup.policy"
NS_PER_MS = 1_000_000
FOREVER_NS = 2**61
"""Longer than anything lasts, with room to add times to it."""


class Policies:
    """The settings of all topics that a history speaks of, as far as it knows them."""

    def __init__(self, history: History) -> None:
        """Read the notes."""
        self._noted: dict[str, list[dict[str, str]]] = {}
        for topic, settings in history.topics.sort("t").select(pl.col("topic", "settings")).iter_rows():
            self._noted.setdefault(str(topic), []).append(json.loads(settings))
        self.compacted = tuple(topic for topic in self._noted if self.has(topic, "compact"))
        """The topics that were compacted at some time."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics whose settings are known."""
        return tuple(self._noted)

    def has(self, topic: str, policy: str) -> bool:
        """Return whether `delete` or `compact` was ever the policy; a topic without one is not compacted."""
        return any(
            policy in (part.strip() for part in noted.get(POLICY, "delete").split(","))
            for noted in self._noted.get(topic, ())
        )

    def numbers(self, topic: str, name: str) -> tuple[int, ...]:
        """Return every value of a setting that is a number; empty where it was not always noted."""
        noted = self._noted.get(topic, ())
        values = [settings.get(name, "") for settings in noted]
        return tuple(map(int, values)) if values and all(map(_is_whole, values)) else ()

    def longest_ns(self, topic: str, name: str) -> int | None:
        """Return the largest value of a setting in ms, as ns; None where it was not always noted."""
        values = self.numbers(topic, name)
        return _ns(max(values)) if values else None

    def shortest_ns(self, topic: str, name: str) -> int | None:
        """Return the smallest value of a setting in ms, as ns; None where it was not always noted. -1 is forever."""
        values = self.numbers(topic, name)
        return min(map(_ns, values)) if values else None


def _ns(milliseconds: int) -> int:
    return FOREVER_NS if milliseconds < 0 else min(milliseconds * NS_PER_MS, FOREVER_NS)


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
