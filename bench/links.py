"""What a link costs: throughput and added latency of the relay against the direct path.

Two kinds of traffic over loopback, alternating direct and relayed, each round in a fresh connection: a bulk transfer
into a sink process, and one small Kafka-sized request and answer after the other with an echo process. The relay's
own processor time is told as well, because the brokers share the machine with it. Nothing is bounded here. Run by
itself: `python bench/links.py`.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import statistics
import struct
import sys
import time
from typing import TYPE_CHECKING

import psutil

from ktrial.cluster.link import Links

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
BULK_BYTES = 256 << 20
WRITE_BYTES = 256 << 10
MESSAGES = 10_000
MESSAGE_BYTES = 100


def run(
    rounds: int = ROUNDS, bulk_bytes: int = BULK_BYTES, messages: int = MESSAGES
) -> list[dict[str, str | float]]:
    """Measure and return one row per kind of traffic: medians over the rounds, direct, linked, and their ratio."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    sink_port, echo_port = ours.recv()
    try:
        with Links() as links:
            relay = psutil.Process(links.pid)
            bulk = _alternate(
                rounds, relay, lambda port: bulk_bytes / 1e6 / _bulk_s(port, bulk_bytes), links, sink_port
            )
            trip = _alternate(
                rounds, relay, lambda port: _round_trips_s(port, messages) / messages * 1e6, links, echo_port
            )
    finally:
        server.kill()
        server.join()
    bulk_row = _row("bulk", "MB/s", bulk) | {"relay_us_per_mb": round(bulk[2] / (bulk_bytes / 1e6) * 1e6, 1)}
    trip_row = _row("round trip", "us", trip) | {"relay_us_per_message": round(trip[2] / messages / 2 * 1e6, 1)}
    trip_row["added_us"] = round(statistics.median(trip[1]) - statistics.median(trip[0]), 1)
    return [bulk_row, trip_row]


def _alternate(
    rounds: int, relay: psutil.Process, measure: Callable[[int], float], links: Links, port: int
) -> tuple[list[float], list[float], float]:
    """Measure direct and linked in turns; return both lists and the relay's processor seconds per linked round."""
    linked_port = links.open(f"to-{port}", 0, port)
    direct, linked, spent_s = [], [], []
    for _ in range(rounds):
        direct.append(measure(port))
        before = relay.cpu_times()
        linked.append(measure(linked_port))
        after = relay.cpu_times()
        spent_s.append(after.user + after.system - before.user - before.system)
    return direct, linked, statistics.median(spent_s)


def _row(traffic: str, unit: str, measured: tuple[list[float], list[float], float]) -> dict[str, str | float]:
    direct, linked = statistics.median(measured[0]), statistics.median(measured[1])
    ratio = round(linked / direct, 2)
    return {"traffic": traffic, "unit": unit, "direct": round(direct, 1), "linked": round(linked, 1), "ratio": ratio}


def _request(size: int) -> bytes:
    """Return one produce-like request of this size as a follower would head it."""
    client_id = b"broker-2-fetcher-0"
    head = struct.pack(">ihhih", size - 4, 1, 17, 0, len(client_id)) + client_id
    return head.ljust(size, b"x")


def _bulk_s(port: int, size: int) -> float:
    """Return how long it takes until the sink has confirmed `size` bytes, sent as one huge request."""
    chunk = _request(WRITE_BYTES)
    with socket.create_connection(("127.0.0.1", port)) as sender:
        began = time.perf_counter()
        for _ in range(size // WRITE_BYTES):
            sender.sendall(chunk)
        sender.shutdown(socket.SHUT_WR)
        sender.recv(1)
        return time.perf_counter() - began


def _round_trips_s(port: int, count: int) -> float:
    """Return how long `count` requests take, each awaiting its answer."""
    request = _request(MESSAGE_BYTES)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        for _ in range(count):
            client.sendall(request)
            client.recv(MESSAGE_BYTES)
        return time.perf_counter() - began


def _serve(pipe: multiprocessing.connection.Connection) -> None:
    """Be the targets, one connection at a time each: a sink, and an echo in a thread beside it."""
    import threading  # noqa: PLC0415 - only in the child

    sink, echo = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    pipe.send((sink.getsockname()[1], echo.getsockname()[1]))
    for server, reply in ((sink, False), (echo, True)):
        threading.Thread(target=_accept, args=(server, reply), daemon=not reply).start()


def _accept(server: socket.socket, reply: bool) -> None:  # noqa: FBT001
    import threading  # noqa: PLC0415

    while True:
        peer, _ = server.accept()
        threading.Thread(target=_answer, args=(peer, reply), daemon=True).start()


def _answer(peer: socket.socket, reply: bool) -> None:  # noqa: FBT001
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = memoryview(bytearray(WRITE_BYTES))
    with peer:
        while count := peer.recv_into(buffer):
            if reply:
                peer.sendall(buffer[:count])
        if not reply:
            peer.sendall(b".")


def main() -> None:
    """Print a table and the same as JSON."""
    rows = run()
    for row in rows:
        sys.stdout.write("  ".join(f"{key}={value}" for key, value in row.items()) + "\n")
    sys.stdout.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
