"""`ktrial run --predict` on a pseudo-terminal: asked before, revealed after, scored."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ktrial.cli.entry import enter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import FakeRunner


class Person:
    """Sits at a terminal and answers each question (a text that ends in `[h/b] `) with the next line."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Get a terminal of a common kind."""
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.delenv("NO_COLOR", raising=False)
        self.answers: list[str] = []
        self._monkeypatch = monkeypatch
        self._seen = ""

    def runs(self, *arguments: str) -> tuple[int, str]:
        """Run ktrial on a pseudo-terminal; return the exit status and everything that was to be seen."""
        master, slave = pty.openpty()
        watching = threading.Thread(target=self._watch, args=(master,), daemon=True)
        watching.start()
        with contextlib.ExitStack() as streams:
            for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
                stream = open(os.dup(slave), mode, encoding="utf-8", buffering=1)  # noqa: PTH123, SIM115 - a descriptor
                self._monkeypatch.setattr(sys, name, streams.enter_context(stream))
            os.close(slave)
            status = enter(arguments)
        watching.join(10)
        os.close(master)
        return status, self._seen

    def _watch(self, terminal: int) -> None:
        questions = 0
        while True:
            try:
                heard = os.read(terminal, 4096)
            except OSError:  # so says Linux when the other side is closed
                return
            if not heard:
                return
            self._seen += heard.decode("utf-8", errors="replace")
            while self._seen.count("[h/b] ") > questions:
                questions += 1
                os.write(terminal, self.answers.pop(0).encode())


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    """Somebody who will sit at a terminal."""
    return Person(monkeypatch)


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
    status, seen = person.runs("run", "--predict", "--runs", str(tmp_path / "runs"))
    assert status == 0
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
    status, seen = person.runs("run", "--predict", "--runs", str(tmp_path / "runs"))
    assert status == 0
    assert seen.count("[h/b]") == 1
    assert "as predicted: 3 / 3" in seen


@pytest.mark.usefixtures("fake_runner")
def test_a_terminal_gets_signs_words_and_a_table(person: Person, tmp_path: Path) -> None:
    """Colours are drawn, and each verdict is a word and a sign as well."""
    status, seen = person.runs("run", "acks", "--runs", str(tmp_path / "runs"))
    assert status == 0
    assert "\x1b[" in seen
    assert "✗ broken" in seen
    assert "✓ held" in seen
    assert "┃" in seen


@pytest.mark.usefixtures("fake_runner")
def test_no_colour_where_none_is_wanted(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR leaves the words and signs."""
    monkeypatch.setenv("NO_COLOR", "1")
    status, seen = person.runs("run", "acks", "--runs", str(tmp_path / "runs"))
    assert status == 0
    assert "\x1b[32m" not in seen
    assert "\x1b[1;32m" not in seen
    assert "✓ held" in seen


@pytest.mark.usefixtures("fake_runner")
def test_a_dumb_terminal_gets_plain_lines(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TERM=dumb: no control sequences at all."""
    monkeypatch.setenv("TERM", "dumb")
    status, seen = person.runs("run", "acks", "--runs", str(tmp_path / "runs"))
    assert status == 0
    assert "\x1b" not in seen
