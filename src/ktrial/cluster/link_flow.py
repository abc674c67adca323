"""One direction of one relayed connection: bytes from a source socket to a sink socket, through a gate.

Bytes pass straight from one socket to the other while the gate is open and the sink takes them; otherwise
they wait in order in a bounded queue, and a full queue stops the reading, so that the sender feels it. The
end of the stream waits in line behind the bytes. The queue outlives the sender: what a network holds arrives
although the sender has gone.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from ktrial.cluster.link_rule import OPEN, Gate

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

QUEUE_LIMIT_BYTES = 1 << 20
HOLD_LIMIT_BYTES = 16 << 20
READ_BYTES = 256 << 10
_CHUNK_BYTES = 64 << 10
_JOIN_NS = 1_000_000  # the poller's own precision: bytes that arrive closer together may wait as one chunk
_PACE_NS = 5_000_000
_SECOND_NS = 1_000_000_000


class FlowOwner(Protocol):
    """The connection, as its two flows see it."""

    def flow_changed(self) -> None:
        """Take note: what the flow wants to read or write may be different now, or it is finished."""

    def endpoint_failed(self, endpoint: socket.socket) -> None:
        """Take note: reading from or writing to this socket failed, nobody is there any more."""

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> None:
        """Call back at this monotonic time or soon after it."""


class _Chunk:
    """Bytes that wait, `start` of them gone already; they arrived between two moments."""

    __slots__ = ("data", "first_ns", "last_ns", "start")

    def __init__(self, data: bytearray, now_ns: int) -> None:
        self.data = data
        self.start = 0
        self.first_ns = self.last_ns = now_ns


class Flow:
    """Moves bytes from `source` to `sink`; both are non-blocking sockets.

    `forwarded` and `lost` count bytes since the start, `queued` those that wait now. `tap` sees bytes before
    they pass, until it is set to None. Call `pull` when the source is readable and `push` when the sink is
    writable.
    """

    __slots__ = (
        "_blocked", "_buffer", "_chunks", "_end_was_alone", "_ended_ns", "_free_at_ns", "_gate", "_owner",
        "_reset", "_straight", "_timer_ns", "_view", "finished", "forwarded", "lost", "queued", "sink",
        "sink_ready", "source", "tap",
    )  # fmt: skip

    def __init__(
        self,
        owner: FlowOwner,
        buffer: bytearray,
        source: socket.socket,
        sink: socket.socket,
        *,
        sink_ready: bool,
    ) -> None:
        """Start with an open gate; `buffer` is scratch space that flows may share."""
        self.source, self.sink, self.sink_ready = source, sink, sink_ready
        self.forwarded = self.lost = self.queued = 0
        self.finished = False
        self.tap: Callable[[memoryview], None] | None = None
        self._owner, self._buffer, self._view = owner, buffer, memoryview(buffer)
        self._chunks: deque[_Chunk] = deque()
        self._gate = OPEN
        self._ended_ns = self._free_at_ns = self._timer_ns = 0
        self._reset = self._end_was_alone = self._blocked = False
        self._straight = False

    @property
    def held(self) -> int:
        """Bytes that wait because a rule or an unknown peer holds them."""
        return self.queued if self._gate.holds else 0

    @property
    def wants_to_read(self) -> bool:
        """Whether there is room and a reason to read on."""
        return not (self.finished or self._ended_ns) and self.queued < self._limit

    @property
    def wants_to_write(self) -> bool:
        """Whether bytes wait for nothing but the sink."""
        return self._blocked and bool(self._chunks) and not (self._gate.holds or self._gate.loses)

    @property
    def _limit(self) -> int:
        return HOLD_LIMIT_BYTES if self._gate.holds else QUEUE_LIMIT_BYTES

    def set_gate(self, gate: Gate) -> None:
        """Obey other rules from now on; what waits is subject to them, too."""
        if gate == self._gate:
            return
        earlier, self._gate = self._gate, gate
        if gate.loses:
            self._lose(self.queued)
            self._chunks.clear()
            self.queued = 0
        for tally in gate.tallies:
            if tally not in earlier.tallies:
                tally.touched_bytes += self.queued
        self.push()

    def pull(self) -> None:
        """Read once and pass on what may pass."""
        if not self._straight:
            self._pull_aside()
            return
        try:
            count = self.source.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            self._owner.endpoint_failed(self.source)
            return
        if not count:
            self.end()
            return
        try:
            sent = self.sink.send(self._view[:count])
        except BlockingIOError:
            sent = 0
        except OSError:
            self._owner.endpoint_failed(self.sink)
            return
        self.forwarded += sent
        if sent < count:
            self._blocked, self._straight = True, False
            self._keep(self._view[sent:count])
            self._owner.flow_changed()

    def _pull_aside(self) -> None:
        """Read once, under a gate or behind bytes that wait."""
        room = min(self._limit - self.queued, len(self._buffer))
        if not self.wants_to_read:
            self._owner.flow_changed()
            return
        try:
            count = self.source.recv_into(self._buffer, room)
        except BlockingIOError:
            return
        except OSError:
            self._owner.endpoint_failed(self.source)
            return
        if not count:
            self.end()
            return
        if not self._tapped(self._view[:count]):
            return
        if self._gate.loses:
            self._lose(count)
            return
        self._gate.touch(count)
        self._keep(self._view[:count])
        if not self._blocked:
            self.push()
        else:
            self._owner.flow_changed()

    def push(self) -> None:
        """Write what waits, as far as the gate and the sink allow."""
        if self.finished:
            return
        self._blocked = False
        while self._chunks and self._send_first():
            pass
        self._settle()

    def _settle(self) -> None:
        """After writing: see whether only the end is left, or nothing stands between source and sink."""
        if self.finished:
            return
        clear = self.sink_ready and not self._chunks
        if clear and self._ended_ns:
            self._pass_end()
            return
        self._straight = clear and self._gate.is_open and self.tap is None
        self._owner.flow_changed()

    def end(self, *, reset: bool = False) -> None:
        """Take note that the source will send nothing more (`reset`: it has gone for good)."""
        if self.finished:
            return
        self._reset = self._reset or reset
        if not self._ended_ns:
            self._ended_ns = time.monotonic_ns()
            self._end_was_alone = not self._chunks
        self.push()

    def stop(self) -> None:
        """Give up: nobody will take what waits."""
        self.finished = True
        self._straight = False
        self._chunks.clear()
        self.queued = 0

    @property
    def was_reset(self) -> bool:
        """Whether the source broke off with no byte in flight, so that its other side should see a reset."""
        return self._reset and self._end_was_alone

    def _tapped(self, data: memoryview) -> bool:
        """Show bytes to the tap; return whether they may go on (it may find out whose they are, and cut)."""
        if self.tap:
            self.tap(data)
        return not self.finished

    def _lose(self, count: int) -> None:
        self.lost += count
        self._gate.touch(count)

    def _keep(self, data: memoryview) -> None:
        """Put bytes at the end of the queue."""
        now_ns = time.monotonic_ns()
        self.queued += len(data)
        last = self._chunks[-1] if self._chunks else None
        near = last and (not self._gate.delay_ns or now_ns - last.first_ns < _JOIN_NS)
        if last and near and len(last.data) + len(data) <= _CHUNK_BYTES:
            last.data += data
            last.last_ns = now_ns
        else:
            self._chunks.append(_Chunk(bytearray(data), now_ns))

    def _send_first(self) -> bool:
        """Send the first chunk or a part of it; return whether to go on with what is left."""
        gate, chunk = self._gate, self._chunks[0]
        if gate.holds or gate.loses or not self.sink_ready:
            return False
        size = len(chunk.data) - chunk.start
        if gate.delay_ns or gate.bytes_per_s:
            size = self._due(chunk, size)
            if not size:
                return False
        try:
            sent = self.sink.send(memoryview(chunk.data)[chunk.start : chunk.start + size])
        except BlockingIOError:
            sent = 0
        except OSError:
            self._owner.endpoint_failed(self.sink)
            return False
        self.forwarded += sent
        self.queued -= sent
        chunk.start += sent
        if chunk.start == len(chunk.data):
            self._chunks.popleft()
        self._blocked = sent < size
        return not self._blocked

    def _due(self, chunk: _Chunk, size: int) -> int:
        """Return how much of the chunk may leave now; when nothing may, have `push` called in time."""
        gate = self._gate
        ready_ns = max(chunk.last_ns + gate.delay_ns, self._free_at_ns)
        if gate.bytes_per_s:
            size = min(size, max(1, int(gate.bytes_per_s * _PACE_NS / _SECOND_NS)))
            ready_ns += round(size / gate.bytes_per_s * _SECOND_NS)
        if self._is_early(ready_ns):
            return 0
        self._free_at_ns = ready_ns
        return size

    def _is_early(self, ready_ns: int) -> bool:
        """Whether that time is still to come; then a timer is set for it."""
        if time.monotonic_ns() >= ready_ns:
            return False
        if not self._timer_ns or self._timer_ns > ready_ns:
            self._timer_ns = ready_ns
            self._owner.call_at(ready_ns, self._on_timer)
        return True

    def _on_timer(self) -> None:
        self._timer_ns = 0
        self.push()

    def _pass_end(self) -> None:
        """Tell the sink that nothing more will come."""
        gate = self._gate
        if gate.holds or gate.loses or (gate.delay_ns and self._is_early(self._ended_ns + gate.delay_ns)):
            self._owner.flow_changed()
            return
        self.finished = True
        if not self._reset:
            try:
                self.sink.shutdown(1)  # SHUT_WR
            except OSError:
                self._owner.endpoint_failed(self.sink)
                return
        self._owner.flow_changed()
