"""Starts: where logs started, and when that was seen: what retention had taken by then.

Seen by a final reader (`end`) and by whoever measured `LogStartOffset` (labels topic and partition). A log's start only
moves up; who still sees an older one has looked at a follower.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.history.tables import History

METRIC: Final = "LogStartOffset"
PLACE: Final = ("topic", "partition")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one partition, in order of time: where its log started."""

    times: NDArray[np.int64]
    starts: NDArray[np.int64]

    def gone_at(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first look at which the log started above each offset; the number of looks if none."""
        return np.searchsorted(self.starts, offsets, side="right")

    def taken_by(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return below which offset records may have been gone at each time: the next look tells at the latest."""
        looks = np.searchsorted(self.times, t, side="left")
        starts: NDArray[np.int64] = self.starts[np.minimum(looks, self.starts.size - 1)]
        return starts


class Starts:
    """What was seen of all partitions."""

    def __init__(self, history: History) -> None:
        """Gather the looks."""
        self.seen: dict[tuple[str, int], Seen] = {}
        looks = pl.concat([_of_readers(history), _measured(history)])
        for (topic, partition), rows in looks.sort("t", "start").group_by(*PLACE, maintain_order=True):
            starts = np.maximum.accumulate(rows["start"].to_numpy())
            self.seen[str(topic), int(str(partition))] = Seen(rows["t"].to_numpy(), starts)

    def of(self, topic: str, partition: int) -> Seen | None:
        """Return what was seen of one partition, if anybody looked."""
        return self.seen.get((topic, partition))

    @property
    def moved(self) -> dict[tuple[str, int], Seen]:
        """The partitions whose log did not start at 0 to the end."""
        return {place: seen for place, seen in self.seen.items() if seen.starts[-1] > 0}


def _of_readers(history: History) -> pl.DataFrame:
    return history.ends.select(
        "t",
        pl.col("topic").cast(pl.String),
        pl.col("partition").cast(pl.Int64),
        start=pl.col("log_start"),
    )


def _measured(history: History) -> pl.DataFrame:
    rows = []
    told = history.metrics.filter(pl.col("name").cast(pl.String) == METRIC)
    for t, value, text in told.select("t", "value", "labels").iter_rows():
        labels = json.loads(text or "{}")
        if {"topic", "partition"} <= labels.keys():
            rows.append((t, str(labels["topic"]), int(labels["partition"]), int(value)))
    schema = {"t": pl.Int64(), "topic": pl.String(), "partition": pl.Int64(), "start": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")
