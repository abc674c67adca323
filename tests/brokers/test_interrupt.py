"""Ctrl-C in the middle of each kind of wait: the run heals, saves what there is, leaves nothing, and exits with 130."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.brokers

PROGRAM = """
import os, signal, sys
from pathlib import Path
from ktrial.feed import Feed
from ktrial.labs import LABS
from ktrial.runner import RunOptions, run
from ktrial.cli.signals import heeded

kind, words, runs = sys.argv[1:]
lab = next(lab for lab in LABS if lab.name == "acks")
trials = [trial for trial in lab.trials if trial.name == "leader-dies-unreplicated"]

def listen(event):
    if event.kind == kind and words in str(event.fields.get("what", "")):
        os.kill(os.getpid(), signal.SIGINT)

feed = Feed()
feed.listen(listen)
with heeded():
    result = run([(lab, trials)], RunOptions(Path(runs)), feed)
print(result.folder)
sys.exit(result.exit_status)
"""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("booting", ""),
        ("awaiting", "pause to land"),
        ("awaiting", "no fetch to wait"),
        ("awaiting", "records in the leaders' logs"),
        ("awaiting", "a leader of"),
        ("awaiting", "an outcome of every record"),
        ("awaiting", "all brokers registered"),
        ("awaiting", "the final read"),
    ],
)
def test_an_interrupt_ends_any_wait(kind: str, words: str, tmp_path: Path) -> None:
    """130, a report that says so, the history of what was being played, and no process left."""
    marked = {**os.environ, "KTRIAL_TEST_MARK": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, words, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env=marked,
    )
    assert done.returncode == 130, done.stderr
    folder = Path(done.stdout.strip())
    assert json.loads((folder / "report.json").read_text())["interrupted"] is True
    assert bool(list(folder.glob("history/*/*/*/*.arrow"))) == (kind != "booting")
    assert not list(folder.glob("history/*/*/*/journal"))
    assert _marked(str(tmp_path)) == []


def _marked(mark: str) -> list[str]:
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("KTRIAL_TEST_MARK") == mark:
                left.append(" ".join(process.cmdline())[-120:])
        except psutil.Error:
            continue
    return left
