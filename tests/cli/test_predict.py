"""`ktrial run --predict` on a pseudo-terminal: asked before, revealed after, scored."""

from __future__ import annotations

import json
import os
import pty
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ktrial.cli.entry import enter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import FakeRunner


class Person:
    """Sits at a terminal and answers each question (a text that ends in `[h/b] `) with the next line."""

    def __init__(self, terminal: int) -> None:
        """Take a seat at the master side of a pseudo-terminal."""
        self.answers: list[str] = []
        self.seen = ""
        self._terminal = terminal
        self._thread = threading.Thread(target=self._sit, daemon=True)
        self._thread.start()

    def _sit(self) -> None:
        questions = 0
        while True:
            try:
                heard = os.read(self._terminal, 4096)
            except OSError:  # Linux says so when the other side is closed
                return
            if not heard:
                return
            self.seen += heard.decode("utf-8", errors="replace")
            while self.seen.count("[h/b] ") > questions:
                questions += 1
                os.write(self._terminal, self.answers.pop(0).encode())

    def leave(self) -> str:
        """Wait until the other side is closed; return everything that was to be seen."""
        self._thread.join(10)
        return self.seen


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Put a pseudo-terminal with a person at it in the place of all three streams."""
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    streams = {
        name: open(os.dup(slave), mode, encoding="utf-8", buffering=1)  # noqa: PTH123, SIM115 - of a descriptor
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
    }
    os.close(slave)
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    seated = Person(master)
    yield seated
    for stream in streams.values():
        stream.close()
    seated.leave()
    os.close(master)


def _end(person: Person) -> str:
    """Close our side and return what the person saw."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()
    return person.leave()


def _report(tmp_path: Path) -> dict[str, object]:
    (kept,) = tmp_path.glob("runs/*/report.json")
    report = json.loads(kept.read_text(encoding="utf-8"))
    assert isinstance(report, dict)
    return report


def test_predictions_are_scored_against_what_was_measured(
    person: Person, fake_runner: FakeRunner, tmp_path: Path
) -> None:
    """Each setting that has a prediction is asked for; the score is in the report and on the screen."""
    person.answers = ["b\n", "nonsense\n", "broken\n", "\n"]
    assert enter(["run", "--predict", "--runs", str(tmp_path / "runs")]) == 0
    seen = _end(person)
    assert fake_runner.asked is not None
    assert "acks=0? [h/b]" not in seen
    assert seen.index("acks=1? [h/b]") < seen.index("5 records are gone")
    assert "you said: broken: ✓ right" in seen
    assert "you said: broken: ✗ wrong" in seen
    assert "your score: 1 / 2" in seen
    score = _report(tmp_path)["score"]
    assert isinstance(score, dict)
    assert (score["right"], score["of"]) == (1, 2)
    assert score["answers"][1] == {
        "lab": "acks",
        "trial": "leader-dies",
        "setting": "acks=all",
        "said": "broken",
        "verdict": "held",
        "right": False,
    }


@pytest.mark.usefixtures("fake_runner")
def test_the_end_of_input_ends_the_questions_only(person: Person, tmp_path: Path) -> None:
    """Ctrl-D: no more questions, the run goes on."""
    person.answers = ["\x04"]
    assert enter(["run", "--predict", "--runs", str(tmp_path / "runs")]) == 0
    seen = _end(person)
    assert seen.count("[h/b]") == 1
    assert "as predicted: 3 / 3" in seen


@pytest.mark.usefixtures("fake_runner")
def test_a_terminal_gets_signs_words_and_a_table(person: Person, tmp_path: Path) -> None:
    """Colours are drawn, and each verdict is a word and a sign as well."""
    assert enter(["run", "acks", "--runs", str(tmp_path / "runs")]) == 0
    seen = _end(person)
    assert "\x1b[" in seen
    assert "✗ broken" in seen
    assert "✓ held" in seen
    assert "│ predicted" in seen or "┃ predicted" in seen


@pytest.mark.usefixtures("fake_runner")
def test_no_colour_where_none_is_wanted(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR leaves the words and signs."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert enter(["run", "acks", "--runs", str(tmp_path / "runs")]) == 0
    seen = _end(person)
    assert "\x1b[32m" not in seen
    assert "\x1b[1;32m" not in seen
    assert "✓ held" in seen


@pytest.mark.usefixtures("fake_runner")
def test_a_dumb_terminal_gets_plain_lines(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TERM=dumb: no control sequences at all."""
    monkeypatch.setenv("TERM", "dumb")
    assert enter(["run", "acks", "--runs", str(tmp_path / "runs")]) == 0
    assert "\x1b" not in _end(person)
