"""Keys: whether all records of one key lie on one partition of their topic.

Looked at are the keys that callers noted, at the place where the record lies or was acknowledged, and the keys that
readers found. Records without a key may go anywhere. Counts are of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.history.columns import KEY
from ktrial.judges.arrays import NOTHING, Cells, Column, pieces
from ktrial.judges.claim import Findings, Found
from ktrial.judges.intruders import starts_of
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
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
        topics = case.ledger.places.topic_count
        cells = Cells((max(called.most, read.most) + 1) * topics, case.ledger.places.count)
        _lay_calls(case, called, cells)
        _lay_reads(case, read, cells)
        split = _split(case, cells, topics)
        kept = int((cells.values != NOTHING).sum())
        held = Text(
            ko=f"키 {kept}개의 메시지는 각각 한 파티션에 모여 있습니다.",
            en=f"The records of each of {kept} keys are together on one partition.",
        )
        return Findings(
            {"keys": kept, "keys_split": split.count}, (split,), held=held if self.needed else None
        )


def _lay_calls(case: Case, called: Column, cells: Cells) -> None:
    ledger = case.ledger
    if called.empty:
        return
    for piece in pieces(ledger.ids.size):
        rows = ledger.ids.call_rows(np.arange(piece.start, piece.stop))
        at, fates = ledger.log_at[piece], ledger.fate[piece]
        places = np.where(at != NOTHING, ledger.places.place_of(at), np.where(fates >= 0, fates, NOTHING))
        _lay(case, cells, called.at(rows), places)


def _lay_reads(case: Case, read: Column, cells: Cells) -> None:
    if read.empty:
        return
    seen = case.ledger.seen
    for piece in pieces(case.history.reads.height):
        places = case.ledger.places.of(seen["topic"][piece], seen["partition"][piece])
        _lay(case, cells, read[piece], places)


def _lay(case: Case, cells: Cells, keys: NDArray[np.int64], places: NDArray[np.int64]) -> None:
    known = (keys != NOTHING) & (places != NOTHING)
    places, lying = places[known], case.ledger.places
    cells.put(keys[known] * np.int64(lying.topic_count) + lying.topic_numbers[places], places)


def _split(case: Case, cells: Cells, topics: int) -> Found:
    disputed, places = cells.disputed()
    starts = starts_of(disputed)
    count = starts.size - 1
    examples = []
    for start, end in pairwise(starts[: MAX_EXAMPLES + 1].tolist()):
        names = pl.Series([disputed[start] // topics], dtype=pl.UInt32).cat.to(KEY)
        topic = case.ledger.places.topics[places[start]]
        partitions = [int(case.ledger.places.partitions[place]) for place in places[start:end]]
        examples.append({"key": names[0], "topic": topic, "partitions": partitions})
    headline = Text(
        ko=f"키 {count}개의 메시지가 여러 파티션에 흩어져 있습니다.",
        en=f"The records of {count} {'key' if count == 1 else 'keys'} lie on more than one partition.",
    )
    evidence = None
    if examples:
        partitions_listed = ", ".join(str(partition) for partition in examples[0]["partitions"])
        evidence = first(
            Text(
                ko=f"키 {examples[0]['key']}, 파티션 {partitions_listed}",
                en=f"key {examples[0]['key']}, partitions {partitions_listed}",
            )
        )
    return Found("key_split", count, tuple(examples), headline, evidence)
