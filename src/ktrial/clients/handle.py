"""The parent's side of a client process: start it, ask it, hear it, kill it."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any

from ktrial.errors import ClientDied, StageProblem, WaitTimedOut

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ktrial.children import Child, Session

READY_LIMIT_S = 20.0
LOOK_S = 0.1
HEAR_OUT_S = 5.0


class Asked:
    """A command that was given; `reply` waits for its answer."""

    def __init__(self, client: Client, what: str) -> None:
        """Belong to a client, and remember in words what was asked."""
        self._client = client
        self._what = what
        self._answer: dict[str, Any] | None = None
        self._come = threading.Event()

    def arrive(self, answer: dict[str, Any]) -> None:
        """Take the answer (the client's listening thread calls this)."""
        self._answer = answer
        self._come.set()

    def reply(self, limit_s: float) -> dict[str, Any]:
        """Return the answer. Raises WaitTimedOut, ClientDied, or StageProblem with the client's own words."""
        deadline = time.monotonic() + limit_s
        while not self._come.wait(LOOK_S):
            self._client.hear_out()
            if self._come.is_set():
                break
            self._client.check_alive()
            if time.monotonic() > deadline:
                raise WaitTimedOut(f"{self._client.actor} to {self._what}", limit_s, "no answer yet")
        assert self._answer is not None
        if "error" in self._answer:
            raise StageProblem(f"{self._client.actor} could not {self._what}: {self._answer['error']}")
        return self._answer


class Client:
    """One running client process; its standard error is kept in `log`."""

    def __init__(self, session: Session, module: str, specification: Mapping[str, Any], log: Path) -> None:
        """Start `python -m ktrial.clients.<module>` with its specification as the first line."""
        self.actor = str(specification["actor"])
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._log = log
        with log.open("ab") as file:
            self.child: Child = session.spawn(
                self.actor,
                [sys.executable, "-m", f"ktrial.clients.{module}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        self._lock = threading.Lock()
        self._asked: dict[int, Asked] = {}
        self._number = 0
        self._failure = ""
        self._closing = False
        self._ready = threading.Event()
        self.first = Asked(self, f"do the work of a {module}")
        if "n" in specification:  # a process that does one thing answers its specification
            self._asked[int(specification["n"])] = self.first
        self._write(specification)
        self._listener = threading.Thread(target=self._listen, name=f"{self.actor}-ears", daemon=True)
        self._listener.start()

    def await_ready(self) -> None:
        """Wait until the process has said that it is ready. Raises ClientDied, WaitTimedOut."""
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._ready.wait(LOOK_S / 2):
            self.check_alive()
            if time.monotonic() > deadline:
                raise WaitTimedOut(f"{self.actor} to start", READY_LIMIT_S, "it said nothing")

    def ask(self, do: str, **fields: object) -> Asked:
        """Give a command; the answer may be awaited later."""
        with self._lock:
            self._number += 1
            number = self._number
            asked = self._asked[number] = Asked(self, do)
        self._write({"do": do, "n": number, **fields})
        return asked

    def hear_out(self) -> None:
        """Take in all that a process said before it ended: its last answer may still be on the way."""
        if not self.child.alive:
            self._listener.join(HEAR_OUT_S)

    def check_alive(self) -> None:
        """Raise ClientDied, with its last words, when the process ended although nobody closed or killed it."""
        if self._closing or self.child.alive:
            return
        raise ClientDied(self.actor, self._failure or self._last_words())

    def kill(self) -> None:
        """SIGKILL, as a crash: what it had not written down is lost."""
        self._closing = True
        self.child.kill()

    def close(self, limit_s: float = 15.0) -> None:
        """Close its standard input, which tells it to end cleanly; kill it after the limit."""
        self._closing = True
        if self.child.process.stdin:
            with contextlib.suppress(OSError):  # it has gone already
                self.child.process.stdin.close()
        if not self.child.wait(limit_s):
            self.child.kill()
        self._listener.join(5)
        if self.child.process.stdout:
            self.child.process.stdout.close()

    def _write(self, message: Mapping[str, Any]) -> None:
        stdin: IO[bytes] | None = self.child.process.stdin
        assert stdin is not None
        try:
            with self._lock:
                stdin.write(json.dumps(message).encode() + b"\n")
                stdin.flush()
        except OSError as error:
            raise ClientDied(self.actor, self._failure or self._last_words()) from error

    def _listen(self) -> None:
        stdout: IO[bytes] | None = self.child.process.stdout
        assert stdout is not None
        for line in stdout:
            message = json.loads(line)
            if message.get("event") == "failed":
                self._failure = str(message.get("error"))
            elif message.get("event") == "ready":
                self._ready.set()
            elif "event" in message:
                self.events.put(message)
            else:
                with self._lock:
                    asked = self._asked.pop(message.get("n"), None)
                if asked:
                    asked.arrive(message)

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return f"exit status {self.child.process.poll()}; {' | '.join(lines[-3:]) or 'it logged nothing'}"
