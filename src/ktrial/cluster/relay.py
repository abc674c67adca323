"""The relay process: every link of one cluster, in one event loop.

Run as `python -m ktrial.cluster.relay`; commands are JSON lines on standard input, each answered by one JSON
line on standard output (see `ktrial.cluster.link`, the only one to speak to it). The end of standard input
ends the process, so it does not outlive its parent; Ctrl-C in the terminal is the parent's business and is
ignored here.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

from ktrial.cluster.link_loop import READABLE, Loop
from ktrial.cluster.link_port import Port
from ktrial.cluster.link_rule import Rule, RuleBook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_COMMAND_BYTES = 64 << 10


class Relay:
    """The links and the rules, and what may be asked of them."""

    def __init__(self, loop: Loop) -> None:
        """Start without links."""
        self._loop = loop
        self._rules = RuleBook()
        self._ports: dict[str, Port] = {}
        self._answers: dict[str, Callable[[Mapping[str, object]], dict[str, object]]] = {
            "open": self._open,
            "shut": self._shut,
            "add": self._add,
            "remove": self._remove,
            "status": self._status,
        }

    def answer(self, command: Mapping[str, object]) -> dict[str, object]:
        """Do what the command says; a failure is an answer as well."""
        try:
            return self._answers[str(command["do"])](command)
        except (OSError, LookupError, TypeError, ValueError) as error:
            return {"error": str(error), "kind": type(error).__name__, "errno": getattr(error, "errno", None)}

    def _open(self, command: Mapping[str, object]) -> dict[str, object]:
        name = str(command["name"])
        if name in self._ports:
            message = f"a link named {name} is open already"
            raise ValueError(message)
        ports = int(str(command["listen_port"])), int(str(command["target_port"]))
        self._ports[name] = port = Port(self._loop, self._rules, name, *ports)
        return {"port": port.listen_port}

    def _shut(self, command: Mapping[str, object]) -> dict[str, object]:
        self._ports.pop(str(command["name"])).close()
        return {}

    def _add(self, command: Mapping[str, object]) -> dict[str, object]:
        rule = command["rule"]
        number = self._rules.add(Rule.from_fields(rule if isinstance(rule, dict) else {}))
        self._obey()
        return {"rule": number}

    def _remove(self, command: Mapping[str, object]) -> dict[str, object]:
        self._rules.remove(int(str(command["rule"])))
        self._obey()
        return {}

    def _status(self, _: Mapping[str, object]) -> dict[str, object]:
        rules = [
            {"number": number, "closed": tally.closed, "touched_bytes": tally.touched_bytes}
            for number, tally in self._rules.tallies.items()
        ]
        return {"links": [port.status() for port in self._ports.values()], "rules": rules}

    def _obey(self) -> None:
        for port in self._ports.values():
            port.obey()


class Control:
    """Cuts standard input into commands and writes the answers."""

    def __init__(self, relay: Relay, loop: Loop) -> None:
        """Listen on standard input."""
        self._relay, self._loop = relay, loop
        self._partial = b""
        loop.watch(sys.stdin.fileno(), READABLE, self._on_input)

    def _on_input(self, _: int) -> None:
        data = os.read(sys.stdin.fileno(), _COMMAND_BYTES)
        if not data:
            self._loop.running = False
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            answer = {"n": command["n"], **self._relay.answer(command)}
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = Loop()
    Control(Relay(loop), loop)
    with contextlib.suppress(BrokenPipeError):
        loop.run()


if __name__ == "__main__":
    main()
