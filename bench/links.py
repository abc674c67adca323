"""What a link costs: throughput and latency through the relay (ours) against the direct path (baseline).

First plain sockets on loopback: one bulk stream, and small requests that each await their answer. Then real
Kafka: a producer through the brokers' linked listeners against their direct ones (replication passes links in
both cases). The relay's own processor time is told as well, because the brokers share the machine with it.
"""

from __future__ import annotations

import json
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired

import psutil
from confluent_kafka import Producer

from bench.sides import Row, compared, in_turns, table
from ktrial.children import Session
from ktrial.children.session import child_environment
from ktrial.cluster.embedded import EmbeddedCluster
from ktrial.cluster.link import Links
from ktrial.cluster.runtime import find_runtime
from ktrial.cluster.topology import ClusterSpec
from ktrial.cluster.training import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
TOPIC = "bench-links"
WRITE_BYTES = 256 << 10
REQUEST_BYTES = 100
RECORD_BYTES = 100
ACKNOWLEDGED_LIMIT_S = 120.0


class LinkRow(Row):
    """A comparison that also tells what the relay itself spent."""

    relay: NotRequired[str]


def run(*, quick: bool) -> list[LinkRow]:
    """Measure sockets, then Kafka; `quick` means fewer rounds and smaller sizes."""
    rounds = 3 if quick else 7
    size, count = (64 << 20, 3_000) if quick else (512 << 20, 20_000)
    with _targets() as (sink, echo), Links() as links:
        watched = Watched(links.pid, rounds)
        stream = [partial(_stream, port, size) for port in (links.open("sink", 0, sink), sink)]
        trips = [partial(_round_trips, port, count) for port in (links.open("echo", 0, echo), echo)]
        rows = [
            watched.row("socket stream", "MB/s", stream, size / 1e6, "MB"),
            watched.row("socket round trip", "us", trips, 2 * count, "message"),
        ]
    return rows + _kafka(rounds, *((30_000, 200) if quick else (300_000, 2_000)))


class Watched:
    """Measures pairs of ways, (linked, direct), and the relay's processor time during the linked one."""

    def __init__(self, pid: int, rounds: int) -> None:
        """Watch the relay with this process id."""
        self._relay = psutil.Process(pid)
        self._rounds = rounds
        self._spent_s: list[float] = []

    def row(self, name: str, unit: str, ways: list[partial[float]], amount: float, of_what: str) -> LinkRow:
        """Measure both ways in turns; one round moves `amount` of what the relay's time is divided by."""
        self._spent_s.clear()
        ours, baseline = in_turns(lambda: self._linked(ways[0]), ways[1], self._rounds)
        spent_us = statistics.median(self._spent_s) / amount * 1e6
        relay = f"{spent_us:.1f} us of processor per {of_what}"
        return LinkRow(**compared(name, unit, ours, baseline), relay=relay)

    def _linked(self, way: Callable[[], float]) -> float:
        before = self._relay.cpu_times()
        result = way()
        after = self._relay.cpu_times()
        self._spent_s.append(after.user + after.system - before.user - before.system)
        return result


def _kafka(rounds: int, records: int, singles: int) -> list[LinkRow]:
    """Boot a cluster and produce through linked and direct listeners, in bulk and one by one."""
    sys.stderr.write("links: booting one controller and three brokers\n")
    session = Session.open()
    try:
        runtime = prepare(find_runtime(lambda *_: None), session, lambda _: None)
        with tempfile.TemporaryDirectory() as logs:
            cluster = EmbeddedCluster.boot(session, runtime, ClusterSpec(), Path(logs))
            cluster.create_topic(TOPIC, [[1, 2, 3], [2, 3, 1], [3, 1, 2]], {})
            watched = Watched(cluster.links.pid, rounds)
            ways = (cluster.linked_bootstrap, cluster.bootstrap)
            _produce(cluster.bootstrap, records)  # the JVMs warm up
            bulk = [partial(_produce, way, records) for way in ways]
            single = [partial(_one_by_one, way, singles) for way in ways]
            return [
                watched.row("produce, RF 3, acks=all", "records/s", bulk, records / 1000, "1000 records"),
                watched.row("produce one by one", "us", single, singles, "record"),
            ]
    finally:
        session.close()


def _produce(bootstrap: str, records: int) -> float:
    """Return the records/s of one producer from its first record to its last acknowledgement."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 5, "batch.size": 16384})
    producer.list_topics(TOPIC)
    value = bytes(RECORD_BYTES)
    began = time.perf_counter()
    for number in range(records):
        while True:
            try:
                producer.produce(TOPIC, value, partition=number // 100 % 3)
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(ACKNOWLEDGED_LIMIT_S):
        raise SystemExit(f"links: not all of {records} records were acknowledged")
    return records / (time.perf_counter() - began)


def _one_by_one(bootstrap: str, records: int) -> float:
    """Return the median us from handing a record over to its acknowledgement by all replicas."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})
    producer.list_topics(TOPIC)
    value = bytes(RECORD_BYTES)
    taken_us = []
    for _ in range(records):
        began = time.perf_counter()
        producer.produce(TOPIC, value, partition=0)
        producer.flush(ACKNOWLEDGED_LIMIT_S)
        taken_us.append((time.perf_counter() - began) * 1e6)
    return statistics.median(taken_us)


def _request(size: int) -> bytes:
    """Return one request of this size with the header of a follower."""
    client_id = b"broker-2-fetcher-0"
    head = struct.pack(">ihhih", size - 4, 1, 17, 0, len(client_id)) + client_id
    return head.ljust(size, b"x")


def _stream(port: int, size: int) -> float:
    """Return the MB/s until the sink has confirmed the end of a stream of `size` bytes."""
    chunk = _request(WRITE_BYTES)
    with socket.create_connection((HOST, port)) as sender:
        began = time.perf_counter()
        for _ in range(size // WRITE_BYTES):
            sender.sendall(chunk)
        sender.shutdown(socket.SHUT_WR)
        sender.recv(1)
        return size / 1e6 / (time.perf_counter() - began)


def _round_trips(port: int, count: int) -> float:
    """Return the mean us of a request that awaits its answer."""
    request = _request(REQUEST_BYTES)
    with socket.create_connection((HOST, port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        for _ in range(count):
            client.sendall(request)
            client.recv(REQUEST_BYTES)
        return (time.perf_counter() - began) / count * 1e6


@contextmanager
def _targets() -> Iterator[tuple[int, int]]:
    """Yield the ports of a sink and an echo in a process of their own."""
    command = [sys.executable, "-m", "bench.links", "serve"]
    root, pipe = Path(__file__).parents[1], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=root, env=child_environment()) as process:
        assert process.stdin
        assert process.stdout
        try:
            sink, echo = json.loads(process.stdout.readline())
            yield sink, echo
        finally:
            process.stdin.close()


def _serve() -> None:
    """Be the sink and the echo until standard input ends."""
    servers = [socket.create_server((HOST, 0)) for _ in range(2)]
    for server, answer in zip(servers, (_swallow, _echo), strict=True):
        threading.Thread(target=_accept, args=(server, answer), daemon=True).start()
    sys.stdout.write(json.dumps([server.getsockname()[1] for server in servers]) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


def _accept(server: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    while True:
        peer, _ = server.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(peer,), daemon=True).start()


def _swallow(peer: socket.socket) -> None:
    """Read to the end, then confirm it by one byte."""
    buffer = bytearray(WRITE_BYTES)
    with peer:
        while peer.recv_into(buffer):
            pass
        peer.send(b".")


def _echo(peer: socket.socket) -> None:
    """Send everything back."""
    with peer:
        while data := peer.recv(WRITE_BYTES):
            peer.sendall(data)


def main() -> None:
    """Print a table and JSON; with `serve`, be the targets."""
    if sys.argv[1:] == ["serve"]:
        _serve()
        return
    rows = run(quick="--quick" in sys.argv)
    sys.stdout.write(f"{table(rows)}\n{json.dumps(rows)}\n")


if __name__ == "__main__":
    main()
