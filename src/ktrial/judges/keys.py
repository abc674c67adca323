"""Keys: whether all records of one key lie on one partition of their topic.

Looked at are the keys that callers noted, at the place where the record lies or was acknowledged, and the keys that
readers found. Records without a key may go anywhere. Counts are of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.history.columns import KEY
from ktrial.judges.arrays import NOTHING, Column, holder, pieces
from ktrial.judges.claim import Findings, Found
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ktrial.judges.case import Case

NO_KEYS: Final = Doubt(Text(ko="키가 있는 메시지가 없습니다.", en="No record has a key."))


@dataclass(frozen=True, slots=True)
class Keys:
    """The part that judges whether keys stay together; `needed` makes it doubt a history without keys."""

    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return the keys that lie on more than one partition."""
        called, read = (Column(frame, "key") for frame in (case.history.calls, case.history.reads))
        if called.empty and read.empty:
            return Findings(doubts=(NO_KEYS,) if self.needed else ())
        lying = Lying(case, max(called.most, read.most) + 1)
        for cells, places in _where(case, called, read):
            lying.put(cells, places)
        kept = int((lying.first != NOTHING).sum())
        split = _split(case, lying, called, read)
        held = Text(
            ko=f"키 {kept}개의 메시지는 각각 한 파티션에 모여 있습니다.",
            en=f"The records of each of {kept} keys are together on one partition.",
        )
        return Findings(
            {"keys": kept, "keys_split": split.count}, (split,), held=held if self.needed else None
        )


class Lying:
    """Where the records of each key lie: the first place that was met, and whether there was another.

    A cell is a key of a topic: key code times the number of topics, plus the topic's number.
    """

    def __init__(self, case: Case, keys: int) -> None:
        """Make room for `keys` keys in each topic."""
        size = keys * case.ledger.places.topic_count
        self.first = holder(size, case.ledger.places.count)
        self.split = np.zeros(size, dtype=np.bool_)

    def put(self, cells: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Note places of keys."""
        fresh = self.first[cells] == NOTHING
        if fresh.any():
            self.first[cells[fresh]] = places[fresh]
        self.split[cells[self.first[cells] != places]] = True


def _where(case: Case, called: Column, read: Column) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return, piece by piece, the cells and places of all records that have a key."""
    ledger, seen = case.ledger, case.ledger.seen
    for piece in pieces(0 if called.empty else ledger.ids.size):
        rows = ledger.ids.call_rows(np.arange(piece.start, piece.stop))
        at, fates = ledger.log_at[piece], ledger.fate[piece]
        places = np.where(at != NOTHING, ledger.places.place_of(at), np.where(fates >= 0, fates, NOTHING))
        yield _cells(case, called.at(rows), places)
    for piece in pieces(0 if read.empty else case.history.reads.height):
        yield _cells(case, read[piece], ledger.places.of(seen["topic"][piece], seen["partition"][piece]))


def _cells(
    case: Case, keys: NDArray[np.int64], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    known = (keys != NOTHING) & (places != NOTHING)
    places, lying = places[known], case.ledger.places
    return keys[known] * np.int64(lying.topic_count) + lying.topic_numbers[places], places


def _split(case: Case, lying: Lying, called: Column, read: Column) -> Found:
    some = np.flatnonzero(lying.split)
    count, some = some.size, some[:MAX_EXAMPLES]
    found: dict[int, set[int]] = {int(cell): set() for cell in some}
    for cells, places in _where(case, called, read) if count else ():
        ours = np.isin(cells, some)
        for cell, place in set(zip(cells[ours].tolist(), places[ours].tolist(), strict=True)):
            found[cell].add(place)
    examples = tuple(_example(case, cell, sorted(places)) for cell, places in found.items())
    headline = Text(
        ko=f"키 {count}개의 메시지가 여러 파티션에 흩어져 있습니다.",
        en=f"The records of {count} {'key' if count == 1 else 'keys'} lie on more than one partition.",
    )
    return Found("key_split", count, examples, headline, _evidence(examples))


def _example(case: Case, cell: int, places: list[int]) -> dict[str, object]:
    known = case.ledger.places
    key = pl.Series([cell // known.topic_count], dtype=pl.UInt32).cat.to(KEY)[0]
    partitions = [int(known.partitions[place]) for place in places]
    return {"key": key, "topic": known.topics[places[0]], "partitions": partitions}


def _evidence(examples: tuple[dict[str, object], ...]) -> Text | None:
    if not examples:
        return None
    key, partitions = examples[0]["key"], examples[0]["partitions"]
    listed = str(partitions).strip("[]")
    return first(Text(ko=f"키 {key}, 파티션 {listed}", en=f"key {key}, partitions {listed}"))
