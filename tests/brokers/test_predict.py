"""`ktrial run --predict` in a terminal, on real brokers: question, answer, run, reveal, score."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.brokers


def test_a_student_predicts_and_is_scored(tmp_path: Path) -> None:
    """Each setting is asked for before it runs; one answer is right, the other wrong, and the score says so."""
    master, slave = pty.openpty()
    command = ["run", "same-key", "--predict", "--lang", "en", "--runs", str(tmp_path)]
    running = subprocess.Popen(
        [sys.executable, "-m", "ktrial", *command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "140"},
        start_new_session=True,
    )
    os.close(slave)
    seen = ""
    answers = ["h\n", "h\n"]
    while True:
        try:
            heard = os.read(master, 4096)
        except OSError:  # so says Linux when the other side is closed
            break
        if not heard:
            break
        seen += heard.decode("utf-8", errors="replace")
        while answers and seen.count("[h/b] ") > 2 - len(answers):
            os.write(master, answers.pop(0).encode())
    os.close(master)
    assert running.wait(60) == 0, seen
    asked, revealed = seen.rindex("[h/b] "), seen.index("you said")
    assert asked < revealed
    assert "you said: held: ✓ right" in seen
    assert "you said: held: ✗ wrong" in seen
    assert "your score: 1 / 2" in seen
    (report,) = tmp_path.glob("*/report.json")
    assert json.loads(report.read_text(encoding="utf-8"))["score"]["right"] == 1
