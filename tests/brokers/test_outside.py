"""What happens from outside: a broker that somebody else kills, and ends of ktrial itself that are not orderly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ktrial.children import sweep
from ktrial.children.reap import SESSION_VARIABLE, members_of
from ktrial.feed import Feed
from ktrial.judges import nothing_lost
from ktrial.lab import Lab, trial
from ktrial.runner import RunOptions, run
from ktrial.stage import Stage, Topic
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Text

pytestmark = pytest.mark.brokers

ORDERS = Topic("orders", partitions=1, replicas=3, min_in_sync=2)
NOBODY = Text(ko="시험", en="test")
LIMIT_S = 90.0


def _killer_of_leaders(stage: Stage, place: str) -> None:
    """Send under load while somebody outside kills the leader by its pid; go on or end as the setting says."""
    leader = stage.leader_of(ORDERS)
    with stage.producing(ORDERS) as producer, producer.load(per_s=200, at_most=20_000):
        producer.await_acknowledged(20)
        if place != "nothing":
            os.kill(_pid_of(f"node-{leader}"), signal.SIGKILL)
            stage.wait_for_leader(ORDERS, other_than=leader)
        producer.await_acknowledged(20)
    if place == "under load":
        stage.heal()
    stage.read_to_end(ORDERS)


def _pid_of(node: str) -> int:
    """Return the pid of a node of ours, found as an outsider would: in the process list."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(SESSION_VARIABLE) and process.cwd().endswith(node)
        except (psutil.Error, OSError):
            continue
        if ours and _is_child_of_this(process):
            found.append((process.create_time(), process.pid))
    return max(found)[
        1
    ]  # other tests' clusters may be up: the newest is the one of this run; pids wrap around


def _is_child_of_this(process: psutil.Process) -> bool:
    return os.getpid() in [parent.pid for parent in process.parents()]


def test_a_broker_killed_from_outside_is_never_held_by_luck(tmp_path: Path) -> None:
    """The settings with the foreign kill are inconclusive and say so; the one after them gets a whole cluster."""
    made = trial(
        question=NOBODY,
        varies="the place",
        predict={"under load": HELD, "before the final read": HELD, "nothing": BROKEN},
        judge=nothing_lost(),
    )(_killer_of_leaders)
    lab = Lab(99, "outside", NOBODY, (made,))
    result = run([(lab, lab.trials)], RunOptions(tmp_path), Feed())
    verdicts = [setting.judgement.verdict for setting in result.settings]
    assert verdicts == [INCONCLUSIVE, INCONCLUSIVE, HELD]
    assert "died" in result.settings[0].judgement.summary.en
    assert result.exit_status == 1  # the last setting's prediction was wrong on purpose


def _started(tmp_path: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start `ktrial run acks` in a process of its own; return it and its session once four nodes run."""
    program = subprocess.Popen(
        [sys.executable, "-m", "ktrial", "run", "acks", "--runs", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        for child in psutil.Process(program.pid).children():
            try:
                session = child.environ().get(SESSION_VARIABLE)
            except psutil.Error:
                continue
            if session and len(members_of(session)) >= 6:  # four nodes, the links, a client
                return program, session
        time.sleep(0.1)
    program.kill()
    pytest.fail("no cluster came up")


def _gone(session: str) -> bool:
    return not members_of(session)


def _await(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)
def test_however_ktrial_ends_no_process_is_left(number: signal.Signals, tmp_path: Path) -> None:
    """After SIGINT, SIGTERM and SIGKILL of ktrial no node, relay or client lives on; a signal saves what there is."""
    program, session = _started(tmp_path)
    program.send_signal(number)
    _, told = program.communicate(timeout=LIMIT_S)
    assert _await(lambda: _gone(session)), members_of(session)
    if number is signal.SIGKILL:
        assert program.returncode == -signal.SIGKILL
    else:
        assert program.returncode == 130, told
        assert list(tmp_path.glob("*/report.json")), "what there is was saved"


def test_the_next_start_sweeps_up_when_the_warden_was_killed_too(tmp_path: Path) -> None:
    """A kill -9 of ktrial and of its warden leaves orphans, which end with the next start of any ktrial."""
    program, session = _started(tmp_path)
    wardens = [
        child
        for child in psutil.Process(program.pid).children()
        if "ktrial.children.warden" in child.cmdline()
    ]
    assert len(wardens) == 1
    for process in (*wardens, psutil.Process(program.pid)):
        process.kill()
    program.communicate(timeout=LIMIT_S)
    assert members_of(session), "orphans are there to be swept"
    assert sweep() > 0
    assert _gone(session)


def test_two_runs_side_by_side_do_not_meet(tmp_path: Path) -> None:
    """Each run has its own ports, folder and cluster: both boot, and ending one leaves the other alone."""
    first, first_session = _started(tmp_path / "a")
    second, second_session = _started(tmp_path / "b")
    assert first_session != second_session
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=LIMIT_S)
    assert _await(lambda: _gone(second_session))
    assert not _gone(first_session)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=LIMIT_S)
    assert _await(lambda: _gone(first_session))
