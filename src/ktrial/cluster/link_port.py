"""The listening side of a link: it listens exactly while its target does.

A client of a dead broker must be refused, as the kernel would refuse it, and neither be accepted and dropped
(which doubles the connections that fail during a boot) nor be kept waiting. So the link keeps one idle connection
of its own to the target, the watch. While the watch stands the link listens; when it breaks and the target refuses
another, the link stops listening (its port stays bound) and tries again every 20 ms.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from typing import TYPE_CHECKING

from ktrial.cluster.link_connection import HOST, Connection, begin_connecting, connecting_failed
from ktrial.cluster.link_flow import READ_BYTES
from ktrial.cluster.link_loop import READABLE, WRITABLE

if TYPE_CHECKING:
    from ktrial.cluster.link_loop import Loop
    from ktrial.cluster.link_rule import RuleBook

RETRY_NS = 20_000_000
BACKLOG = 512
_FIRST_LOOK_MS = 50
_buffer = bytearray(READ_BYTES)  # scratch space of all flows: the loop has one thread


class Port:
    """One link: its port, its watch over the target, its connections."""

    def __init__(self, loop: Loop, rules: RuleBook, name: str, listen_port: int, target_port: int) -> None:
        """Bind `listen_port` (0 = any free one), look for the target. Raises OSError if the port is taken."""
        self.loop, self.rules, self.name, self.buffer = loop, rules, name, _buffer
        self.target_port = target_port
        self.listening = False
        self.accepted = 0
        self._connections: dict[int, Connection] = {}
        self._listener = _bound(listen_port)
        self.listen_port: int = self._listener.getsockname()[1]
        self._watch: socket.socket | None = None
        self._watched_since_ns = 0
        self._closed = False
        self._look_for_target(patience_ms=_FIRST_LOOK_MS)

    def status(self) -> dict[str, object]:
        """Return the link and its connections as plain JSON fields."""
        return {
            "name": self.name,
            "listen_port": self.listen_port,
            "target_port": self.target_port,
            "listening": self.listening,
            "accepted": self.accepted,
            "connections": [_describe(connection) for connection in self._connections.values()],
        }

    def obey(self) -> None:
        """Apply the rules in force now to every connection."""
        for connection in list(self._connections.values()):
            connection.obey()

    def close(self) -> None:
        """Stop listening and cut all connections."""
        self._closed = True
        for connection in list(self._connections.values()):
            connection.abort()
        if self._watch:
            self.loop.close(self._watch)
        self.loop.close(self._listener)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is closed."""
        self._connections.pop(connection.number, None)

    def target_refused(self) -> None:
        """Stop listening; the watch will soon break too, and look again."""
        self._stop_listening()

    def _look_for_target(self, patience_ms: int = 0) -> None:
        """Try to connect a watch; `patience_ms` is how long the loop may stand still for it."""
        if self._closed:
            return
        try:
            self._watch, progress = begin_connecting(self.target_port)
        except OSError:  # no file descriptor left at the moment
            self.loop.call_at(time.monotonic_ns() + RETRY_NS, self._look_for_target)
            return
        if progress == errno.EINPROGRESS:
            self.loop.watch(self._watch, WRITABLE, self._on_looked)
            if patience_ms and select.select([], [self._watch], [], patience_ms / 1e3)[1]:
                self._on_looked(WRITABLE)
        elif progress == 0:
            self._on_looked(WRITABLE)
        else:
            self._target_is_down()

    def _on_looked(self, _: int) -> None:
        """See how the attempt to connect the watch came out."""
        watch = self._watch
        if watch is None or watch.fileno() < 0:
            return
        if connecting_failed(watch):
            self._target_is_down()
            return
        self._watched_since_ns = time.monotonic_ns()
        self.loop.watch(watch, 0, self._on_looked)
        self.loop.watch(watch, READABLE, self._on_watch)
        self._start_listening()

    def _on_watch(self, _: int) -> None:
        """Look again: the target has closed the watch (or, never in Kafka, said something)."""
        watch = self._watch
        if watch is None or watch.fileno() < 0:
            return
        with contextlib.suppress(OSError):
            if watch.recv(4096):
                return
        self.loop.close(watch)
        self._watch = None
        if time.monotonic_ns() - self._watched_since_ns > RETRY_NS:
            self._look_for_target()
        else:  # a target that drops everyone at once must not keep the loop busy
            self.loop.call_at(time.monotonic_ns() + RETRY_NS, self._look_for_target)

    def _target_is_down(self) -> None:
        if self._watch:
            self.loop.close(self._watch)
            self._watch = None
        self._stop_listening()
        self.loop.call_at(time.monotonic_ns() + RETRY_NS, self._look_for_target)

    def _start_listening(self) -> None:
        if not self.listening:
            self._listener.listen(BACKLOG)
            self.listening = True
            self.loop.watch(self._listener, READABLE, self._on_accept)

    def _stop_listening(self) -> None:
        """Have new connections refused, but keep the port."""
        if not self.listening or self._closed:
            return
        self.listening = False
        self.loop.watch(self._listener, 0, self._on_accept)
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # on Linux: no more listening, still bound
        except OSError:  # elsewhere: bind anew
            self._listener.close()
            self._listener = _bound(self.listen_port)

    def _on_accept(self, _: int) -> None:
        """Take one client (more come with the next turn); one that cannot be served is closed."""
        try:
            client, _address = self._listener.accept()
        except OSError:  # it has gone already, or no file descriptor is left at the moment
            return
        self.accepted += 1
        try:
            connection = Connection(self, self.accepted, client)
        except OSError:
            client.close()
            return
        if not connection.closed:
            self._connections[connection.number] = connection


def _bound(port: int) -> socket.socket:
    """Return a socket that is bound and does not listen yet; port 0 = any free one.

    A port that the kernel has chosen is bound once more by its number: on Linux, only a socket that asked for
    its port keeps it when it stops listening.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    if port:
        return listener
    chosen = listener.getsockname()[1]
    try:
        return _bound(chosen)
    except OSError:  # not on Linux: there, the first socket must go before
        listener.close()
        return _bound(chosen)
    finally:
        listener.close()


def _describe(connection: Connection) -> dict[str, object]:
    requests, responses = connection.requests, connection.responses
    return {
        "number": connection.number,
        "peer": connection.headers.peer,
        "api_keys": connection.headers.api_keys,
        "state": connection.state,
        "opened_ns": connection.opened_ns,
        "request_bytes": requests.forwarded,
        "response_bytes": responses.forwarded,
        "held_request_bytes": requests.held,
        "held_response_bytes": responses.held,
        "lost_request_bytes": requests.lost,
        "lost_response_bytes": responses.lost,
    }
