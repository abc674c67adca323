"""`ktrial run` with a runner that starts nothing: what is printed where, and the exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ktrial.cli.entry import enter
from ktrial.errors import MachineProblem
from ktrial.verdict import HELD, INCONCLUSIVE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import FakeRunner


def _runs(tmp_path: Path) -> list[str]:
    return ["--runs", str(tmp_path / "runs")]


def test_a_pipe_gets_plain_lines(
    fake_runner: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each setting has its verdict as a word and a sign, its prediction and its sentence; nothing is coloured."""
    assert enter(["run", "acks", *_runs(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    lines = out.splitlines()
    assert lines[0] == "lab 3 acks: Acknowledgements"
    assert lines[1] == "  leader-dies: Is it lost in leader-dies?"
    assert lines[2] == "    ✗ broken  acks=1  (predicted broken: as predicted, 0.2 s)"
    assert lines[3] == "        5 records are gone."
    assert "        Record 117 is gone" in lines
    assert "    ✓ held  acks=0  (only measured, 0.2 s)" in lines
    assert "as predicted: 2 / 2" in lines
    assert "  kafka-topics --list" in lines
    assert "Kafka: 57 / 57 MB" in err
    assert fake_runner.asked is not None
    assert fake_runner.asked.seed == 7


def test_korean_is_spoken_where_asked_for(
    fake_runner: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--lang ko: questions, verdicts and sentences are Korean, the contract's word stays."""
    assert enter(["run", "leader-dies", "--lang", "ko", *_runs(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "✗ broken 깨짐  acks=1  (예측 broken 깨짐: 예측대로" in out
    assert "5개가 사라졌습니다." in out
    assert fake_runner.asked is not None
    assert fake_runner.asked.language == "ko"


def test_json_is_all_that_json_prints(
    fake_runner: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output is the report and nothing else, and the same as report.json; stderr is silent in a pipe."""
    assert enter(["run", "--json", "--seed", "11", *_runs(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (kept,) = (tmp_path / "runs").glob("*/report.json")
    assert json.loads(out) == json.loads(kept.read_text(encoding="utf-8"))
    assert json.loads(out)["seed"] == 11
    assert (kept.parent / "junit.xml").is_file()
    assert fake_runner.asked is not None


@pytest.mark.parametrize(
    ("verdict", "status", "said"), [(HELD, 1, "not as predicted"), (INCONCLUSIVE, 2, "doubt: a doubt")]
)
def test_what_differs_or_is_doubtful_shows_in_the_exit_status(
    fake_runner: FakeRunner,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verdict: str,
    status: int,
    said: str,
) -> None:
    """1 for another verdict than predicted, 2 for none."""
    fake_runner.verdicts["acks=1"] = type(HELD)(verdict)
    assert enter(["run", "acks", *_runs(tmp_path)]) == status
    assert said in capsys.readouterr().out


def test_an_interrupted_run_is_saved_and_says_so(
    fake_runner: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 130, and where everything is."""
    fake_runner.interrupted = True
    assert enter(["run", *_runs(tmp_path)]) == 130
    out, err = capsys.readouterr()
    assert "run folder:" in out
    assert "Interrupted" in err


def test_a_lack_of_the_machine_is_a_sentence(
    fake_runner: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, one sentence what and one what to do, no traceback."""
    fake_runner.raises = MachineProblem("No space left.", mend="Make room.")
    assert enter(["run", *_runs(tmp_path)]) == 2
    assert capsys.readouterr().err == "ktrial: No space left. Make room.\n"


def test_settings_are_passed_on_verbatim(fake_runner: FakeRunner, tmp_path: Path) -> None:
    """-X may be repeated; a value may hold an equals sign."""
    assert enter(["run", "-X", "acks=1", "-X", "a.b=c=d", *_runs(tmp_path)]) == 0
    assert fake_runner.asked is not None
    assert dict(fake_runner.asked.overrides) == {"acks": "1", "a.b": "c=d"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "akcs"], "Did you mean acks"),
        (["run", "--seed", "x"], "--seed"),
        (["run", "--seed", "-1"], "out of range"),
        (["run", "-X", "acks"], "name=value"),
        (["run", "--lang", "fr"], "--lang"),
        (["run", "--frobnicate"], "--frobnicate"),
        (["run", "--predict"], "terminal"),
    ],
)
@pytest.mark.usefixtures("fake_runner")
def test_bad_arguments_are_refused_before_anything_starts(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 64, one line on stderr, nothing on stdout."""
    assert enter(arguments) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
