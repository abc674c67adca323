"""Runs on disk: names, safe writes, and finding a run again."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ktrial import store
from ktrial.errors import MachineProblem, UsageProblem
from ktrial.store import RunFolder, all_runs, create_run, find_run, safe_name

if TYPE_CHECKING:
    from collections.abc import Callable


def _kept(runs: Path, name: str) -> RunFolder:
    """Make a run that has a report."""
    run = create_run(runs, name)
    run.write_report({"labs": []})
    return run


def test_two_runs_of_one_second_get_two_folders(tmp_path: Path) -> None:
    """A run never writes into the folder of another."""
    made = {create_run(tmp_path / "runs", "acks").path for _ in range(5)}
    assert len(made) == 5
    assert all(path.parent == (tmp_path / "runs").resolve() for path in made)


def test_a_runs_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """Where no folder can be made, the complaint names it and --runs."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(UsageProblem, match="--runs"):
        create_run(tmp_path / "runs", "acks")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_runs_folder_is_refused(tmp_path: Path) -> None:
    """Where nothing may be written, the run ends before it began."""
    tmp_path.chmod(0o500)
    with pytest.raises(UsageProblem, match="cannot be written"):
        create_run(tmp_path, "acks")


def _refuse(number: int) -> Callable[[Path, bytes], None]:
    def refused(_target: Path, _content: bytes) -> None:
        raise OSError(number, os.strerror(number))

    return refused


def test_a_full_disk_is_said_to_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left is a lack of the machine, not a fault of the program."""
    run = create_run(tmp_path, "acks")
    monkeypatch.setattr(store, "write_whole", _refuse(errno.ENOSPC))
    with pytest.raises(MachineProblem, match="No space left"):
        run.write_report({})
    with pytest.raises(MachineProblem, match="No space left"):
        create_run(tmp_path, "acks")


def test_a_refused_report_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves neither half a file nor rubbish beside it."""
    run = create_run(tmp_path, "acks")
    run.write_report({"n": 1})

    def refuse(_path: Path, _target: Path) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(MachineProblem, match="broken disk"):
        run.write_report({"n": 2})
    assert run.read_report() == {"n": 1}
    assert [path.name for path in run.path.iterdir()] == ["report.json"]


def test_the_report_keeps_korean_readable(tmp_path: Path) -> None:
    """A report is UTF-8 text that a person may read."""
    run = create_run(tmp_path, "acks")
    path = run.write_report({"ko": "승인"})
    assert "승인" in path.read_text(encoding="utf-8")
    assert json.loads(path.read_bytes()) == {"ko": "승인"}


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_broken_report_is_named(tmp_path: Path, content: str) -> None:
    """A report that is no report is a clear error."""
    run = create_run(tmp_path, "acks")
    (run.path / "report.json").write_text(content)
    with pytest.raises(UsageProblem, match=r"report\.json"):
        run.read_report()


@pytest.mark.parametrize(
    "setting", ["../../../etc", "a/b", "", ".", "한글 설정", "x" * 300, "acks=all, min=1"]
)
def test_a_history_stays_inside_its_run(tmp_path: Path, setting: str) -> None:
    """Whatever a setting is called, its history is three folders below `history`."""
    run = create_run(tmp_path, "acks")
    folder = run.history("acks", "some-trial", setting)
    assert folder.is_dir()
    assert len(Path(run.relative(folder)).parts) == 4
    assert run.relative(folder).startswith("history/acks/some-trial/")


def test_histories_are_those_with_files(tmp_path: Path) -> None:
    """A setting's folder in which nothing was saved is no history."""
    run = create_run(tmp_path, "acks")
    run.history("acks", "t", "acks=0")
    (run.history("acks", "t", "acks=1") / "calls.arrow").write_bytes(b"")
    assert [kept.place for kept in run.histories()] == ["acks/t/acks=1"]


def test_runs_are_found_by_name_path_and_last(tmp_path: Path) -> None:
    """The last run is the latest, also of one second; a path needs no runs folder."""
    first, second = _kept(tmp_path, "acks"), _kept(tmp_path, "acks")
    os.utime(first.path, (1, 1))
    assert [run.path for run in all_runs(tmp_path)] == [first.path, second.path]
    assert find_run("last", tmp_path) == second
    assert find_run(first.path.name, tmp_path) == first
    assert find_run(str(first.path), tmp_path / "elsewhere") == first


def test_an_unknown_run_is_answered_with_the_nearest(tmp_path: Path) -> None:
    """A typo in a run's name gets an offer; an empty folder gets told how to begin."""
    run = _kept(tmp_path, "acks")
    with pytest.raises(UsageProblem, match=run.path.name):
        find_run(run.path.name[:-1] + "x", tmp_path)
    with pytest.raises(UsageProblem, match="no run"):
        find_run("last", tmp_path / "none")


def test_names_of_files_are_never_hidden_or_empty() -> None:
    """What is left of a name may be used as one."""
    assert safe_name("..") == "unnamed"
    assert safe_name(".hidden") == "hidden"
    assert safe_name("acks=all, x/y") == "acks=all,-x-y"
