"""Partitions as small numbers, offsets as addresses in one space, and how far the final reader read each partition.

Each partition owns one stretch of the address space, in order, so that one integer says partition and offset, and
comparing addresses within a partition compares offsets. Where offsets lie far apart, their ranks take their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.history.columns import ISOLATIONS, NAME
from ktrial.judges.arrays import NOTHING, Column, joined, pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.history.tables import History

MOST_CELLS_PER_ROW: Final = 4
SPARE: Final = 1 << 16
MOST_SHORTCUTS: Final = 1 << 20
LONG_AGO: Final = np.iinfo(np.int64).min
LATE: Final = np.iinfo(np.int64).max


class Places:
    """All partitions that a history speaks of, numbered in order of topic and partition."""

    def __init__(self, history: History) -> None:
        """Find the partitions, number them, and lay out their addresses."""
        found = _found(history)
        self.topics = found["topic"].cast(pl.String).to_list()
        self.topic_codes = found["topic"].to_physical().cast(pl.Int64).to_numpy()
        self.partitions = found["partition"].cast(pl.Int64).to_numpy()
        self.low = found["low"].to_numpy()
        span = np.maximum(found["high"].to_numpy() - self.low + 1, 0).astype(
            object
        )  # beyond 64 bits, if need be
        self.count = len(self.topics)
        self._shortcuts()
        rows = history.completions.height + history.reads.height
        self._ranks: list[NDArray[np.int64]] | None = None
        if span.sum() > MOST_CELLS_PER_ROW * rows + SPARE:
            self._ranks = self._rank(history)
            span = np.array([ranks.size for ranks in self._ranks], dtype=object)
        self.bases = np.concatenate([[0], np.cumsum(span)]).astype(np.int64)
        self.cells = int(self.bases[-1])

    def of(self, topics: NDArray[np.int64], partitions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each (topic code, partition) of completions, reads or ends; -1 where either is null."""
        cell = self._topic_cell[topics] + partitions  # a null is -1: the last cell, which leads nowhere
        if self._place_at is not None:
            places: NDArray[np.int64] = self._place_at[cell]
        else:
            near = np.minimum(np.searchsorted(self._cells, cell), self._cells.size - 1)
            places = np.where(self._cells[near] == cell, near, NOTHING)
        return places

    def addresses(self, places: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the addresses of known offsets in known partitions."""
        if self._ranks is None:
            direct: NDArray[np.int64] = offsets + (self.bases[:-1] - self.low)[places]
            return direct
        addresses = np.empty(offsets.size, np.int64)
        for place in np.unique(places):
            ours = places == place
            addresses[ours] = self.bases[place] + np.searchsorted(self._ranks[place], offsets[ours])
        return addresses

    def spot(self, address: int) -> tuple[int, int]:
        """Return (place, offset) of an address."""
        place = int(np.searchsorted(self.bases, address, side="right")) - 1
        inside = address - int(self.bases[place])
        offset = int(self.low[place]) + inside if self._ranks is None else int(self._ranks[place][inside])
        return place, offset

    def place_of(self, addresses: NDArray[np.signedinteger]) -> NDArray[np.int64]:
        """Return the place of each address."""
        return np.searchsorted(self.bases, addresses, side="right") - 1

    def number(self, topic: str, partition: int) -> int:
        """Return the number of a partition by its name; -1 when it is not known."""
        for place, known in enumerate(self.topics):
            if known == topic and self.partitions[place] == partition:
                return place
        return NOTHING

    def _shortcuts(self) -> None:
        """Lay out a table from (topic, partition) to its number, if it is not too wide."""
        codes = list(dict.fromkeys(self.topic_codes.tolist()))
        self.topic_count = len(codes)
        row = int(self.partitions.max(initial=0)) + 2  # a cell for "null" before each topic's partitions
        self._topic_cell = np.full(max(codes, default=-1) + 2, len(codes) * row + 1, np.int64)
        self._topic_cell[codes] = np.arange(len(codes)) * row + 1
        self._cells = self._topic_cell[self.topic_codes] + self.partitions
        self.topic_numbers = self._cells // row  # by place: which of the topics, counted from 0
        self._place_at: NDArray[np.int64] | None = None
        if row * (len(codes) + 1) <= MOST_SHORTCUTS:
            self._place_at = np.full(row * (len(codes) + 1), NOTHING, np.int64)
            self._place_at[self._cells] = np.arange(self.count)

    def _rank(self, history: History) -> list[NDArray[np.int64]]:
        """Return the distinct offsets of each place, sorted."""
        known: list[list[NDArray[np.int64]]] = [[] for _ in range(self.count)]
        for frame in (history.completions, history.reads):
            topic, partition, offset = (Column(frame, name) for name in ("topic", "partition", "offset"))
            for piece in pieces(frame.height):
                place, spot = self.of(topic[piece], partition[piece]), offset[piece]
                for each in np.unique(place[(place >= 0) & (spot >= 0)]):
                    known[each].append(np.unique(spot[(place == each) & (spot >= 0)]))
        return [np.unique(joined(parts)) for parts in known]


def _found(history: History) -> pl.DataFrame:
    """Return topic, partition, lowest and highest offset of every partition that a row names."""
    spans = [_spans(frame) for frame in (history.completions, history.reads)]
    spans.append(
        history.ends.select("topic", "partition", low=pl.lit(None, pl.Int64), high=pl.lit(None, pl.Int64))
    )
    return (
        pl.concat(spans)
        .group_by("topic", "partition")
        .agg(pl.col("low").min().fill_null(0), pl.col("high").max().fill_null(-1))
        .sort(pl.col("topic").cast(pl.String), "partition")
    )


def _spans(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the lowest and highest offset of each partition in one table; null where no offset is known."""
    topic, partition, offset = (Column(frame, name) for name in ("topic", "partition", "offset"))
    names = (frame["topic"].head(1) if topic.constant else frame["topic"].unique()).drop_nulls()
    row = partition.most + 2
    cells = (names.len() + 1) * row
    if cells > MOST_SHORTCUTS:
        return _grouped(frame)
    first_cell = np.full(topic.most + 2, names.len() * row + 1)  # behind all others: where no topic is named
    first_cell[names.to_physical().to_numpy()] = np.arange(names.len()) * row + 1
    low, high = np.full(cells, LATE), np.full(cells, NOTHING)
    seen = np.zeros(cells, dtype=np.bool_)
    for piece in pieces(frame.height):
        cell, spot = first_cell[topic[piece]] + partition[piece], offset[piece]
        seen[cell] = True
        if spot.min() < 0:
            cell, spot = cell[spot >= 0], spot[spot >= 0]
        np.minimum.at(low, cell, spot)
        np.maximum.at(high, cell, spot)
    at = np.flatnonzero(seen)
    at = at[(at < names.len() * row) & (at % row > 0)]
    known = pl.DataFrame({"low": low[at], "high": high[at]}).with_columns(
        pl.when(pl.col("high") >= 0).then(pl.col("low", "high"))
    )
    place = pl.DataFrame({"topic": names[at // row], "partition": pl.Series(at % row - 1, dtype=pl.Int32)})
    return place.hstack(known)


def _grouped(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the same as `_spans` for any number of topics and partitions, slower."""
    offset = pl.col("offset").filter(pl.col("offset") >= 0)
    named = pl.col("topic").is_not_null() & pl.col("partition").is_not_null()
    return frame.filter(named).group_by("topic", "partition").agg(low=offset.min(), high=offset.max())


class Ends:
    """How far the final reader read each place, and which reads are its own: those of its last time through.

    Only `read_uncommitted` decides what is in the log, where it was read at all; else `read_committed`.
    """

    def __init__(self, history: History, places: Places) -> None:
        """Choose the last `end` of each place."""
        size = places.count + 1  # one more, for rows whose place is -1
        self.known = np.zeros(size, dtype=bool)
        self.actor = np.full(size, NOTHING, np.int64)
        self.isolation = np.full(size, NOTHING, np.int64)
        self.began = np.full(size, LONG_AGO, np.int64)
        self.ended = np.zeros(size, np.int64)
        self.log_start = np.zeros(size, np.int64)
        self.log_end = np.zeros(size, np.int64)
        self.reached = np.zeros(size, np.int64)
        self.only_one = True
        self._ended_before: dict[tuple[int, int], int] = {}
        ends = history.ends.with_columns(pl.col("isolation").to_physical().alias("level")).sort("level", "t")
        for row in ends.with_columns(code=pl.col("actor").to_physical()).iter_rows(named=True):
            self._note(places.number(row["topic"], row["partition"]), row)

    def _note(self, place: int, row: dict[str, int]) -> None:
        if self.known[place] and self.isolation[place] != row["level"]:
            return  # read_uncommitted sorts first, and what it saw is what is in the log
        self.only_one &= not self.known[place]
        self.began[place] = self._ended_before.get((place, row["code"]), LONG_AGO)
        self._ended_before[place, row["code"]] = row["t"]
        self.known[place] = True
        self.actor[place], self.isolation[place] = row["code"], row["level"]
        self.ended[place] = row["t"]
        self.log_start[place], self.log_end[place] = row["log_start"], row["log_end"]
        committed = ISOLATIONS[row["level"]] == "read_committed"
        self.reached[place] = row["last_stable"] if committed else row["log_end"]

    def final(
        self,
        places: NDArray[np.int64],
        actors: NDArray[np.int64],
        isolations: NDArray[np.int64],
        times: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Return which reads belong to the final reader's last time through their partition."""
        ours: NDArray[np.bool_] = (self.actor[places] == actors) & (self.isolation[places] == isolations)
        return ours if self.only_one else ours & (times > self.began[places])


def code_of(name: str) -> int:
    """Return the category number of a name, as the tables' columns hold it."""
    return int(pl.Series([name], dtype=NAME).to_physical()[0])
