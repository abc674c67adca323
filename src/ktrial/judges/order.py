"""Order of the log: no producer's later send lies lower than its earlier one, and nobody overtakes the acknowledged.

Compared are offsets of the final log, of each record's first occurrence, never those of acknowledgements whose
records are gone. One walk from the log's end to its start, remembering the earliest call and acknowledgement met so
far: a record that was called later than that is out of order. Sends with the same `t` have no order.

Counts are of records that lie too low.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from ktrial.judges.arrays import PIECE_ROWS, Column
from ktrial.judges.claim import Findings, Found
from ktrial.judges.intruders import record_of, spot_of
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.judges.case import Case
    from ktrial.judges.ledger import Ledger

NEVER: Final = np.iinfo(np.int64).max


@dataclass(slots=True)
class Inversions:
    """Records that lie below one they should follow: how many, and the lowest few as (record, the other) positions."""

    count: int = 0
    pairs: list[tuple[int, int]] = field(default_factory=list)


class Walk:
    """A walk down one partition's log, which remembers the earliest time met so far and whose it was."""

    def __init__(self, into: Inversions) -> None:
        """Start above the log's end."""
        self.into = into
        self.earliest = NEVER
        self.whose = -1

    def down(
        self,
        positions: NDArray[np.signedinteger],
        calls: NDArray[np.int64],
        marks: NDArray[np.int64],
    ) -> None:
        """Walk over a stretch, in log order; a record is too low if called after a mark that lies above it."""
        if not positions.size:
            return
        above = np.empty(marks.size + 1, np.int64)
        above[-1] = self.earliest
        np.minimum(np.minimum.accumulate(marks[::-1])[::-1], self.earliest, out=above[:-1])
        low = above[1:] < calls
        if low.any():
            self._note(positions, marks, np.flatnonzero(low))
        if above[0] < self.earliest:
            self.earliest = int(above[0])
            self.whose = int(positions[int(np.argmin(marks))])

    def _note(
        self, positions: NDArray[np.signedinteger], marks: NDArray[np.int64], low: NDArray[np.int64]
    ) -> None:
        self.into.count += low.size
        fresh = []
        for at in low[:MAX_EXAMPLES]:
            higher = marks[at + 1 :]
            best = int(np.argmin(higher)) if higher.size else -1
            inside = best >= 0 and higher[best] < self.earliest
            fresh.append((int(positions[at]), int(positions[at + 1 + best]) if inside else self.whose))
        self.into.pairs = (fresh + self.into.pairs)[:MAX_EXAMPLES]


@dataclass(frozen=True, slots=True)
class Order:
    """The part that judges the order of the log."""

    def __call__(self, case: Case) -> Findings:
        """Return the records that lie too low."""
        reordered, overtaken = Inversions(), Inversions()
        times = Times(case.ledger)
        for place in range(case.ledger.places.count):
            _walk(times, place, reordered, overtaken)
        return Findings(
            measured={"reordered": reordered.count, "overtaken": overtaken.count},
            found=(_reordered(case, reordered), _overtaken(case, overtaken)),
            held=Text(
                ko="각 파티션의 로그는 보낸 순서 그대로입니다.",
                en="In every partition the log keeps the order of sending.",
            ),
        )


class Times:
    """When each record of the log was called, acknowledged, and by whom."""

    def __init__(self, ledger: Ledger) -> None:
        """Look at the columns."""
        self.ledger = ledger
        self.call_t = Column(ledger.history.calls, "t")
        self.call_actor = Column(ledger.history.calls, "actor")
        self.one_actor = self.call_actor.constant

    def of(
        self, piece: slice, place: int
    ) -> tuple[NDArray[np.signedinteger], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return positions, call times, acknowledgement times (NEVER if none) and actors, in log order."""
        ledger = self.ledger
        positions = ledger.log_piece(piece)
        fates = ledger.fate[positions]
        if not (fates == place).all():
            here = (fates == place) | (
                fates < 0
            )  # acknowledged on another partition: a phantom here, without order
            positions, fates = positions[here], fates[here]
        rows = ledger.ids.call_rows(positions)
        calls = self.call_t.take(rows)
        actors = np.empty(0, np.int64) if self.one_actor else self.call_actor.take(rows)
        acks = ledger.ack_row[positions]
        acknowledged = fates >= 0
        if acknowledged.all():
            return positions, calls, ledger.acks["t"].take(acks), actors
        times = np.full(positions.size, NEVER)
        times[acknowledged] = ledger.acks["t"].take(acks[acknowledged])
        return positions, calls, times, actors


def _walk(times: Times, place: int, reordered: Inversions, overtaken: Inversions) -> None:
    """Walk down one partition's log."""
    bases = times.ledger.places.bases
    start, end = int(bases[place]), int(bases[place + 1])
    anyone, own = Walk(overtaken), Walk(reordered)
    by_actor: dict[int, Walk] = {}
    for stop in range(end, start, -PIECE_ROWS):
        positions, calls, acks, actors = times.of(slice(max(start, stop - PIECE_ROWS), stop), place)
        anyone.down(positions, calls, acks)
        if times.one_actor:
            own.down(positions, calls, calls)
            continue
        order = np.argsort(actors, kind="stable")
        cuts = np.flatnonzero(np.diff(actors[order])) + 1
        for mine in np.split(order, cuts):
            if mine.size:
                walk = by_actor.setdefault(int(actors[mine[0]]), Walk(reordered))
                walk.down(positions[mine], calls[mine], calls[mine])


def _example(case: Case, pair: tuple[int, int]) -> dict[str, object]:
    ledger = case.ledger
    low, high = ({**record_of(case, at), **spot_of(ledger, int(ledger.log_at[at]))} for at in pair)
    return {**low, "above": high}


def _reordered(case: Case, inversions: Inversions) -> Found:
    examples = tuple(_example(case, pair) for pair in inversions.pairs)
    headline = Text(
        ko=f"같은 프로듀서가 나중에 보낸 메시지 {inversions.count}개가 로그에서 앞에 있습니다.",
        en=f"{inversions.count} records lie below one that their own producer sent earlier.",
    )
    return Found("reordered", inversions.count, examples, headline, _evidence(case, examples))


def _overtaken(case: Case, inversions: Inversions) -> Found:
    examples = tuple(_example(case, pair) for pair in inversions.pairs)
    headline = Text(
        ko=f"메시지 {inversions.count}개가, 보내기 전에 이미 승인된 메시지보다 로그에서 앞에 있습니다.",
        en=f"{inversions.count} records lie below one that was acknowledged before they were sent.",
    )
    return Found("overtaken", inversions.count, examples, headline, _evidence(case, examples))


def _evidence(case: Case, examples: tuple[dict[str, object], ...]) -> Text | None:
    if not examples:
        return None
    low = examples[0]
    high = low["above"]
    if not isinstance(high, dict):
        return None
    place = case.witness.place(str(low["topic"]), int(str(low["partition"])))
    return first(
        Text(
            ko=f"{place.ko}, {low['called_s']:.3f}초에 보낸 메시지 {low['id']}은(는) 오프셋 {low['offset']}",
            en=f"{place.en}, record {low['id']}, sent at {low['called_s']:.3f} s, has offset {low['offset']}",
        ),
        Text(
            ko=f"{high['called_s']:.3f}초에 보낸 메시지 {high['id']}은(는) 오프셋 {high['offset']}",
            en=f"record {high['id']}, sent at {high['called_s']:.3f} s, has offset {high['offset']}",
        ),
    )
