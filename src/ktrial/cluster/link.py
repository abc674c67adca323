"""Links: relayed ways to the nodes of a cluster, to be cut, held and slowed without the nodes knowing.

`Links` is the parent's side: it owns the relay process (`ktrial.cluster.relay`), opens links and puts rules
in force. A rule is in force when `add` returns: every byte that the relay reads from then on obeys it. What a
rule has done so far is in `status()`, the proof that a fault landed.
"""

from __future__ import annotations

import errno
import json
import select
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ktrial.cluster.link_rule import Action, Direction, Rule, peers_of_broker
from ktrial.errors import KtrialError, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

__all__ = [
    "Action",
    "ConnectionStatus",
    "Direction",
    "LinkStatus",
    "Links",
    "Rule",
    "RuleStatus",
    "Status",
    "peers_of_broker",
]

ANSWER_LIMIT_S = 10.0
COMMAND = (sys.executable, "-m", "ktrial.cluster.relay")


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """One connection through a link. `peer` is the client id, "" if it gives none, None while not known.

    Bytes are totals, except the held ones, which wait now. `state` is connecting, open or closing.
    """

    number: int
    peer: str | None
    api_keys: tuple[int, ...]
    state: str
    opened_ns: int
    request_bytes: int
    response_bytes: int
    held_request_bytes: int
    held_response_bytes: int
    lost_request_bytes: int
    lost_response_bytes: int


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link; it is `listening` exactly while its target is. `accepted` counts connections so far."""

    name: str
    listen_port: int
    target_port: int
    listening: bool
    accepted: int
    connections: tuple[ConnectionStatus, ...]


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """What a rule has done so far: connections it closed, bytes it swallowed, held or slowed."""

    number: int
    closed: int
    touched_bytes: int

    @property
    def landed(self) -> bool:
        """Whether it has met anything at all."""
        return bool(self.closed or self.touched_bytes)


@dataclass(frozen=True, slots=True)
class Status:
    """All links and all rules in force at one moment."""

    links: Mapping[str, LinkStatus]
    rules: Mapping[int, RuleStatus]


def _spawn_plainly(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


class Links:
    """The links of one cluster. Methods may be called from any thread; each waits for the relay's answer.

    All of them raise KtrialError when the relay has ended or does not answer within `ANSWER_LIMIT_S`.
    """

    def __init__(self, spawn: Callable[[Sequence[str]], subprocess.Popen[bytes]] = _spawn_plainly) -> None:
        """Start the relay by `spawn(command)`, which must give it pipes as standard input and output."""
        self._process = spawn(COMMAND)
        self._lock = threading.Lock()
        self._asked = 0

    def __enter__(self) -> Self:
        """Return the links themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def pid(self) -> int:
        """The relay's process id."""
        return self._process.pid

    def open(self, name: str, listen_port: int, target_port: int) -> int:
        """Open a link from one local port (0 = any free one) to another; return the port that it listens at.

        It listens while something listens at the target: a link may be opened before its target is up. Raises
        UsageProblem when the port is taken or the name is in use.
        """
        answer = self._ask("open", name=name, listen_port=listen_port, target_port=target_port)
        return int(answer["port"])

    def shut(self, name: str) -> None:
        """Close one link and its connections. Raises UsageProblem if there is none of this name."""
        self._ask("shut", name=name)

    def add(self, rule: Rule) -> int:
        """Put a rule in force, for old and new connections; return its number."""
        return int(self._ask("add", rule=rule.fields())["rule"])

    def remove(self, number: int) -> None:
        """Take a rule out of force: what it held flows, connections that lost bytes are closed.

        Raises UsageProblem for a number that is not in force.
        """
        self._ask("remove", rule=number)

    def status(self) -> Status:
        """Return links, connections and rules as they are now."""
        answer = self._ask("status")
        return Status(
            links={fields["name"]: _link_status(fields) for fields in answer["links"]},
            rules={fields["number"]: RuleStatus(**fields) for fields in answer["rules"]},
        )

    def close(self) -> None:
        """End the relay, and with it all links; closing twice is no error."""
        process = self._process
        with self._lock:
            for pipe in (process.stdin, process.stdout):
                if pipe and not pipe.closed:
                    try:
                        pipe.close()
                    except OSError:  # unsent bytes to a relay that has gone
                        continue
        try:
            process.wait(ANSWER_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Send one command and wait for its answer."""
        with self._lock:
            self._asked += 1
            command = {"n": self._asked, "do": do, **fields}
            answer = self._exchange(json.dumps(command).encode() + b"\n", do)
        if "error" not in answer:
            return answer
        if answer["errno"] in (errno.EADDRINUSE, errno.EACCES):
            what = (
                f"Port {fields['listen_port']} for the link {fields['name']} cannot be had: {answer['error']}"
            )
            raise UsageProblem(what, mend="End the program that listens there, or leave the port out.")
        what = f"The relay cannot {do} {fields}: {answer['kind']}: {answer['error']}."
        raise UsageProblem(what) if answer["errno"] is None else KtrialError(what)

    def _exchange(self, line: bytes, do: str) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None or stdin.closed:
            raise KtrialError(f"The links are closed; the relay cannot be asked to {do}.")
        try:
            stdin.write(line)
            stdin.flush()
            reply = self._next_line(do)
            while reply and json.loads(reply)["n"] != self._asked:  # the late answer to a question given up
                reply = self._next_line(do)
        except BrokenPipeError:
            reply = b""
        if not reply:
            status = self._process.poll()
            raise KtrialError(f"The relay of the links (pid {self.pid}) has ended (exit status {status}).")
        answer: dict[str, Any] = json.loads(reply)
        return answer

    def _next_line(self, do: str) -> bytes:
        stdout = self._process.stdout
        if stdout is None or not select.select([stdout], [], [], ANSWER_LIMIT_S)[0]:
            what = f"The relay (pid {self.pid}) did not answer '{do}' within {ANSWER_LIMIT_S:g} s."
            raise KtrialError(what)
        return stdout.readline()


def _link_status(fields: dict[str, Any]) -> LinkStatus:
    connections = tuple(
        ConnectionStatus(**{**connection, "api_keys": tuple(connection["api_keys"])})
        for connection in fields.pop("connections")
    )
    return LinkStatus(**fields, connections=connections)
