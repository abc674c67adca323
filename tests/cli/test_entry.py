"""The way in and out of the program: commands, exit statuses, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ktrial import __version__
from ktrial.cli import entry, signals
from ktrial.cli.arguments import default_language
from ktrial.cli.entry import enter
from ktrial.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

    from ktrial.verdict import Language


def _program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real program in a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "ktrial", *arguments],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
    )


def test_help_and_version_answer_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing at all is a call for help."""
    assert enter([]) == enter(["--help"]) == 0
    assert enter(["--version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ktrial puts Kafka on trial")
    assert out.endswith(f"ktrial {__version__}\n")


@pytest.mark.parametrize("command", sorted(set(entry.COMMANDS) - {"test", "lint", "bench"}))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help leaves with 0, as everywhere."""
    try:
        status = enter([command, "--help"])
    except SystemExit as left:
        status = int(left.code or 0)
    assert status == 0
    assert f"usage: ktrial {command}" in capsys.readouterr().out


def test_an_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 64 and an offer."""
    assert enter(["rnu"]) == 64
    assert capsys.readouterr().err == "ktrial: There is no command 'rnu'. Did you mean run?\n"


def test_our_own_fault_is_one_sentence_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 70; the traceback is kept aside, and shown where KTRIAL_DEBUG asks for it."""
    monkeypatch.setenv("KTRIAL_CACHE", str(tmp_path))
    monkeypatch.delenv("KTRIAL_DEBUG", raising=False)
    monkeypatch.setattr(entry, "_command", lambda _arguments: 1 // 0)
    assert enter(["run"]) == 70
    err = capsys.readouterr().err
    (kept,) = (tmp_path / "tracebacks").iterdir()
    assert str(kept) in err
    assert "Traceback" not in err
    assert "ZeroDivisionError" in kept.read_text()
    monkeypatch.setenv("KTRIAL_DEBUG", "1")
    assert enter(["run"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_outside_of_a_run_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One word, no traceback."""

    def interrupted(_arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_command", interrupted)
    assert enter(["doctor"]) == 130
    assert capsys.readouterr().err == "ktrial: Interrupted.\n"


def test_only_the_first_signal_interrupts(capfd: pytest.CaptureFixture[str]) -> None:
    """Cleaning up is not disturbed by impatience; further signals get an answer."""
    before = signal.getsignal(signal.SIGTERM)
    with signals.heeded():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert capfd.readouterr().err.count("still healing") == 2
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"KTRIAL_LANG": "en", "LANG": "ko_KR.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "ko_KR.UTF-8"}, "en"),
        ({"LC_ALL": "ko_KR.EUC-KR"}, "ko"),
        ({}, "en"),
    ],
)
def test_the_language_comes_from_the_locale(
    environment: dict[str, str], language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KTRIAL_LANG wins, then the locale as POSIX orders it, then English."""
    for name in ("KTRIAL_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_language() == language


def test_an_unknown_language_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """KTRIAL_LANG=fr is a mistake worth telling."""
    monkeypatch.setenv("KTRIAL_LANG", "fr")
    with pytest.raises(UsageProblem, match="ko or en"):
        default_language()


def test_the_real_program_lists_and_refuses() -> None:
    """`python -m ktrial` is the same program: results on stdout, complaints on stderr."""
    listed = _program("list", KTRIAL_LANG="ko")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "acks" in listed.stdout
    refused = _program("show", "nosuchlab")
    assert refused.returncode == 64
    assert refused.stdout == ""
    assert "nosuchlab" in refused.stderr


def test_a_locale_that_lacks_letters_is_no_reason_to_fail() -> None:
    """An ASCII terminal gets question marks, not a traceback."""
    listed = _program("list", "--lang", "ko", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (listed.returncode, listed.stderr) == (0, "")


def test_a_reader_that_leaves_is_met_with_silence() -> None:
    """`ktrial show acks | head -1` prints no complaint."""
    with subprocess.Popen(
        [sys.executable, "-m", "ktrial", "show", "acks"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
