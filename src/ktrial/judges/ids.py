"""Every record id of a history as a small number, its position, by which arrays are addressed.

Ids that lie close together are their own address (id - smallest). Any other ids take the row of their call as their
position, and are found by scattering them over a table: one or two looks each, no search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ktrial.errors import UsageProblem
from ktrial.judges.arrays import NOTHING, Column, holder, pieces

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from ktrial.history.tables import History

SPARE: Final = 1024  # a handful of records may lie anywhere and still be addressed directly
MOST_CELLS_PER_RECORD: Final = 2
SCATTER: Final = np.uint64(
    0x9E3779B97F4A7C15
)  # odd, so that no two ids share a key (Fibonacci hashing, Knuth 6.4)
TABLES: Final = ("completions", "reads")


class Ids:
    """The positions 0..size-1 of all ids in `calls`, `completions` and `reads`."""

    def __init__(self, history: History) -> None:
        """Give every id its position; raises UsageProblem when two calls have the same id."""
        self.columns = {name: Column(history.table(name), "id") for name in ("calls", *TABLES)}
        self.rows = {name: history.table(name).height for name in ("calls", *TABLES)}
        self._calls = history.calls["id"]
        self.call_row: NDArray[np.signedinteger] | None = None
        self._found: dict[str, NDArray[np.signedinteger]] = {}
        self._others = np.empty(0, np.int64)
        low, high = _range([history.table(name)["id"] for name in ("calls", *TABLES)])
        self.dense = high - low < MOST_CELLS_PER_RECORD * self.rows["calls"] + SPARE
        self.base = low if self.dense else 0
        if self.dense:
            self.size = high - low + 1
            self._place_calls()
        else:
            self._seek(Directory(history.calls["id"].to_numpy()))

    def of(self, table: str, piece: slice) -> NDArray[np.signedinteger]:
        """Return the positions of a piece of `calls`, `completions` or `reads`."""
        if self.dense:
            return self.columns[table][piece] - self.base
        if table == "calls":
            return np.arange(piece.start, piece.stop)
        return self._found[table][piece]

    def called(self, positions: NDArray[np.signedinteger]) -> NDArray[np.bool_]:
        """Return whether a call of each id is in the history."""
        if self.call_row is None:
            called: NDArray[np.bool_] = positions < self.rows["calls"]
        else:
            called = self.call_row[positions] != NOTHING
        return called

    def call_rows(self, positions: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
        """Return the rows of the calls; -1 for an id that was never called."""
        if self.call_row is None:
            return np.where(positions < self.rows["calls"], positions, NOTHING)
        rows: NDArray[np.signedinteger] = self.call_row[positions]
        return rows

    def names(self, positions: NDArray[np.signedinteger]) -> NDArray[np.int64]:
        """Return the ids at the given positions."""
        if self.dense:
            return positions.astype(np.int64) + self.base
        calls = self.rows["calls"]
        known = positions < calls
        named = np.empty(positions.size, np.int64)
        named[known] = self.columns["calls"].take(positions[known])
        named[~known] = self._others[positions[~known] - calls]
        return named

    def _place_calls(self) -> None:
        """Note the row of each call, unless id and row differ by a constant all along."""
        rows = self.rows["calls"]
        if all(_counts_up(self.of("calls", piece), piece) for piece in pieces(rows)):
            return
        self.call_row = holder(self.size, rows)
        for piece in pieces(rows):
            self.call_row[self.of("calls", piece)] = np.arange(piece.start, piece.stop)
        for piece in pieces(rows):
            ours = self.call_row[self.of("calls", piece)] == np.arange(piece.start, piece.stop)
            if not ours.all():
                raise _twice(int(self.columns["calls"][piece][~ours][0]))

    def _seek(self, directory: Directory) -> None:
        """Find the call of every id in the other tables, and number the ids that were never called."""
        calls = self.rows["calls"]
        for table in TABLES:
            found = holder(self.rows[table], 2 * calls + sum(self.rows.values()))
            for piece in pieces(self.rows[table]):
                found[piece] = directory.rows(self.columns[table][piece])
            self._found[table] = found
        missing = {table: np.flatnonzero(found == NOTHING) for table, found in self._found.items()}
        self._others = np.unique(
            np.concatenate([self.columns[table].take(rows) for table, rows in missing.items()])
        )
        for table, rows in missing.items():
            if rows.size:
                self._found[table][rows] = calls + np.searchsorted(
                    self._others, self.columns[table].take(rows)
                )
        self.size = calls + self._others.size


class Directory:
    """Finds the row of an id among unique ids: open addressing, a thousand ids at a time (Knuth, TAOCP 6.4)."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        """Enter all ids; raises UsageProblem when one is there twice."""
        bits = int(ids.size).bit_length() + 1  # at most half full, so that most are found at the first look
        self.ids = ids
        self.shift = np.uint64(64 - bits)
        self.last = 2**bits - 1
        self.table = holder(2**bits, ids.size)
        for piece in pieces(ids.size):
            self._enter(np.arange(piece.start, piece.stop))

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each id; -1 where it is not there."""
        if not self.ids.size:
            return np.full(ids.size, NOTHING)
        cells = self._home(ids)
        rows = self.table[cells]
        wrong = (
            self.ids[rows] != ids
        )  # an empty cell's -1 leads to the last id, by chance the wanted one: not found
        found = np.where(wrong | (rows == NOTHING), NOTHING, rows)
        left = np.flatnonzero(wrong & (rows != NOTHING))
        cells, wanted = cells[left], ids[left]
        while left.size:
            cells = (cells + 1) & self.last
            rows = self.table[cells]
            found[left] = np.where(self.ids[rows] == wanted, rows, NOTHING)
            more = (rows != NOTHING) & (found[left] == NOTHING)
            left, cells, wanted = left[more], cells[more], wanted[more]
        return found

    def _home(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return (ids.view(np.uint64) * SCATTER >> self.shift).astype(np.int64)

    def _enter(self, rows: NDArray[np.int64]) -> None:
        cells = self._home(self.ids[rows])
        while rows.size:
            free = self.table[cells] == NOTHING
            self.table[cells[free]] = rows[free]
            there = self.table[cells]
            out = there != rows
            rows, cells, there = rows[out], cells[out], there[out]
            again = self.ids[rows] == self.ids[there]
            if again.any():
                raise _twice(int(self.ids[rows[again][0]]))
            cells = (cells + 1) & self.last


def _range(columns: list[pl.Series]) -> tuple[int, int]:
    lows = [low for column in columns if isinstance(low := column.min(), int)]
    highs = [high for column in columns if isinstance(high := column.max(), int)]
    return (min(lows), max(highs)) if lows else (0, -1)


def _counts_up(positions: NDArray[np.signedinteger], piece: slice) -> bool:
    return bool((positions == np.arange(piece.start, piece.stop)).all())


def _twice(record: int) -> UsageProblem:
    return UsageProblem(
        f"The history is broken: record {record} was called twice.",
        mend="Give every record that is sent an id of its own.",
    )
