"""A session: one life of the ktrial program, the processes it started and the folder they work in."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

import psutil

from ktrial.children.reap import SESSION_VARIABLE, reap
from ktrial.environment import cache_folder
from ktrial.errors import MachineProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OWNER_FILE = "owner.json"


@dataclass(slots=True)
class Child:
    """One child process in a process group of its own, so that a terminal's Ctrl-C reaches only ktrial."""

    name: str
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended; collects the exit status when it has."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended already is no error."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def status(self) -> str:
        """Return `running`, `paused` (stopped by SIGSTOP) or `ended`, as the kernel tells it."""
        if not self.alive:
            return "ended"
        with contextlib.suppress(psutil.Error):
            return "paused" if psutil.Process(self.pid).status() == psutil.STATUS_STOPPED else "running"
        return "ended"

    def wait(self, limit_s: float) -> bool:
        """Wait for its end; return whether it came within the limit."""
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL and collect."""
        self.signal(signal.SIGKILL)
        self.process.wait(10)


@dataclass(slots=True)
class Session:
    """All that this run of the program has started; `close` (or its death) ends every bit of it."""

    id: str
    folder: Path
    _warden: subprocess.Popen[bytes]
    _children: list[Child] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls) -> Self:
        """Sweep what dead sessions left, make this session's folder and start its warden.

        Raises MachineProblem when the cache folder cannot be written.
        """
        sweep()
        session_id = uuid.uuid4().hex[:12]
        folder = cache_folder() / "sessions" / session_id
        try:
            unnamed = folder.with_name(f".{session_id}")
            unnamed.mkdir(parents=True)
            (unnamed / OWNER_FILE).write_text(json.dumps(_identity(os.getpid())))
            unnamed.rename(folder)  # a folder with a session's name always says whose it is
        except OSError as error:
            what = f"The cache folder {cache_folder()} cannot be written: {error.strerror}."
            raise MachineProblem(what, mend="Make room there, or name another with KTRIAL_CACHE.") from error
        warden = subprocess.Popen(
            [sys.executable, "-m", "ktrial.children.warden", session_id, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            start_new_session=True,
        )
        return cls(session_id, folder, warden)

    def spawn(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = subprocess.DEVNULL,
        stderr: int | IO[bytes] | None = subprocess.DEVNULL,
    ) -> Child:
        """Start a process of this session in a process group of its own."""
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            env={**child_environment(), **(environment or {}), SESSION_VARIABLE: self.id},
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        child = Child(name, process)
        with self._lock:
            self._children = [known for known in self._children if known.alive] + [child]
        return child

    def close(self) -> None:
        """Kill what still lives, remove the folder, let the warden go."""
        with self._lock:
            children, self._children = self._children, []
        for child in children:
            child.signal(signal.SIGKILL)
        for child in children:
            child.wait(10)
        reap(self.id, self.folder)
        if self._warden.stdin:
            with contextlib.suppress(OSError):
                self._warden.stdin.close()
        self._warden.wait(30)


def child_environment() -> dict[str, str]:
    """Return our environment, with this very package first on the path of Python children."""
    source = str(Path(__file__).resolve().parents[2])
    earlier = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([source, *([earlier] if earlier else [])])}


def sweep() -> int:
    """End what sessions left whose program is gone (its warden killed as well); return how many processes."""
    killed = 0
    for folder in (cache_folder() / "sessions").glob("[!.]*/"):
        owner = None
        with contextlib.suppress(OSError, ValueError):
            owner = json.loads((folder / OWNER_FILE).read_text())
        if owner is None or owner != _identity(owner["pid"]):
            killed += reap(folder.name, folder)
    return killed


def _identity(pid: int) -> dict[str, float] | None:
    """Return what tells one process from a later one with the same pid, or None if there is none."""
    try:
        return {"pid": pid, "created": round(psutil.Process(pid).create_time(), 1)}
    except psutil.Error:
        return None
