"""A client process and its two pipes, for tests with and without brokers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ktrial.children.session import child_environment


class Talk:
    """One client process to talk to."""

    def __init__(self, module: str, specification: object) -> None:
        """Start it and give it its specification, JSON or any text."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"ktrial.clients.{module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
        )
        self.say(specification)

    def say(self, message: object) -> None:
        """Write one line."""
        assert self.process.stdin
        text = message if isinstance(message, str) else json.dumps(message)
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Return the next line; {} when there is none to come."""
        assert self.process.stdout
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or b"{}")
        return answer

    def ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Give a command and return the next line."""
        self.say({"do": do, **fields})
        return self.hear()

    def end(self) -> int:
        """Close standard input and return the exit status."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self.process.stdin.close()
        status = self.process.wait(20)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()
        return status


Starter = Callable[[str, object], Talk]


@pytest.fixture
def start() -> Iterator[Starter]:
    """Return a function that starts a client process; none outlives the test."""
    talks: list[Talk] = []

    def begin(module: str, specification: object) -> Talk:
        talks.append(Talk(module, specification))
        return talks[-1]

    yield begin
    for talk in talks:
        talk.process.kill()
        talk.end()
