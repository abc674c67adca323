"""From the journals that the client processes left to one history.

A called record without a completion stays without one: that is how `unknown` looks when its process died first.
What was half-written when a process was killed is left out; everything before it counts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from ktrial.history.columns import ISOLATION, KEY, NAME, OUTCOME
from ktrial.history.journal import read_lines, read_names, read_rows
from ktrial.history.tables import History

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from polars._typing import PolarsDataType


def read_journals(folder: Path) -> History:
    """Return what all actors wrote into `folder`; an actor's name comes from its files' names."""
    actors = sorted(path.stem for path in folder.glob("*.names"))
    histories = [_actor(folder, actor) for actor in actors]
    return History.concat([*histories, _notes(folder)])


def _actor(folder: Path, actor: str) -> History:
    # The rows are read before the names: an actor that still lives writes them the other way round.
    kinds = ("calls", "acks", "reads", "done")
    calls, acks, reads, done = (read_rows(folder / f"{actor}.{kind}") for kind in kinds)
    names = read_names(folder / f"{actor}.names")
    return History.of(
        calls=_calls(actor, calls, names),
        completions=_completions(actor, acks, names),
        reads=_reads(actor, reads, names),
        processed=_processed(actor, done, names),
    )


def _calls(actor: str, rows: NDArray[np.void], names: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "t": rows["t"],
            "id": rows["id"],
            "topic": _named(rows["topic"], names, NAME),
            "key": _named(rows["key"], names, KEY),
            "txn": _named(rows["txn"], names, NAME),
        }
    ).with_columns(_by(actor))


def _completions(actor: str, rows: NDArray[np.void], names: Sequence[str]) -> pl.DataFrame:
    """Return acknowledgements; a place that the library did not tell (-1, or less) is null."""
    placed = pl.col("offset") >= 0
    return pl.DataFrame(
        {
            "t": rows["t"],
            "id": rows["id"],
            "outcome": _named(rows["outcome"], names, OUTCOME),
            "topic": _named(rows["topic"], names, NAME),
            "partition": rows["partition"],
            "offset": rows["offset"],
            "error": _named(rows["error"], names, NAME),
        }
    ).with_columns(
        _by(actor),
        pl.when(pl.col("partition") >= 0).then(pl.col("partition")).alias("partition"),
        pl.when(placed).then(pl.col("offset")).alias("offset"),
    )


def _reads(actor: str, rows: NDArray[np.void], names: Sequence[str]) -> pl.DataFrame:
    contexts = [name.partition("\t") if "\t" in name else (None, "", None) for name in names]
    return pl.DataFrame(
        {
            "t": rows["t"],
            "id": rows["id"],
            "topic": _named(rows["topic"], names, NAME),
            "partition": rows["partition"],
            "offset": rows["offset"],
            "key": _named(rows["key"], names, KEY),
            "isolation": _named(
                rows["context"],
                [isolation if isolation in ISOLATION.categories else None for isolation, _, _ in contexts],
                ISOLATION,
            ),
            "group": _named(rows["context"], [group or None for _, _, group in contexts], NAME),
            "intact": rows["intact"] != 0,
        }
    ).with_columns(_by(actor))


def _processed(actor: str, rows: NDArray[np.void], names: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "t": rows["t"],
            "group": _named(rows["group"], names, NAME),
            "id": rows["id"],
            "topic": _named(rows["topic"], names, NAME),
            "partition": rows["partition"],
            "offset": rows["offset"],
        }
    ).with_columns(_by(actor))


def _notes(folder: Path) -> History:
    """Return every actor's NDJSON lines, read as the exchange format once torn last lines are left out."""
    lines = [line for path in sorted(folder.glob("*.ndjson")) for line in read_lines(path)]
    with tempfile.TemporaryDirectory() as whole:
        path = Path(whole) / "journal.ndjson"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return History.read_ndjson(path)


def _named(numbers: NDArray[np.int32], names: Sequence[str | None], kind: PolarsDataType) -> pl.Series:
    """Return the names behind interned numbers; the number -1 is null."""
    table = pl.Series([None, *names], dtype=pl.String)
    return table.cast(kind, strict=False).gather(pl.Series(numbers) + 1)


def _by(actor: str) -> pl.Expr:
    return pl.lit(actor).cast(NAME).alias("actor")
