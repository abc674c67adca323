"""A session's children end with it, however it ends; real processes, no Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ktrial.children import Session, sweep
from ktrial.children.reap import members_of
from ktrial.children.session import child_environment

LIMIT_S = 30.0
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
PROGRAM = """
import sys, time
from ktrial.children import Session
session = Session.open()
child = session.spawn("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])
print(session.id, child.pid, session._warden.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sessions of these tests apart from others."""
    monkeypatch.setenv("KTRIAL_CACHE", str(tmp_path / "cache"))


def _started() -> tuple[subprocess.Popen[str], str, int]:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=child_environment()
    )
    assert program.stdout
    session, _child, warden = program.stdout.readline().split()
    return program, session, int(warden)


def _await_none(session: str) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while members_of(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not members_of(session)


def _end(program: subprocess.Popen[str]) -> None:
    program.kill()
    program.communicate()


def test_closing_a_session_ends_its_children_and_removes_its_folder() -> None:
    """A child that would live on is gone after `close`, and so is the folder; a paused one, too."""
    session = Session.open()
    child = session.spawn("sleeper", SLEEPER)
    paused = session.spawn("paused", SLEEPER)
    paused.signal(signal.SIGSTOP)
    assert child.status() == "running"
    session.close()
    assert not child.alive
    assert not paused.alive
    assert not session.folder.exists()


def test_kill_9_of_the_program_ends_its_children() -> None:
    """Nobody is left to clean up but the warden, and it does."""
    program, session, _ = _started()
    _end(program)
    assert _await_none(session)


def test_the_next_start_ends_what_was_left_when_the_warden_is_dead_too(tmp_path: Path) -> None:
    """Program and warden both killed: the children live on until the next sweep, which also removes the folder."""
    program, session, warden = _started()
    os.kill(warden, signal.SIGKILL)
    _end(program)
    assert members_of(session)
    assert sweep() >= 1
    assert _await_none(session)
    assert not (tmp_path / "cache" / "sessions" / session).exists()


def test_a_sweep_leaves_living_sessions_alone() -> None:
    """A second ktrial beside the first does not take its children away."""
    program, session, _ = _started()
    try:
        assert sweep() == 0
        assert members_of(session)
    finally:
        _end(program)
    assert _await_none(session)


def test_a_pid_that_was_given_to_another_program_is_no_owner(tmp_path: Path) -> None:
    """The owner is told by pid and start time: a recycled pid does not keep a dead session."""
    folder = tmp_path / "cache" / "sessions" / "0123456789ab"
    folder.mkdir(parents=True)
    (folder / "owner.json").write_text(json.dumps({"pid": os.getpid(), "created": 1.0}))
    sweep()
    assert not folder.exists()
