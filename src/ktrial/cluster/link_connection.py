"""One relayed connection: a client's socket, a target's socket, and a flow each way."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from typing import TYPE_CHECKING, Protocol

from ktrial.cluster.link_flow import Flow
from ktrial.cluster.link_header import RequestHeaders
from ktrial.cluster.link_loop import READABLE, WRITABLE
from ktrial.cluster.link_rule import Direction

if TYPE_CHECKING:
    from collections.abc import Callable

    from ktrial.cluster.link_loop import Loop
    from ktrial.cluster.link_rule import RuleBook

HOST = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def begin_connecting(port: int) -> tuple[socket.socket, int]:
    """Return a non-blocking socket on its way to a local port, and its error number (0 = connected)."""
    endpoint = socket.socket()
    endpoint.setblocking(False)
    endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return endpoint, endpoint.connect_ex((HOST, port))


def connecting_failed(endpoint: socket.socket) -> bool:
    """Whether an attempt that has come to its end failed.

    A socket that met itself counts as failed: the kernel may choose the very port asked for as the source's
    own.
    """
    if endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return True
    try:
        return bool(endpoint.getsockname() == endpoint.getpeername())
    except OSError:
        return True


class ConnectionOwner(Protocol):
    """The link, as its connections see it."""

    name: str
    loop: Loop
    rules: RuleBook
    buffer: bytearray
    target_port: int

    def target_refused(self) -> None:
        """Nobody listens at the target now."""

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is closed."""


class Connection:
    """Lives from the client's connect until both directions have ended, or a rule or a failure cuts it."""

    def __init__(self, link: ConnectionOwner, number: int, client: socket.socket) -> None:
        """Take over an accepted socket and start towards the target."""
        self.number = number
        self.closed = False
        self.opened_ns = time.monotonic_ns()
        self._link, self._loop, self._client = link, link.loop, client
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._target, progress = begin_connecting(link.target_port)
        self._connecting = True
        self.headers = RequestHeaders()
        self.requests = Flow(self, link.buffer, client, self._target, sink_ready=False)
        self.responses = Flow(self, link.buffer, self._target, client, sink_ready=True)
        self.requests.tap = self._read_headers
        if progress in (0, errno.EINPROGRESS):
            self._loop.watch(self._target, WRITABLE, self._on_target)
            self.obey()
            self.flow_changed()
        else:
            self._refuse()

    @property
    def state(self) -> str:
        """`connecting` to the target, `open`, `closing` (one direction has ended) or `closed`."""
        if self.closed:
            return "closed"
        if self._connecting:
            return "connecting"
        return "closing" if self.requests.finished or self.responses.finished else "open"

    def obey(self) -> None:
        """Apply the rules in force now."""
        rules, link, peer = self._link.rules, self._link.name, self.headers.peer
        severing = rules.severing(link, peer)
        if severing:
            severing.closed += 1
            self.abort()
            return
        for flow, direction in ((self.requests, Direction.REQUESTS), (self.responses, Direction.RESPONSES)):
            gate = rules.gate(link, peer, direction)
            if flow.lost and not gate.loses:  # the stream has a hole: nothing sensible can follow
                self.abort()
            if self.closed:
                return
            flow.set_gate(gate)

    def abort(self) -> None:
        """Reset both sides; what waits is lost."""
        for endpoint in (self._client, self._target):
            with contextlib.suppress(OSError):
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close()

    def flow_changed(self) -> None:
        """Watch for what the flows want now; close when both have finished."""
        requests, responses = self.requests, self.responses
        if self.closed:
            return
        if any(flow.was_reset and flow.finished for flow in (requests, responses)):
            self.abort()
        elif requests.finished and responses.finished:
            self._close()
        else:
            reads = READABLE if requests.wants_to_read else 0
            writes = WRITABLE if responses.wants_to_write else 0
            self._loop.watch(self._client, reads | writes, self._on_client)
            if not self._connecting:
                reads = READABLE if responses.wants_to_read else 0
                writes = WRITABLE if requests.wants_to_write else 0
                self._loop.watch(self._target, reads | writes, self._on_target)

    def endpoint_failed(self, endpoint: socket.socket) -> None:
        """Deliver what the lost side had sent, and drop what it would have received."""
        sending, receiving = self.requests, self.responses
        if endpoint is self._target:
            sending, receiving = receiving, sending
        receiving.stop()
        self._loop.watch(endpoint, 0, self._on_client)
        sending.end(reset=True)
        self.flow_changed()

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> None:
        """Pass a flow's timer on to the loop."""
        self._loop.call_at(when_ns, callback)

    def _on_client(self, mask: int) -> None:
        if mask & READABLE:
            self.requests.pull()
        if mask & WRITABLE and not self.closed:
            self.responses.push()

    def _on_target(self, mask: int) -> None:
        if self._connecting:
            self._on_connected()
            return
        if mask & READABLE:
            self.responses.pull()
        if mask & WRITABLE and not self.closed:
            self.requests.push()

    def _on_connected(self) -> None:
        if self.closed:
            return
        if connecting_failed(self._target):
            self._refuse()
            return
        self._connecting = False
        self.requests.sink_ready = True
        self.responses.push()
        self.requests.push()

    def _refuse(self) -> None:
        """Reset the client of a target that is not there: the nearest to a refusal after an accept."""
        self.abort()
        self._link.target_refused()

    def _read_headers(self, data: memoryview) -> None:
        before = self.headers.peer
        self.headers.feed(data)
        if self.headers.is_done:
            self.requests.tap = None
        if before is None and self.headers.peer is not None:
            self.obey()

    def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.requests.stop()
        self.responses.stop()
        self._loop.close(self._client)
        self._loop.close(self._target)
        self._link.forget(self)
