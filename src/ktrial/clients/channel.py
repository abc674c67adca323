"""How a client process is told what to do: JSON lines in on standard input, JSON lines out on standard output.

The first line in is the specification. Every later line is a command, `{"do": ..., "n": ...}`; its reply carries the
same `n` and says `did`, or `error`. Events carry `event` and no `n`. The end of standard input means: close and end.
Standard error is the log: `isolate` points everything that prints elsewhere at it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Self

from ktrial.errors import KtrialError, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Command = Mapping[str, Any]
"""One decoded line; what it must hold is checked by whoever carries it out."""


class Channel:
    """The two ends of a client process's conversation; any thread may speak."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        """Talk over two binary streams; `sink` must not be buffered."""
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()

    @classmethod
    def isolate(cls) -> Self:
        """Take standard input and output for the conversation, and leave standard error to everyone else.

        Also ignores SIGINT: a terminal's Ctrl-C is for the program that started us, which then tells us.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sink = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        return cls(sys.stdin.buffer, sink)

    def specification(self) -> Command:
        """Return the first line; raises UsageProblem when there is none or it is no JSON object."""
        return _decoded(self._source.readline())

    def commands(self) -> Iterator[Command]:
        """Yield command by command until the end of input; answers for itself a line that is no command."""
        for line in self._source:
            try:
                command = _decoded(line)
            except UsageProblem as problem:
                self._say({"error": str(problem)})
                continue
            yield command

    def reply(self, command: Command, **fields: object) -> None:
        """Say that a command was carried out."""
        self._say({"n": command.get("n"), "did": command.get("do"), **fields})

    def refuse(self, command: Command, error: str, **fields: object) -> None:
        """Say that a command was not, or not wholly, carried out, and why."""
        self._say({"n": command.get("n"), "do": command.get("do"), "error": error, **fields})

    def event(self, name: str, **fields: object) -> None:
        """Say that something happened that was not asked for."""
        self._say({"event": name, **fields})

    def _say(self, message: Mapping[str, object]) -> None:
        line = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError):  # whoever listened is gone: end of input follows
            self._sink.write(line)


def live(life: Callable[[Channel, Command], int]) -> None:
    """Run a client process from its specification to its end, and leave with its exit status.

    A problem of the project's own kind becomes the event `failed` with its sentence. Leaves by `os._exit`, because
    the library's own way out waits for brokers that may be dead.
    """
    channel = Channel.isolate()
    try:
        status = life(channel, channel.specification())
    except KtrialError as problem:
        channel.event("failed", error=str(problem))
        log(str(problem))
        status = problem.exit_status
    end_now(status)


def end_now(status: int) -> None:
    """End this process at once, with what was logged flushed."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(status)


def log(message: str) -> None:
    """Write one line to the process's log, which is standard error."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"ktrial: {message}\n")
        sys.stderr.flush()


def _decoded(line: bytes) -> Command:
    try:
        command = json.loads(line)
    except ValueError as error:
        raise UsageProblem(f"A line to a client process is no JSON: {error}.") from error
    if not isinstance(command, dict):
        raise UsageProblem("A line to a client process is no JSON object.")
    return command
