"""Our producer process, history and all, against Apache's `kafka-producer-perf-test` at equal settings.

Both write the same number of records of the same size to fresh topics of the same cluster (three brokers on this
machine, RF 3), in turns, so that what the machine does besides hits both. Compared are medians of records/s: theirs
as the tool prints it (from its first record to the end of its flush), ours from the command to the answer that
nothing is outstanding, which includes writing every call and every acknowledgement to the journal.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.sides import Row, compared, in_turns
from ktrial.children import Session
from ktrial.cluster.embedded import EmbeddedCluster
from ktrial.cluster.runtime import find_runtime
from ktrial.cluster.topology import ClusterSpec
from ktrial.cluster.training import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from ktrial.cluster.runtime import Runtime

EQUAL = {
    "acks": "all",
    "linger.ms": "5",
    "compression.type": "none",
}
"""Said to both; every other value is the Java client's on both sides (see ktrial.clients.profile)."""
LOADS = (
    (100, "16384", "false"),
    (100, "16384", "true"),
    (1024, "131072", "false"),
    (1024, "131072", "true"),
    (1024, "16384", "true"),
)
"""Bytes a record, batch.size, enable.idempotence. At 1 KiB a batch of 16 KiB, the default, holds 15 records.

Requests, not records, are the load then, and with idempotence librdkafka keeps one batch per partition in flight
where Java keeps five: that row says what the defaults come to, the rows above it how fast each client is.
"""
STOCK_FLAGS = (
    "-Xmx512M",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)
"""As kafka-producer-perf-test.sh and kafka-run-class.sh start it."""
PERF_TEST = "org.apache.kafka.tools.ProducerPerformance"
PRINTED = re.compile(r"^(\d+) records sent, ([\d.,]+) records/sec", re.MULTILINE)
ANSWER_S = 600.0
ROUNDS = 3
WARMING = 50_000
SPEC = ClusterSpec(settings={"log.segment.delete.delay.ms": "0"})
"""A round's topic goes at once: else the disk is still writing it while the next round is measured."""
TURNS = itertools.count()
ASSIGNMENT = [[1, 2, 3], [2, 3, 1], [3, 1, 2]]


def theirs(
    runtime: Runtime, bootstrap: str, topic: str, records: int, size: int, more: dict[str, str]
) -> float:
    """Run Apache's tool once and return its records/s."""
    properties = [
        f"{name}={value}" for name, value in {"bootstrap.servers": bootstrap, **EQUAL, **more}.items()
    ]
    command = [str(runtime.java.path), *STOCK_FLAGS, "-cp", runtime.classpath, PERF_TEST, "--topic", topic]
    command += ["--num-records", str(records), "--record-size", str(size), "--throughput", "-1"]
    run = subprocess.run(
        [*command, "--command-property", *properties],
        capture_output=True,
        text=True,
        check=False,
        timeout=ANSWER_S,
    )
    printed = PRINTED.findall(run.stdout)
    if not printed or int(printed[-1][0]) != records:
        raise SystemExit(f"kafka-producer-perf-test did not send all:\n{run.stdout}\n{run.stderr}")
    return float(printed[-1][1].replace(",", "."))


def ours(bootstrap: str, topic: str, records: int, size: int, journal: Path, more: dict[str, str]) -> float:
    """Run our producer process once and return its records/s, with nothing left unacknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ktrial.clients.producer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    spec = {
        "actor": "bench",
        "journal": str(journal),
        "seed": 7,
        "config": {"bootstrap.servers": bootstrap, **EQUAL, **more},
    }
    _tell(process, spec)
    _hear(process)
    began = time.monotonic()
    _tell(process, {"do": "send", "topic": topic, "first_id": 0, "count": records, "size": size})
    _tell(process, {"do": "flush", "limit_s": ANSWER_S})
    _hear(process)
    _hear(process)
    seconds = time.monotonic() - began
    _tell(process, {"do": "tally"})
    tally = _hear(process)
    _tell(process, {"do": "close"})
    process.communicate()
    if tally["ok"] != records:
        raise SystemExit(f"Our producer did not send all: {tally}")
    return records / seconds


def _tell(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    if "error" in answer:
        raise SystemExit(f"Our producer refused: {answer['error']}")
    return answer


def compare(cluster: EmbeddedCluster, runtime: Runtime, records: int, load: tuple[int, str, str]) -> Row:
    """Run both in turns under one load, each time on a fresh topic."""
    size, batch, idempotence = load
    more = {"batch.size": batch, "enable.idempotence": idempotence}

    def on_fresh_topic(side: str, measure: Callable[[str], float]) -> float:
        topic = f"bench-{size}-{next(TURNS)}-{side}"
        cluster.create_topic(topic, ASSIGNMENT, {})
        rate = measure(topic)
        cluster.delete_topic(topic)
        print(f"  {size:>5} B  {side:<7} {rate:>9,.0f} records/s", file=sys.stderr)
        return rate

    def our_rate(topic: str) -> float:
        with tempfile.TemporaryDirectory() as journal:
            return ours(cluster.bootstrap, topic, records, size, Path(journal), more)

    def their_rate(topic: str) -> float:
        return theirs(runtime, cluster.bootstrap, topic, records, size, more)

    measured = in_turns(
        partial(on_fresh_topic, "ours", our_rate), partial(on_fresh_topic, "theirs", their_rate), ROUNDS
    )
    told = ", ".join(f"{name}={value}" for name, value in more.items())
    row = compared(f"{records:,} x {size} B, {told}", "records/s", *measured)
    row["bound"] = "ratio >= 1.0"
    return row


def run(*, quick: bool) -> list[Row]:
    """Boot a cluster and compare at each record size; `quick` means a tenth of the records."""
    records = 100_000 if quick else 1_000_000
    session = Session.open()
    try:
        runtime = prepare(find_runtime(lambda *_: None), session, lambda _: None)
        with tempfile.TemporaryDirectory() as logs:
            cluster = EmbeddedCluster.boot(session, runtime, SPEC, Path(logs))
            compare(cluster, runtime, WARMING, LOADS[0])  # its very first producers wait for it to settle
            rows = [compare(cluster, runtime, records, load) for load in LOADS]
            cluster.close()
    finally:
        session.close()
    return rows
