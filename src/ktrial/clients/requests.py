"""What a producer process can be asked to send, checked, and how its records get their keys and their time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ktrial.errors import UsageProblem
from ktrial.history.payload import HEAD_BYTES, SHAPES

if TYPE_CHECKING:
    from ktrial.clients.channel import Command

DEFAULT_BYTES = 100
LARGEST_CHUNK = 1000
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Send:
    """One request to send `count` records with the ids `first_id`, `first_id + 1`, ...

    `cycle` and `listed` say how keys are made (neither: no keys, unless `keyed_by_id`); `per_s` paces;
    `one_by_one` sends a record only after the one before has an outcome; `tombstones` have keys and no values.
    """

    topic: str
    first_id: int
    count: int
    size: int = DEFAULT_BYTES
    partition: int | None = None
    per_s: float | None = None
    one_by_one: bool = False
    keyed_by_id: bool = False
    cycle: int | None = None
    listed: tuple[str | None, ...] = ()
    tombstones: bool = False
    shape: str = SHAPES[0]

    @classmethod
    def of(cls, command: Command) -> Self:
        """Return the checked request of a command; raises UsageProblem for one that makes no sense."""
        keys = command.get("keys")
        try:
            send = cls(
                topic=str(command["topic"]),
                first_id=int(command["first_id"]),
                count=int(command["count"]),
                size=int(command.get("size") or DEFAULT_BYTES),
                partition=None if command.get("partition") is None else int(command["partition"]),
                per_s=None if command.get("per_s") is None else float(command["per_s"]),
                one_by_one=bool(command.get("one_by_one")),
                keyed_by_id=keys == "id",
                cycle=int(keys["cycle"]) if isinstance(keys, dict) else None,
                listed=tuple(keys) if isinstance(keys, list) else (),
                tombstones=bool(command.get("tombstones")),
                shape=str(command.get("shape") or SHAPES[0]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageProblem(f"This cannot be sent: {error!r}.") from error
        send._check(keys)
        return send

    def _check(self, keys: object) -> None:
        wrong = ""
        if self.count < 0 or self.first_id < 0:
            wrong = "ids and counts begin at 0"
        elif self.size < HEAD_BYTES:
            wrong = f"a record needs at least {HEAD_BYTES} bytes"
        elif self.per_s is not None and not self.per_s > 0:
            wrong = "per_s must be more than 0"
        elif self.cycle is not None and self.cycle < 1:
            wrong = "a cycle of keys needs at least one"
        elif self.tombstones and (keys is None or None in self.listed):
            wrong = "a tombstone needs a key"
        elif self.shape not in SHAPES:
            wrong = f"a record's shape is one of {', '.join(SHAPES)}"
        elif keys is not None and not (self.keyed_by_id or self.cycle or self.listed):
            wrong = 'keys are null, "id", {"cycle": n} or a list that is not empty'
        if wrong:
            raise UsageProblem(f"This cannot be sent: {wrong}.")

    def keys(self, first: int, count: int) -> list[str | None] | None:
        """Return the keys of `count` records from the `first`-th of this request on; None when none has a key.

        A cycle goes by the id, so that the key of a record is known whichever request sent it.
        """
        ids = range(self.first_id + first, self.first_id + first + count)
        if self.keyed_by_id:
            return [str(record_id) for record_id in ids]
        if self.cycle:
            return [f"key-{record_id % self.cycle}" for record_id in ids]
        if self.listed:
            return [self.listed[place % len(self.listed)] for place in range(first, first + count)]
        return None

    def due(self, sent: int, since_s: float) -> int:
        """Return how many records may be handed over now, when `sent` were within `since_s` of the start."""
        if self.one_by_one and self.per_s is None:
            return min(1, self.count - sent)
        most = 1 if self.one_by_one else max(1, min(LARGEST_CHUNK, CHUNK_BYTES // self.size))
        allowed = self.count if self.per_s is None else min(self.count, int(since_s * self.per_s) + 1)
        return max(0, min(most, allowed - sent))

    def next_due_s(self, sent: int) -> float:
        """Return when, in seconds from the start, the record after `sent` is due."""
        return 0.0 if self.per_s is None else sent / self.per_s
