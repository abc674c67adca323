"""Compact files: what is saved is loaded, and damage is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.history.everything import full_history, same

from ktrial.errors import MachineProblem, UsageProblem
from ktrial.history.columns import TABLES
from ktrial.history.tables import History

if TYPE_CHECKING:
    from pathlib import Path


def test_every_table_comes_back(tmp_path: Path) -> None:
    """Saving and loading lose nothing, of any table."""
    full_history().save(tmp_path / "history")
    assert same(full_history(), History.load(tmp_path / "history"))


def test_tables_without_rows_leave_no_file(tmp_path: Path) -> None:
    """An empty table has no file, not even the one of an earlier history."""
    full_history().save(tmp_path)
    History.of(calls=full_history().calls).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["calls.arrow"]


def test_a_loaded_table_is_in_one_piece(tmp_path: Path) -> None:
    """A table comes back in one chunk, so that the judges look at it without a copy."""
    history = full_history()
    History(calls=pl.concat([history.calls, history.calls], rechunk=False)).save(tmp_path)
    assert History.load(tmp_path).calls.n_chunks() == 1


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """A file that cannot be read is an error that names it."""
    full_history().save(tmp_path)
    (tmp_path / "reads.arrow").write_bytes(b"ARROW1 no more")
    with pytest.raises(UsageProblem, match=r"reads\.arrow cannot be read"):
        History.load(tmp_path)


def test_a_folder_without_history_is_an_error(tmp_path: Path) -> None:
    """A folder without any table is no history."""
    with pytest.raises(UsageProblem, match="no history"):
        History.load(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """Saving into a place that cannot be a folder says so."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(MachineProblem, match="could not be saved"):
        full_history().save(tmp_path / "taken" / "history")


def test_histories_are_joined_row_by_row() -> None:
    """Concatenation keeps every row of every history, and tolerates empty ones."""
    joined = History.concat([full_history(), History(), full_history()])
    assert {name: frame.height for name, frame in joined.tables().items()} == {
        name: 2 * full_history().table(name).height for name in TABLES
    }
    assert History.concat([]).calls.is_empty()


def test_the_beginning_is_the_first_thing_of_any_kind() -> None:
    """A history begins with its earliest `t`, whatever happened then."""
    history = History.of(
        calls=pl.DataFrame({"t": [7], "actor": ["p"], "id": [1], "topic": ["orders"]}),
        brokers=pl.DataFrame({"t": [3], "actor": ["o"], "broker": [1], "state": ["running"]}),
    )
    assert (history.began_ns(), History().began_ns()) == (3, 0)
