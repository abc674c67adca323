"""One direction of a connection between two real sockets, without a loop."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ktrial.cluster.link_flow import HOLD_LIMIT_BYTES, QUEUE_LIMIT_BYTES, READ_BYTES, Flow
from ktrial.cluster.link_rule import OPEN, Gate, Rule, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT_S = 10.0
HOLD = Gate(holds=True)


class Channel:
    """A flow between two socket pairs, and the owner that the flow asks for."""

    def __init__(self) -> None:
        """Connect sender -> flow -> receiver."""
        self.sender, source = socket.socketpair()
        sink, self.receiver = socket.socketpair()
        for end in (self.sender, source, sink, self.receiver):
            end.setblocking(False)
        self.failed: list[socket.socket] = []
        self.timers: list[tuple[int, Callable[[], None]]] = []
        self.flow = Flow(self, bytearray(READ_BYTES), source, sink, sink_ready=True)
        self.flow.push()
        self.sent = bytearray()
        self.received = bytearray()

    def close(self) -> None:
        """Close all four sockets."""
        for end in (self.sender, self.flow.source, self.flow.sink, self.receiver):
            end.close()

    def flow_changed(self) -> None:
        """Nothing to watch here."""

    def endpoint_failed(self, endpoint: socket.socket) -> None:
        """Remember and give up, as a connection would."""
        self.failed.append(endpoint)
        self.flow.stop()

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> None:
        """Keep the timer for `turn`."""
        self.timers.append((when_ns, callback))

    def send(self, data: bytes) -> int:
        """Send what the socket takes of the data."""
        with contextlib.suppress(BlockingIOError):
            count = self.sender.send(data)
            self.sent += data[:count]
            return count
        return 0

    def turn(self) -> None:
        """Do once what the loop would do now."""
        due = [timer for timer in self.timers if timer[0] <= time.monotonic_ns()]
        self.timers = [timer for timer in self.timers if timer not in due]
        for _, callback in due:
            callback()
        flow = self.flow
        if flow.wants_to_read and select.select([flow.source], [], [], 0)[0]:
            flow.pull()
        if flow.wants_to_write and select.select([], [flow.sink], [], 0)[1]:
            flow.push()

    def receive(self) -> None:
        """Take what has arrived."""
        with contextlib.suppress(BlockingIOError):
            self.received += self.receiver.recv(1 << 20)

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Turn and receive until the condition is true."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline
            self.turn()
            self.receive()


@pytest.fixture
def channel() -> Iterator[Channel]:
    """Yield a fresh channel."""
    made = Channel()
    yield made
    made.close()


STEPS = st.one_of(
    st.tuples(st.just("send"), st.binary(min_size=1, max_size=3000)),
    st.tuples(st.just("send much"), st.integers(1, 400_000)),
    st.tuples(
        st.just("gate"), st.sampled_from([OPEN, HOLD, Gate(delay_ns=1_000_000), Gate(bytes_per_s=5e7)])
    ),
    st.tuples(st.just("turn"), st.none()),
    st.tuples(st.just("receive"), st.none()),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_bytes_arrive_in_order_and_whole(steps: list[tuple[str, object]]) -> None:
    """Whatever is sent, held, slowed and released arrives exactly once and in order, then the end."""
    channel = Channel()
    try:
        for step, value in steps:
            if isinstance(value, Gate):
                channel.flow.set_gate(value)
            elif isinstance(value, bytes):
                channel.send(value)
            elif isinstance(value, int):
                channel.send(random.Random(value).randbytes(value))
            elif step == "turn":
                channel.turn()
            else:
                channel.receive()
        channel.sender.shutdown(socket.SHUT_WR)
        channel.flow.set_gate(OPEN)
        channel.turn_until(lambda: channel.flow.finished and len(channel.received) == len(channel.sent))
        assert channel.received == channel.sent
        assert channel.flow.forwarded == len(channel.sent)
        assert channel.receiver.recv(1) == b""
    finally:
        channel.close()


def test_a_slow_receiver_stops_the_reading(channel: Channel) -> None:
    """What waits for a receiver that does not read is bounded, and arrives whole when it does."""
    block = bytes(range(256)) * 1024
    idle = 0
    while idle < 3:
        idle = 0 if channel.send(block) else idle + 1
        channel.turn()
    assert channel.flow.queued <= QUEUE_LIMIT_BYTES
    assert not channel.flow.wants_to_read
    channel.turn_until(lambda: len(channel.received) == len(channel.sent))
    assert channel.received == channel.sent


def test_a_hold_is_bounded_and_then_pushes_back(channel: Channel) -> None:
    """A hold keeps no more than its limit; the rest stays with the sender."""
    channel.flow.set_gate(HOLD)
    block = bytes(READ_BYTES)
    idle = 0
    while idle < 3:
        idle = 0 if channel.send(block) else idle + 1
        channel.turn()
    assert channel.flow.held == HOLD_LIMIT_BYTES
    assert not channel.flow.wants_to_read


def test_the_end_waits_behind_held_bytes(channel: Channel) -> None:
    """The end of the stream is not passed on before the bytes that precede it."""
    channel.flow.set_gate(HOLD)
    channel.send(b"late")
    channel.sender.close()
    channel.turn_until(lambda: channel.flow.held == 4 and not channel.flow.wants_to_read)
    assert not channel.flow.finished
    channel.flow.set_gate(OPEN)
    channel.turn_until(lambda: channel.received == b"late")
    assert channel.receiver.recv(1) == b""


def test_a_cut_loses_waiting_bytes_too(channel: Channel) -> None:
    """Bytes that wait when a cut begins are lost with those that come after, and counted."""
    channel.flow.set_gate(HOLD)
    channel.send(b"before")
    channel.turn_until(lambda: channel.flow.held == 6)
    tally = Tally(Rule.cut())
    channel.flow.set_gate(Gate(loses=True, tallies=(tally,)))
    channel.send(b"after")
    channel.turn_until(lambda: channel.flow.lost == 11)
    assert tally.touched_bytes == 11
    assert channel.received == b""


def test_bandwidth_is_at_most_what_was_asked(channel: Channel) -> None:
    """40 kB at 200 kB/s take at least 0.2 s less one portion of pacing."""
    channel.flow.set_gate(Gate(bytes_per_s=200_000))
    began = time.monotonic()
    channel.send(bytes(40_000))
    channel.turn_until(lambda: len(channel.received) == 40_000)
    assert time.monotonic() - began >= 0.19


def test_each_byte_is_delayed(channel: Channel) -> None:
    """With a delay no byte arrives earlier, and a lifted delay lets everything go at once."""
    channel.flow.set_gate(Gate(delay_ns=100_000_000))
    began = time.monotonic()
    channel.send(b"x")
    channel.turn_until(lambda: channel.received == b"x")
    assert time.monotonic() - began >= 0.1
    channel.flow.set_gate(Gate(delay_ns=3_600_000_000_000))
    channel.send(b"y")
    channel.turn_until(lambda: channel.flow.queued == 1)
    channel.flow.set_gate(OPEN)
    channel.turn_until(lambda: channel.received == b"xy")


def test_a_dead_sink_is_reported(channel: Channel) -> None:
    """Writing to a receiver that has gone is told to the connection, once."""
    channel.receiver.close()
    channel.send(b"x")
    channel.turn()
    assert channel.failed == [channel.flow.sink]
    assert channel.flow.finished
