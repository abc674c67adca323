"""The end of a run: the final reader's process, and the replicas' logs as Apache's DumpLogSegments prints them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from ktrial.clients.handle import Client
from ktrial.errors import StageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ktrial.stage.ground import Ground

READ_LIMIT_S = 60.0
DUMP_LIMIT_S = 60.0
DUMP_CLASS = "org.apache.kafka.tools.DumpLogSegments"
BATCH_LINE = re.compile(
    r"^baseOffset: (?P<offset>\d+) lastOffset: (?P<last_offset>\d+) count: (?P<records>-?\d+)"
    r".*? partitionLeaderEpoch: (?P<epoch>-?\d+).*? size: (?P<size>\d+).*? crc: (?P<crc>\d+)"
)


def read_everything(ground: Ground, topics: Mapping[str, int], isolations: Sequence[str]) -> None:
    """Read the topics ({name: partitions}) to their ends into the history.

    Raises StageProblem with the reader's own words when it did not reach an end, WaitTimedOut when it says nothing.
    """
    specification = {
        "actor": "final-reader",
        "n": 1,
        "journal": str(ground.notebook.folder),
        "bootstrap": ground.cluster.bootstrap,
        "topics": [{"topic": name, "partitions": partitions} for name, partitions in topics.items()],
        "isolations": list(isolations),
        "limit_s": READ_LIMIT_S,
    }
    reader = Client(ground.session, "reader", specification, ground.logs / "final-reader.log")
    try:
        reader.first.reply(READ_LIMIT_S + 10)
    finally:
        reader.close()


def dump_replicas(ground: Ground, topic: str, partition: int, broker: int) -> None:
    """Note every record batch of one replica's log as a `batch`. Raises StageProblem when the tool fails."""
    node = ground.cluster.nodes[broker]
    segments = sorted((node.folder / "data" / f"{topic}-{partition}").glob("*.log"))
    if not segments:
        raise StageProblem(f"{node.name} has no log of {topic}/{partition}.")
    files = ",".join(str(segment) for segment in segments)
    command = node.runtime.tool_command(DUMP_CLASS, "--files", files)
    done = subprocess.run(command, capture_output=True, text=True, timeout=DUMP_LIMIT_S, check=False)
    if done.returncode != 0:
        raise StageProblem(
            f"DumpLogSegments failed on {node.name}'s {topic}/{partition}: {done.stderr[-300:]}"
        )
    for batch in parsed_batches(done.stdout):
        place = {"topic": topic, "partition": partition, "broker": broker}
        ground.notebook.note("batch", "ok", **place, **batch)


def parsed_batches(printed: str) -> Iterator[dict[str, int]]:
    """Yield the batches of DumpLogSegments' output: base and last offset, records, epoch, size in bytes, CRC."""
    for line in printed.splitlines():
        found = BATCH_LINE.match(line)
        if found:
            yield {name: int(value) for name, value in found.groupdict().items()}
