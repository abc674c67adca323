"""Runs on disk: one folder per run, written so that a reader never sees half a file.

    runs/<YYYYmmdd-HHMMSS>-<name>/
        report.json  junit.xml
        history/<lab>/<trial>/<setting>/    the compact history of one run of one setting
        logs/                               of brokers and clients

Knows names, folders and safe writing only; what is in the files is other modules' business.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ktrial.errors import KtrialError, MachineProblem, UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_RUNS = Path("runs")
REPORT, JUNIT, HISTORY, LOGS = "report.json", "junit.xml", "history", "logs"
HISTORY_SUFFIX = ".arrow"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
MOST_FOLDERS_A_SECOND = 1000
LONGEST_NAME = 80
BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own are


@dataclass(frozen=True, slots=True)
class KeptHistory:
    """Where the history of one setting is; `place` is `lab/trial/setting` as the folders are called."""

    place: str
    folder: Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder; every write into it is whole or not there."""

    path: Path

    @property
    def logs(self) -> Path:
        """The folder for logs, made when asked for."""
        return self._made(self.path / LOGS)

    def history(self, lab: str, trial: str, setting: str) -> Path:
        """Return the folder for the history of one setting; it is made."""
        return self._made(self.path.joinpath(HISTORY, *map(safe_name, (lab, trial, setting))))

    def relative(self, path: Path) -> str:
        """Return a path inside the folder as the report names it: relative, with slashes."""
        return path.relative_to(self.path).as_posix()

    def write_text(self, name: str, text: str) -> Path:
        """Write a file of the run in one step; raises MachineProblem when the disk refuses."""
        target = self.path / name
        with _refusals(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, text.encode())
        return target

    def write_report(self, report: Mapping[str, object]) -> Path:
        """Write report.json; raises MachineProblem when the disk refuses."""
        return self.write_text(REPORT, json.dumps(report, ensure_ascii=False, indent=2) + "\n")

    def read_report(self) -> dict[str, object]:
        """Return report.json; raises UsageProblem when it is missing or broken."""
        path = self.path / REPORT
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageProblem(
                f"The report {path} cannot be read: {error}.", mend="Name another run, or run it again."
            ) from error
        if not isinstance(report, dict):
            raise UsageProblem(f"The report {path} is not a report.", mend="Name another run.")
        return report

    def histories(self) -> tuple[KeptHistory, ...]:
        """Return the kept histories, ordered by their places."""
        root = self.path / HISTORY
        folders = sorted(folder for folder in root.glob("*/*/*") if holds_history(folder))
        return tuple(KeptHistory(folder.relative_to(root).as_posix(), folder) for folder in folders)

    def size_bytes(self) -> int:
        """Return how many bytes all its files hold."""
        return tree_bytes(self.path)

    def _made(self, folder: Path) -> Path:
        with _refusals(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def create_run(runs: Path, name: str) -> RunFolder:
    """Make the folder of a new run, another one even if several start in the same second.

    Raises UsageProblem when `runs` cannot be written, and MachineProblem when the disk is full.
    """
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{safe_name(name)}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for number in range(1, MOST_FOLDERS_A_SECOND):
            folder = runs / (stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            write_whole(folder / REPORT, b"")  # a folder may be made where no file can be written
            (folder / REPORT).unlink()
            return RunFolder(folder.resolve())
    except OSError as error:
        if error.errno in FULL:
            raise _full(runs) from error
        raise UsageProblem(
            f"The folder for runs {runs} cannot be written: {error.strerror or error}.",
            mend="Name one that can: --runs DIR.",
        ) from error
    raise KtrialError(f"There are {MOST_FOLDERS_A_SECOND} folders {stem} in {runs} already.")


def find_run(asked: str, runs: Path) -> RunFolder:
    """Return a kept run by its path, its name in `runs`, or `last`; raises UsageProblem for another."""
    known = all_runs(runs)
    if asked == "last":
        if known:
            return known[-1]
        raise UsageProblem(
            f"There is no run in {runs} yet.", mend="Start one (ktrial run), or name its folder by --runs."
        )
    for path in (Path(asked), runs / asked):
        if path.is_dir() and _is_run(path):
            return RunFolder(path.resolve())
    mend = nearest(asked, [run.path.name for run in known]) or "Name a run's folder, or `last`."
    raise UsageProblem(f"{asked} is no run in {runs}, nor a run's folder.", mend=mend)


def all_runs(runs: Path) -> list[RunFolder]:
    """Return the runs kept in a folder, oldest first; none when there is no such folder."""
    if not runs.is_dir():
        return []
    found = [path for path in runs.iterdir() if path.is_dir() and _is_run(path)]
    return [RunFolder(path.resolve()) for path in sorted(found, key=_age)]


def safe_name(text: str) -> str:
    """Return text as the name of one file: letters, digits and `._=+,-`; never empty, hidden or too long."""
    return re.sub(r"[^\w.=+,-]+", "-", text).strip(".-")[:LONGEST_NAME] or "unnamed"


def write_whole(target: Path, content: bytes) -> None:
    """Put a file in its place in one step; a reader sees the old one or the new one. Raises OSError."""
    aside = target.with_name(f".{uuid.uuid4().hex}")
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def tree_bytes(folder: Path) -> int:
    """Return how many bytes of disk the files below a folder take; a file that goes meanwhile counts nothing."""
    total = 0
    for where, _, names in os.walk(folder):  # rglob raises where a folder goes meanwhile
        for name in names:
            with suppress(OSError):
                total += (Path(where) / name).lstat().st_blocks * BLOCK_BYTES
    return total


def holds_history(folder: Path) -> bool:
    """Whether a folder holds the compact files of a history."""
    return any(folder.glob(f"*{HISTORY_SUFFIX}"))


def _is_run(path: Path) -> bool:
    return (path / REPORT).is_file() or (path / HISTORY).is_dir()


def _age(path: Path) -> tuple[str, float, str]:
    """Order by the second in the name, then by when it was made: of one second, the later is the last."""
    return path.name[:15], path.stat().st_mtime, path.name


@contextmanager
def _refusals(target: Path) -> Iterator[None]:
    """Turn what the disk refuses into MachineProblem."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise _full(target.parent) from error
        raise MachineProblem(
            f"{target} could not be written: {error.strerror or error}.",
            mend="See to the folder, or name another: --runs DIR.",
        ) from error


def _full(folder: Path) -> MachineProblem:
    return MachineProblem(
        f"No space left on the disk of {folder}.", mend="Make room, or name another disk: --runs DIR."
    )
