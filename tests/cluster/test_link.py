"""Links between plain sockets, through a real relay process: what clients and targets see."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from ktrial.cluster.link import ConnectionStatus, Direction, Links, Rule
from ktrial.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT_S = 10.0
REQUESTS, RESPONSES = Direction.REQUESTS, Direction.RESPONSES
_names = (f"way-{number}" for number in itertools.count())


def request(client_id: str = "broker-2-fetcher-0", body: bytes = b"", api_key: int = 1) -> bytes:
    """Return a Kafka request with this header."""
    payload = struct.pack(">hhih", api_key, 12, 7, len(client_id)) + client_id.encode() + body
    return struct.pack(">i", len(payload)) + payload


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def received(end: socket.socket, count: int) -> bytes:
    """Read exactly so many bytes."""
    data = bytearray()
    while len(data) < count:
        part = end.recv(count - len(data))
        assert part, f"the stream ended after {len(data)} of {count} bytes"
        data += part
    return bytes(data)


def is_closed(end: socket.socket) -> bool:
    """Wait for the end or the reset of a connection; whatever else comes makes it False."""
    try:
        return end.recv(1) == b""
    except ConnectionResetError:
        return True


@dataclass
class Way:
    """One link in front of a listening socket whose other side is played by the test."""

    links: Links
    server: socket.socket
    name: str
    port: int

    def __post_init__(self) -> None:
        """Take the relay's own watch off the target's queue."""
        self.ends: list[socket.socket] = []
        self.target_port: int = self.server.getsockname()[1]
        self.watch = self.accept()

    def connect(self, hello: bytes = b"") -> tuple[socket.socket, socket.socket]:
        """Return the client's and the target's socket of one connection; the client has sent `hello`."""
        client = socket.create_connection(("127.0.0.1", self.port), LIMIT_S)
        self.ends.append(client)
        client.sendall(hello)
        return client, self.accept()

    def connections(self) -> tuple[ConnectionStatus, ...]:
        """Return what the relay knows of the connections."""
        return self.links.status().links[self.name].connections

    def known(self, client_id: str) -> tuple[socket.socket, socket.socket]:
        """Return both ends of a connection whose peer is known, its first request read by the target."""
        hello = request(client_id)
        client, target = self.connect(hello)
        assert received(target, len(hello)) == hello
        return client, target

    def close(self) -> None:
        """Close the link and all sockets."""
        self.links.shut(self.name)
        for end in (*self.ends, self.server):
            end.close()

    def accept(self) -> socket.socket:
        """Take the next connection off the target's queue."""
        end, _ = self.server.accept()
        end.settimeout(LIMIT_S)
        self.ends.append(end)
        return end


@pytest.fixture(scope="module")
def links() -> Iterator[Links]:
    """Yield one relay for the whole module."""
    with Links() as made:
        yield made


@pytest.fixture
def way(links: Links) -> Iterator[Way]:
    """Yield a link of its own with a listening target, and leave no rule behind."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(LIMIT_S)
    name = next(_names)
    made = Way(links, server, name, links.open(name, 0, server.getsockname()[1]))
    yield made
    made.close()
    for number in links.status().rules:
        links.remove(number)


def refused(port: int) -> bool:
    """Whether nobody listens at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_bytes_pass_unchanged_both_ways(way: Way) -> None:
    """Requests and responses arrive as they were sent, and the relay knows who sent them."""
    client, target = way.connect()
    there = request(body=random.Random(1).randbytes(3_000_000))
    back = random.Random(2).randbytes(2_000_000)
    sender = threading.Thread(target=client.sendall, args=(there,))
    sender.start()
    assert received(target, len(there)) == there
    sender.join()
    target.sendall(request("x", api_key=18)[:8])
    assert received(client, 8)
    sender = threading.Thread(target=target.sendall, args=(back,))
    sender.start()
    assert received(client, len(back)) == back
    sender.join()
    (seen,) = way.connections()
    assert (seen.peer, seen.api_keys, seen.state) == ("broker-2-fetcher-0", (1,), "open")
    assert (seen.request_bytes, seen.response_bytes) == (len(there), len(back) + 8)


def test_a_foreign_protocol_passes_nameless(way: Way) -> None:
    """What does not speak Kafka is forwarded and has an empty name, even when a rule asks for names."""
    way.links.add(Rule.cut(way.name, "somebody"))
    _, target = way.connect(b"GET / HTTP/1.1\r\n\r\n")
    assert received(target, 3) == b"GET"
    assert way.connections()[0].peer == ""


def test_bytes_wait_for_the_peer_only_when_a_rule_asks(way: Way) -> None:
    """Half a header passes freely without rules, and waits when a rule names a peer."""
    _, target = way.connect(request()[:10])
    assert received(target, 10)
    way.links.add(Rule.cut(way.name, "somebody"))
    whole = request("else")
    client, target = way.connect(whole[:10])
    until(lambda: any(seen.held_request_bytes == 10 for seen in way.connections()))
    client.sendall(whole[10:])
    assert received(target, len(whole)) == whole


def test_a_cut_closes_only_its_peer(way: Way) -> None:
    """A cut by peer closes that peer's connection on both sides and leaves others alone."""
    cut_client, cut_target = way.known("broker-2-fetcher-0")
    client, target = way.known("broker-3-fetcher-0")
    number = way.links.add(Rule.cut(way.name, "broker-2-*"))
    assert is_closed(cut_client)
    assert is_closed(cut_target)
    client.sendall(b"on")
    assert received(target, 2) == b"on"
    assert way.links.status().rules[number].closed == 1


def test_a_cut_meets_new_connections_when_the_peer_is_known(way: Way) -> None:
    """A new connection of a cut peer is closed before any byte arrives; healed, it may come again."""
    number = way.links.add(Rule.cut(way.name, "raft-client-2"))
    client, target = way.connect(request("raft-client-2"))
    assert is_closed(client)
    assert is_closed(target)
    way.links.remove(number)
    way.known("raft-client-2")


def test_a_cut_of_requests_swallows_them_and_lets_responses_flow(way: Way) -> None:
    """One way is dead, the other alive; once healed, the broken stream is closed, not continued."""
    client, target = way.known("c")
    number = way.links.add(Rule.cut(way.name, "c", REQUESTS))
    client.sendall(b"into the void")
    target.sendall(b"still here")
    assert received(client, 10) == b"still here"
    until(lambda: way.links.status().rules[number].touched_bytes == 13)
    assert way.connections()[0].lost_request_bytes == 13
    way.links.remove(number)
    assert is_closed(client)
    assert is_closed(target)


def test_a_cut_of_responses_lets_requests_arrive(way: Way) -> None:
    """The target gets requests whose answers are lost: acknowledgements that never come."""
    client, target = way.known("c")
    number = way.links.add(Rule.cut(way.name, "*", RESPONSES))
    client.sendall(b"please")
    assert received(target, 6) == b"please"
    target.sendall(b"done")
    until(lambda: way.connections()[0].lost_response_bytes == 4)
    way.links.remove(number)
    assert is_closed(client)


def test_two_cuts_of_one_way_each_close_nothing(way: Way) -> None:
    """Both ways swallowed is a silent network: not even the end of the target is told."""
    client, target = way.known("c")
    way.links.add(Rule.cut(way.name, "c", REQUESTS))
    way.links.add(Rule.cut(way.name, "c", RESPONSES))
    client.sendall(b"?")
    target.close()
    until(lambda: way.connections()[0].lost_request_bytes == 1)
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(1)


def test_a_connection_untouched_by_a_one_way_cut_lives_on(way: Way) -> None:
    """A connection that lost nothing while it was cut is not closed when the cut is healed."""
    client, target = way.known("c")
    way.links.remove(way.links.add(Rule.cut(way.name, "c", REQUESTS)))
    client.sendall(b"x")
    assert received(target, 1) == b"x"


def test_held_bytes_are_counted_and_released_in_order(way: Way) -> None:
    """Held responses are counted and come in order when released; requests flow meanwhile."""
    client, target = way.known("producer")
    number = way.links.add(Rule.hold(way.name, "producer", RESPONSES))
    answers = random.Random(3).randbytes(700_000)
    target.sendall(answers)
    until(lambda: way.connections()[0].held_response_bytes == len(answers))
    client.sendall(b"more")
    assert received(target, 4) == b"more"
    assert way.links.status().rules[number].touched_bytes == len(answers)
    way.links.remove(number)
    assert received(client, len(answers)) == answers
    assert way.connections()[0].held_response_bytes == 0


def test_held_requests_arrive_although_the_client_has_gone(way: Way) -> None:
    """A client that gives up cannot take back what the network holds: it arrives late, then the end."""
    client, target = way.known("producer")
    number = way.links.add(Rule.hold(way.name, "producer", REQUESTS))
    client.sendall(b"late write")
    until(lambda: way.connections()[0].held_request_bytes == 10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    target.sendall(b"x")
    way.links.remove(number)
    assert received(target, 10) == b"late write"
    assert is_closed(target)


def test_a_delay_is_added_to_each_way(way: Way) -> None:
    """A round trip over a link slowed by 40 ms takes at least 80 ms."""
    client, target = way.known("c")
    way.links.add(Rule.slow(way.name, delay_ms=40))
    began = time.monotonic()
    client.sendall(b"ping")
    assert received(target, 4) == b"ping"
    target.sendall(b"pong")
    assert received(client, 4) == b"pong"
    assert time.monotonic() - began >= 0.08


def test_a_slow_receiver_makes_no_memory_grow(way: Way) -> None:
    """A sender whose receiver does not read comes to a halt, and the relay keeps no more than its queue."""
    client, target = way.known("c")
    relay = psutil.Process(way.links.pid)
    before = relay.memory_info().rss
    client.setblocking(False)
    sent, quiet_since = 0, time.monotonic()
    while time.monotonic() - quiet_since < 0.2 and sent < 200_000_000:
        with contextlib.suppress(BlockingIOError):
            sent += client.send(bytes(1 << 20))
            quiet_since = time.monotonic()
    assert sent < 200_000_000
    assert relay.memory_info().rss - before < 8_000_000
    assert received(target, sent) == bytes(sent)


def test_a_link_listens_exactly_while_its_target_does(way: Way) -> None:
    """After its target's death a link refuses, as the target would; with the target it is back."""

    def listening() -> bool:
        return way.links.status().links[way.name].listening

    client, target = way.known("c")
    for end in (way.server, way.watch, target):
        end.close()
    assert is_closed(client)
    until(lambda: not listening())
    assert refused(way.port)
    way.server = socket.create_server(("127.0.0.1", way.target_port))
    way.server.settimeout(LIMIT_S)
    until(listening)
    way.watch = way.accept()
    way.known("c")


def test_a_link_may_be_opened_before_its_target_is_up(links: Links) -> None:
    """Until then clients are refused, not accepted and dropped."""
    with socket.socket() as target:
        target.bind(("127.0.0.1", 0))
        name = next(_names)
        port = links.open(name, 0, target.getsockname()[1])
        assert refused(port)
        target.listen()
        until(lambda: not refused(port))
        links.shut(name)


def test_a_reset_is_passed_on_as_a_reset(way: Way) -> None:
    """A target that breaks off (as a killed process with unread bytes does) resets its client at once."""
    client, target = way.known("c")
    target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    target.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_half_a_close_is_passed_on_as_half(way: Way) -> None:
    """A client that has said all still gets its answer, then the end."""
    client, target = way.known("c")
    client.shutdown(socket.SHUT_WR)
    assert is_closed(target)
    assert way.connections()[0].state == "closing"
    target.sendall(b"answer")
    target.close()
    assert received(client, 6) == b"answer"
    assert is_closed(client)
    until(lambda: not way.connections())


def test_fifty_connections_keep_their_bytes_apart(way: Way) -> None:
    """Many connections at once: each gets its own bytes, and each is known by its own name."""
    pairs = [way.known(f"client-{number}") for number in range(50)]
    for number, (client, _) in enumerate(pairs):
        client.sendall(bytes([number]) * 1000)
    for number, (client, target) in enumerate(pairs):
        assert received(target, 1000) == bytes([number]) * 1000
        target.sendall(bytes([number]))
        assert received(client, 1) == bytes([number])
    assert {seen.peer for seen in way.connections()} == {f"client-{number}" for number in range(50)}


def test_many_threads_may_ask_at_once(way: Way) -> None:
    """Answers do not get mixed up between threads."""
    numbers: list[int] = []

    def ask() -> None:
        for _ in range(20):
            numbers.append(way.links.add(Rule.hold("nowhere")))
            way.links.status()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == 160
    assert set(way.links.status().rules) == set(numbers)


def test_a_taken_port_is_named(way: Way) -> None:
    """A link cannot have a port that somebody uses, and says which."""
    taken = way.server.getsockname()[1]
    with pytest.raises(UsageProblem, match=f"Port {taken} "):
        way.links.open("other", taken, 1)
    with pytest.raises(UsageProblem, match="open already"):
        way.links.open(way.name, 0, 1)
    with pytest.raises(UsageProblem):
        way.links.remove(4711)
