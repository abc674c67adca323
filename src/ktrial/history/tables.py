"""The history of one run as a frozen value: one table per family of operations.

Times are ns of one monotonic clock, `t` in every table. The order of rows carries no meaning; `t` does. What the
columns are is said in `ktrial.history.columns`; how lines are read and written in `ktrial.history.ndjson`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from ktrial.history import files, ndjson
from ktrial.history.columns import TABLES, conform

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO


def _empty(name: str) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(TABLES[name]))


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class History:
    """All tables of one run; make it with `of`, `read_ndjson`, `load` or `concat`, which see to the columns' types."""

    calls: pl.DataFrame = field(default_factory=partial(_empty, "calls"))
    completions: pl.DataFrame = field(default_factory=partial(_empty, "completions"))
    reads: pl.DataFrame = field(default_factory=partial(_empty, "reads"))
    ends: pl.DataFrame = field(default_factory=partial(_empty, "ends"))
    members: pl.DataFrame = field(default_factory=partial(_empty, "members"))
    processed: pl.DataFrame = field(default_factory=partial(_empty, "processed"))
    commits: pl.DataFrame = field(default_factory=partial(_empty, "commits"))
    txns: pl.DataFrame = field(default_factory=partial(_empty, "txns"))
    faults: pl.DataFrame = field(default_factory=partial(_empty, "faults"))
    brokers: pl.DataFrame = field(default_factory=partial(_empty, "brokers"))
    leaders: pl.DataFrame = field(default_factory=partial(_empty, "leaders"))
    isrs: pl.DataFrame = field(default_factory=partial(_empty, "isrs"))
    metrics: pl.DataFrame = field(default_factory=partial(_empty, "metrics"))
    batches: pl.DataFrame = field(default_factory=partial(_empty, "batches"))
    topics: pl.DataFrame = field(default_factory=partial(_empty, "topics"))
    others: pl.DataFrame = field(default_factory=partial(_empty, "others"))

    @classmethod
    def of(cls, **tables: pl.DataFrame) -> History:
        """Return a history of the given tables, each cast to its columns; absent columns are null, others empty."""
        return cls(**{name: conform(name, frame) for name, frame in tables.items()})

    @classmethod
    def concat(cls, histories: Iterable[History]) -> History:
        """Return one history with the rows of all."""
        every = list(histories)
        return cls(
            **{
                name: pl.concat([history.table(name) for history in every], rechunk=True)
                for name in TABLES
                if any(not history.table(name).is_empty() for history in every)
            }
        )

    @classmethod
    def read_ndjson(cls, path: Path) -> History:
        """Read the exchange format; raises UsageProblem that names file, line and reason."""
        return cls.of(**ndjson.read(path))

    def write_ndjson(self, target: Path | BinaryIO) -> None:
        """Write the exchange format, one JSON object per line, to a path or an open binary file."""
        ndjson.write(self.tables(), target)

    @classmethod
    def load(cls, folder: Path) -> History:
        """Read the compact files that `save` wrote; raises UsageProblem when one cannot be read."""
        return cls.of(**files.load(folder))

    def save(self, folder: Path) -> None:
        """Write one compact file per table that has rows into `folder`, which is made."""
        files.save(self.tables(), folder)

    def table(self, name: str) -> pl.DataFrame:
        """Return one table by its name."""
        frame: pl.DataFrame = getattr(self, name)
        return frame

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return all tables by name."""
        return {each.name: self.table(each.name) for each in fields(self)}

    def began_ns(self) -> int:
        """Return the first `t` of the history, or 0 when nothing happened."""
        first = [frame["t"].min() for frame in self.tables().values() if not frame.is_empty()]
        return min((t for t in first if isinstance(t, int)), default=0)
