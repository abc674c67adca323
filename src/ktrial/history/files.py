"""A history on disk, compact: one compressed Arrow file per table that has rows.

Each file is one record batch, so that a table comes back in one piece, ready for the judges without a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from ktrial.errors import MachineProblem, UsageProblem
from ktrial.history.columns import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIX = ".arrow"


def save(tables: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Write the tables that have rows into `folder`; a table that has none leaves no file, not even an older one.

    Raises MachineProblem when the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in tables.items():
            path = folder / (name + SUFFIX)
            if frame.is_empty():
                path.unlink(missing_ok=True)
            else:
                frame.rechunk().write_ipc(path, compression="zstd", record_batch_size=frame.height)
    except OSError as error:
        raise MachineProblem(
            f"The history could not be saved in {folder}: {error}.", mend="Make room there and run again."
        ) from error


def load(folder: Path) -> dict[str, pl.DataFrame]:
    """Return the tables found in `folder`; raises UsageProblem when there are none or one is damaged."""
    found = {name: folder / (name + SUFFIX) for name in TABLES}
    present = {name: path for name, path in found.items() if path.is_file()}
    if not present:
        raise UsageProblem(f"There is no history in {folder}.", mend="Name the folder of a finished run.")
    return {name: _read(path) for name, path in present.items()}


def _read(path: Path) -> pl.DataFrame:
    """Read one table, column by column: what decompressing needs on the way is then needed for one column only."""
    try:
        return pl.DataFrame([pl.read_ipc(path, columns=[name])[name] for name in pl.read_ipc_schema(path)])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UsageProblem(
            f"The history file {path} cannot be read: {error}.", mend="Run the trial again to make a new one."
        ) from error
