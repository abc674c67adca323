"""`ktrial runs`: what is kept, and pruning, which happens only when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ktrial.cli.entry import enter
from ktrial.store import create_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kept(tmp_path: Path) -> list[str]:
    """Three runs with a report each, and a folder that is none of ours."""
    names = []
    for number in range(3):
        run = create_run(tmp_path / "runs", f"run-{number}")
        run.write_report({"number": number})
        names.append(run.path.name)
    (tmp_path / "runs" / "notes").mkdir()
    return names


def test_runs_are_listed_oldest_first(
    kept: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its size."""
    assert enter(["runs", "--runs", str(tmp_path / "runs")]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == kept


def test_pruning_keeps_the_newest_and_what_is_not_ours(kept: list[str], tmp_path: Path) -> None:
    """The oldest go; a folder that is no run stays."""
    assert enter(["runs", "prune", "--keep", "1", "--runs", str(tmp_path / "runs")]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted([kept[-1], "notes"])


@pytest.mark.parametrize("arguments", [["--keep", "1"], ["prune", "--keep", "-1"], ["shred"]])
def test_what_makes_no_sense_deletes_nothing(kept: list[str], arguments: list[str], tmp_path: Path) -> None:
    """Exit status 64, and everything is still there."""
    assert enter(["runs", *arguments, "--runs", str(tmp_path / "runs")]) == 64
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {*kept, "notes"}
