"""What a member knows of its group: the partitions that it owns, and the generation in which it got them.

The library tells the generation (classic protocol) or the member epoch (KIP-848) only inside the opaque metadata that
it hands on for transactions. Its layout is short and marked with a version: `CGMDv2:`, the number as a 32-bit integer
of the machine, then names. Whatever looks different, or is below zero (no member yet, or not any more), is unknown.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ktrial.clients.work import Place
    from ktrial.history.journal import Journal

MARK = b"CGMDv2:"
NUMBER = struct.Struct("=i")


class Membership:
    """The partitions of one member, as the library's callbacks tell them, and every change written down."""

    def __init__(self, journal: Journal, group: str | None) -> None:
        """Begin with nothing."""
        self.owned: frozenset[Place] = frozenset()
        self._journal = journal
        self._group = group

    def note(self, op: str, places: Collection[Place], metadata: Callable[[], object]) -> None:
        """Write down that partitions were `assigned`, `revoked` or `lost`: a change, not the whole."""
        self.owned = self.owned | set(places) if op == "assigned" else self.owned - set(places)
        self._journal.note(
            op,
            "ok",
            group=self._group,
            partitions=[[topic, partition] for topic, partition in places],
            generation=generation_in(metadata()),
        )


def generation_in(metadata: object) -> int | None:
    """Return the generation or member epoch that the library's group metadata holds; None when it is not known."""
    if not isinstance(metadata, bytes) or not metadata.startswith(MARK):
        return None
    number = metadata[len(MARK) : len(MARK) + NUMBER.size]
    if len(number) < NUMBER.size:
        return None
    generation: int = NUMBER.unpack(number)[0]
    return generation if generation >= 0 else None
