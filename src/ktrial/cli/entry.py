"""From arguments to an exit status: finds the command, and turns every end into its status and one sentence.

Commands are imported when they are asked for, so that `--help` answers at once.

    0 all as predicted, or held      64 bad arguments or a broken file
    1 some verdict differs, broken   70 our own fault
    2 inconclusive                  130 interrupted
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final

from ktrial import __version__
from ktrial.cli import signals
from ktrial.errors import KtrialError, UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OWN_FAULT: Final = 70
INTERRUPTED: Final = 130
DEBUG: Final = "KTRIAL_DEBUG"

COMMANDS: Final = {
    "run": ("ktrial.cli.run", "run", "put labs and trials on real brokers, and judge them"),
    "list": ("ktrial.cli.course", "list_course", "the course: labs, trials, how many settings"),
    "show": ("ktrial.cli.course", "show", "one lab's lesson and its trials"),
    "judge": ("ktrial.cli.histories", "judge", "judge a history that anyone has written down"),
    "history": ("ktrial.cli.histories", "history", "history export RUN: a run's history as NDJSON"),
    "report": ("ktrial.cli.report", "report", "report RUN: its report.html and report.md made again"),
    "runs": ("ktrial.cli.runs", "runs", "the kept runs; runs prune deletes old ones"),
    "doctor": ("ktrial.cli.doctor", "doctor", "what this machine has and lacks"),
    "test": ("ktrial.cli.develop", "test", "for developers: lint and all tests (--fast: without brokers)"),
    "lint": ("ktrial.cli.develop", "lint", "for developers: the checks of the house"),
    "bench": ("ktrial.cli.develop", "bench", "for developers: the benchmarks"),
}

HELP: Final = f"""\
ktrial puts Kafka on trial: real brokers, injected faults, a verdict with its evidence.

usage: ktrial COMMAND [ARGUMENTS]

{chr(10).join(f"  {name:<8} {about}" for name, (_, _, about) in COMMANDS.items())}

  ktrial COMMAND --help    what a command takes
  ktrial --version

Start with `ktrial run acks`. Language: --lang ko|en, KTRIAL_LANG, or the locale.
Exit status: 0 as predicted or held, 1 differs or broken, 2 inconclusive, 64 bad arguments,
70 our own fault, 130 interrupted. {DEBUG}=1 shows tracebacks.
"""


def enter(arguments: Sequence[str]) -> int:
    """Do what the arguments say; return the exit status. People get a sentence, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a locale that lacks a letter is no reason to fail
    try:
        with signals.heeded():
            status = _command(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        return _unread()
    except KtrialError as problem:
        if isinstance(problem.__cause__, BrokenPipeError):
            return _unread()
        _debug()
        return _sorry(str(problem), problem.exit_status)
    except KeyboardInterrupt:
        _debug()
        return _sorry("Interrupted.", INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the one place where whatever went wrong becomes a sentence
        _debug()
        return _sorry(_own_fault(error), OWN_FAULT)
    return status


def _command(arguments: list[str]) -> int:
    name, *rest = arguments or ["--help"]
    if name in {"--help", "-h", "help"}:
        sys.stdout.write(HELP)
        return 0
    if name == "--version":
        sys.stdout.write(f"ktrial {__version__}\n")
        return 0
    if name not in COMMANDS:
        mend = nearest(name, COMMANDS) or "`ktrial --help` lists them."
        raise UsageProblem(f"There is no command {name!r}.", mend=mend)
    module, function, _ = COMMANDS[name]
    command = getattr(importlib.import_module(module), function)
    return int(command(rest))


def _unread() -> int:
    """Leave quietly: the reader of our output has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _sorry(sentence: str, status: int) -> int:
    try:
        sys.stderr.write(f"ktrial: {sentence}\n")
        sys.stderr.flush()
    except OSError:
        return status
    return status


def _debug() -> None:
    if os.environ.get(DEBUG) == "1":
        traceback.print_exc()


def _own_fault(error: Exception) -> str:
    """Return the sentence for an unexpected error, whose traceback is kept in a file."""
    told = f"{type(error).__name__}: {error}".splitlines()[0]
    kept = _keep_traceback()
    where = f"the traceback is in {kept}" if kept else f"{DEBUG}=1 shows the traceback"
    return f"This is a fault of ktrial itself ({told}). Please report it; {where}."


def _keep_traceback() -> Path | None:
    from ktrial.environment import cache_folder  # noqa: PLC0415 - needed when all else failed only

    try:
        folder = cache_folder() / "tracebacks"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        file.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return None
    return file
