"""Boot: one controller and three brokers to readiness, ours against Kafka's stock way, in turns.

Ours: storage from a template, small flags, the AOT cache. Stock: `kafka-storage format` for each node, then every node
with the heap and flags of Kafka's own start scripts (kafka-server-start.sh, kafka-run-class.sh). Both have the same
settings, the same links in front of them, and the same readiness: all registered, a topic with three replicas made.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from bench.sides import compared, in_turns
from ktrial.children import Session
from ktrial.cluster.embedded import EmbeddedCluster
from ktrial.cluster.runtime import Runtime, find_runtime
from ktrial.cluster.topology import ClusterSpec
from ktrial.cluster.training import prepare

if TYPE_CHECKING:
    from ktrial.cluster.node import Node

STOCK_FLAGS = (
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
)
ROUNDS, QUICK_ROUNDS = 5, 1
BOUND = "ratio <= 0.35"


class StockRuntime(Runtime):
    """A runtime whose nodes start as Kafka's own scripts start them."""

    def node_command(self, properties: Path, _jmx_port: int, *, train_to: Path | None = None) -> list[str]:
        """Return the stock command line of one node; it trains nothing."""
        assert train_to is None
        logging = f"-Dlog4j2.configurationFile=file:{self.folder / 'log4j2.properties'}"
        return [
            str(self.java.path),
            *STOCK_FLAGS,
            logging,
            "-cp",
            self.classpath,
            "kafka.Kafka",
            str(properties),
        ]


def run(*, quick: bool) -> list[dict[str, object]]:
    """Boot and end both kinds of cluster in turns."""
    session = Session.open()
    try:
        runtime = prepare(find_runtime(lambda _what, _done, _total: None), session, _say)
        stock = StockRuntime(**{each.name: getattr(runtime, each.name) for each in fields(Runtime)})
        with tempfile.TemporaryDirectory() as logs:
            _ours(session, runtime, Path(logs))  # warms the page cache for both sides
            ours, baseline = in_turns(
                lambda: _ours(session, runtime, Path(logs)),
                lambda: _stock(session, stock, Path(logs)),
                QUICK_ROUNDS if quick else ROUNDS,
            )
    finally:
        session.close()
    return [{**compared("boot to readiness", "s", ours, baseline), "bound": BOUND}]


def _ours(session: Session, runtime: Runtime, logs: Path) -> float:
    began = time.monotonic()
    cluster = EmbeddedCluster.boot(session, runtime, ClusterSpec(), logs)
    seconds = time.monotonic() - began
    cluster.close()
    return seconds


def _stock(session: Session, runtime: StockRuntime, logs: Path) -> float:
    began = time.monotonic()
    cluster = EmbeddedCluster.laid_out(session, runtime, ClusterSpec(), logs)
    try:
        for node in cluster.nodes.values():
            _format(runtime, node)
        cluster.start_all()
        return time.monotonic() - began
    finally:
        cluster.close()


def _format(runtime: StockRuntime, node: Node) -> None:
    """Format one node's storage by `kafka-storage format`, with the stock flags of a tool."""
    node.write_properties()
    command = [str(runtime.java.path), "-Xmx256M", "-cp", runtime.classpath, "kafka.tools.StorageTool"]
    arguments = ["format", "-t", node.cluster_id, "-c", str(node.folder / "server.properties")]
    subprocess.run([*command, *arguments], check=True, capture_output=True)
    node.formatted = True


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
