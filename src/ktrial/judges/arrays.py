"""Columns as numpy arrays, piece by piece, and cells that remember who disagreed about them.

A judge walks tables of ten million rows; whatever it makes on the way is made per piece, so that its peak memory is
the tables and a few numbers per record. A piece is small enough to stay in the processor's cache.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PIECE_ROWS: Final = 1 << 15
NOTHING: Final = -1
I32_END: Final = 2**31


class Column:
    """One column of a table, read as integers: category numbers for words, 0 and 1 for truths, -1 for null."""

    def __init__(self, frame: pl.DataFrame, name: str) -> None:
        """Look at the column without a copy where it has no nulls."""
        series = frame[name].rechunk().to_physical()
        self._nulls = series.null_count() > 0
        self.empty = series.null_count() == series.len()
        self._series = series
        self._whole = None if self._nulls or series.dtype == pl.Boolean else series.to_numpy()

    def __getitem__(self, piece: slice) -> NDArray[np.int64]:
        """Return a piece of the column; it may be a view, so it must not be written to."""
        if self._whole is not None:
            return self._whole[piece]
        part = self._series[piece].cast(pl.Int64).fill_null(NOTHING)
        return part.to_numpy()

    @cached_property
    def constant(self) -> bool:
        """Whether all values are the same."""
        return self._series.is_empty() or (not self._nulls and self._series.min() == self._series.max())

    @cached_property
    def most(self) -> int:
        """The largest value, or -1 when there is none."""
        most = self._series.max()
        return most if isinstance(most, int) else NOTHING

    def take(self, rows: NDArray[np.signedinteger]) -> NDArray[np.int64]:
        """Return the values at the given rows."""
        if self._whole is not None:
            values: NDArray[np.int64] = self._whole[rows]
            return values
        return (
            self._series.gather(pl.Series(rows, dtype=pl.UInt32)).cast(pl.Int64).fill_null(NOTHING).to_numpy()
        )

    def at(self, rows: NDArray[np.signedinteger]) -> NDArray[np.int64]:
        """Return the values at the given rows, and -1 for row -1."""
        there = rows != NOTHING
        values = np.full(rows.size, NOTHING, np.int64)
        values[there] = self.take(rows[there])
        return values


def pieces(rows: int, step: int = PIECE_ROWS) -> Iterator[slice]:
    """Return the slices that cut `rows` rows into pieces."""
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def holder(cells: int, largest: int) -> NDArray[np.signedinteger]:
    """Return `cells` cells, all -1, of the smallest type that holds `largest`."""
    return np.full(cells, NOTHING, dtype=np.int32 if largest < I32_END else np.int64)


def joined(parts: list[NDArray[np.signedinteger]]) -> NDArray[np.int64]:
    """Return the parts one after the other; nothing for no parts."""
    return np.concatenate(parts).astype(np.int64, copy=False) if parts else np.empty(0, np.int64)


def ascending(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the values sorted; the same array when it is sorted already."""
    return values if (values[1:] >= values[:-1]).all() else np.sort(values)


class Cells:
    """Cells with one value each, written from many rows; every disagreement about a cell is remembered."""

    def __init__(self, cells: int, largest: int) -> None:
        """Make empty cells for values from 0 to `largest`."""
        self.values = holder(cells, largest)
        self._cell_of: list[NDArray[np.signedinteger]] = []
        self._value_of: list[NDArray[np.signedinteger]] = []

    def put(self, cells: NDArray[np.signedinteger], values: NDArray[np.signedinteger]) -> None:
        """Write values over what is there; of several values for one cell, the last stays."""
        before = self.values[cells]
        self.values[cells] = values
        self._remember(cells, before, (before != NOTHING) & (before != values))
        after = self.values[cells]
        self._remember(cells, values, after != values)

    def fill(self, cells: NDArray[np.signedinteger], values: NDArray[np.signedinteger]) -> None:
        """Write values where there is none yet."""
        empty = self.values[cells] == NOTHING
        if empty.any():
            self.values[cells[empty]] = values[empty]
        self._remember(cells, values, self.values[cells] != values)

    def _remember(
        self,
        cells: NDArray[np.signedinteger],
        values: NDArray[np.signedinteger],
        which: NDArray[np.bool_],
    ) -> None:
        if which.any():
            self._cell_of.append(cells[which])
            self._value_of.append(values[which])

    def disputed(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (cell, value) of every cell that was given two values: all its values, sorted, each once."""
        cells, values = joined(self._cell_of), joined(self._value_of)
        if not cells.size:
            return cells, values
        named = np.unique(cells)
        cells = np.concatenate([cells, named])
        values = np.concatenate([values, self.values[named]])
        order = np.lexsort((values, cells))
        cells, values = cells[order], values[order]
        fresh = np.ones(cells.size, dtype=bool)
        fresh[1:] = (cells[1:] != cells[:-1]) | (values[1:] != values[:-1])
        return cells[fresh], values[fresh]
