"""Apache's own tools on the stage: what a person would type, and what it printed, written into the history."""

from __future__ import annotations

import re
import signal
import threading
from typing import IO, TYPE_CHECKING

import numpy as np

from ktrial.clients.java import JavaTools
from ktrial.cluster.embedded import await_condition
from ktrial.errors import StageProblem
from ktrial.history.payload import Encoder, decode, encode
from ktrial.stage.journals import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ktrial.children import Child
    from ktrial.stage.ground import Ground
    from ktrial.stage.topic import Topic

LAG_LIMIT_S = 30.0
CLOSE_LIMIT_S = 15.0
RECORD_BYTES = 40
PRINTED = re.compile(
    r"^Partition:(?P<partition>\d+)\tOffset:(?P<offset>\d+)\t(?P<key>[^\t]*)\t(?P<value>.*)$"
)
FIGURES = ("records", "records_per_s", "mb_per_s", "avg_ms", "max_ms", "p50_ms", "p95_ms", "p99_ms")
PERFORMANCE = re.compile(
    r"^(\d+) records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\), ([\d.]+) ms avg latency, "
    r"([\d.]+) ms max latency, ([\d.]+) ms 50th, ([\d.]+) ms 95th, ([\d.]+) ms 99th",
    re.MULTILINE,
)
PAYLOADS = 256
SHOWN = ("print.partition", "print.offset", "print.key")


class Tools:
    """The tools of one run; each notes what it did as an operation of an actor with the tool's name."""

    def __init__(self, ground: Ground, named: Callable[[Topic], str]) -> None:
        """Remember the stage's ground; `named` gives the name of a topic on the cluster."""
        self._ground = ground
        self._named = named
        runtime = next(iter(ground.cluster.nodes.values())).runtime
        self._java = JavaTools(ground.session, runtime.tool_command)

    def run(self, tool: str, *arguments: str, stdin: str = "") -> str:
        """Run a tool against the cluster, keep what it printed in the history, and return it."""
        at = ("--bootstrap-server", self._ground.cluster.bootstrap)
        printed = self._java.run(tool, *at, *arguments, stdin=stdin)
        self._ground.notebook.note("tool", "ok", tool=tool, arguments=list(arguments), printed=printed[:4000])
        return printed

    def describe_quorum(self) -> dict[str, str]:
        """Return what `kafka-metadata-quorum describe --status` tells, by its own labels."""
        printed = self.run("kafka-metadata-quorum", "describe", "--status")
        return dict(re.findall(r"^(\w+):\s+(.*)$", printed, re.MULTILINE))

    def produce(self, topic: Topic, count: int, first_id: int, keys: int) -> None:
        """Type `count` records `key:value` into kafka-console-producer.

        The tool does not tell what became of each record, so their outcome is unknown until the log is read.
        """
        name = self._named(topic)
        notebook = Notebook(self._ground.notebook.folder, "kafka-console-producer")
        lines = []
        for number in range(first_id, first_id + count):
            key = f"key-{number % keys}"
            notebook.note("send", "called", id=number, topic=name, key=key)
            lines.append(f"{key}:{encode(number, key.encode(), RECORD_BYTES).decode()}\n")
        properties = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
        self.run("kafka-console-producer", "--topic", name, *properties, stdin="".join(lines))
        for number in range(first_id, first_id + count):
            told = "kafka-console-producer ended without an error; it tells nothing of single records"
            notebook.note("send", "unknown", id=number, topic=name, error=told)
        notebook.close()

    def performance(
        self, topic: Topic, records: int, size: int, config: Mapping[str, str], **labels: object
    ) -> None:
        """Let kafka-producer-perf-test send orders as JSON as fast as it can, and note the figures that it prints."""
        values = Encoder(self._ground.seed, size, "json").encode(np.arange(PAYLOADS), None)
        payloads = self._ground.logs / "orders.json"
        payloads.write_bytes(b"\n".join(values) + b"\n")
        properties = [f"{name}={value}" for name, value in config.items()]
        arguments = ["--topic", self._named(topic), "--num-records", str(records), "--throughput", "-1"]
        arguments += ["--payload-file", str(payloads), "--command-property", *properties]
        at = f"bootstrap.servers={self._ground.cluster.bootstrap}"
        printed = self._java.run("kafka-producer-perf-test", *arguments, at)
        self._ground.notebook.note(
            "tool", "ok", tool="kafka-producer-perf-test", printed=printed[-4000:], **labels
        )
        for name, value in told_performance(printed).items():
            self._ground.notebook.note("metric", "ok", name=name, value=value, labels=labels)

    def consume(self, topic: Topic, group: str, actor: str) -> int:
        """Read with kafka-console-consumer in a group, from the beginning, until the group has nothing left.

        That is seen from outside, in `kafka-consumer-groups --describe`: a member owns every partition and the lag
        is 0 everywhere. Returns how many records it printed, each written down as read by `actor`.
        """
        name, group = self._named(topic), self._ground.group(group)
        shown = [part for each in SHOWN for part in ("--formatter-property", f"{each}=true")]
        arguments = ["--bootstrap-server", self._ground.cluster.bootstrap, "--topic", name, "--group", group]
        arguments += ["--from-beginning", "--command-property", "auto.commit.interval.ms=200", *shown]
        child = self._java.start("kafka-console-consumer", *arguments, name=actor)
        notebook = Notebook(self._ground.notebook.folder, actor)
        read: list[int] = []
        ears = threading.Thread(target=_listen, args=(child, name, group, notebook, read), daemon=True)
        ears.start()
        try:
            await_condition(
                f"group {group} to have read all", lambda: self._caught_up(child, group, topic), LAG_LIMIT_S
            )
        finally:
            child.signal(signal.SIGTERM)
            if not child.wait(CLOSE_LIMIT_S):
                child.kill()
        ears.join(CLOSE_LIMIT_S)
        for pipe in (child.process.stdin, child.process.stdout, child.process.stderr):
            if pipe:
                pipe.close()
        notebook.close()
        return len(read)

    def _caught_up(self, child: Child, group: str, topic: Topic) -> tuple[bool, str]:
        if not child.alive:
            raise StageProblem(
                f"kafka-console-consumer ended by itself (exit status {child.process.returncode})."
            )
        try:
            rows = describe_group(self.run("kafka-consumer-groups", "--describe", "--group", group))
        except StageProblem as problem:  # the group does not exist before its first member
            return False, str(problem)
        owned = [row for row in rows if row["CONSUMER-ID"] != "-"]
        level = len(owned) == topic.partitions and all(row["LAG"] == "0" for row in owned)
        return level, f"lags {[row['LAG'] for row in owned]}"


def _listen(child: Child, topic: str, group: str, notebook: Notebook, read: list[int]) -> None:
    """Write down every record of ours that the console consumer prints, until it ends."""
    stdout: IO[bytes] | None = child.process.stdout
    assert stdout is not None
    for raw in stdout:
        found = PRINTED.match(raw.decode(errors="replace").rstrip("\n"))
        told = decode(found["value"].encode(), found["key"].encode()) if found else None
        if found is None or told is None:
            continue
        notebook.note(
            "read",
            "ok",
            id=told[0],
            topic=topic,
            partition=int(found["partition"]),
            offset=int(found["offset"]),
            key=found["key"],
            isolation="read_uncommitted",
            group=group,
            intact=told[1],
        )
        read.append(told[0])


def told_performance(printed: str) -> dict[str, float]:
    """Return the figures of the last line of kafka-producer-perf-test, by the names of our own.

    Raises StageProblem for another output.
    """
    found = PERFORMANCE.findall(printed)
    if not found:
        raise StageProblem(f"kafka-producer-perf-test told no figures: {printed[-200:]!r}.")
    return dict(zip(FIGURES, map(float, found[-1]), strict=True))


def describe_group(printed: str) -> list[dict[str, str]]:
    """Return the rows of `kafka-consumer-groups --describe`, by column."""
    lines = [line.split() for line in printed.splitlines() if line.strip()]
    heads = next((line for line in lines if line[0] == "GROUP"), [])
    return [
        dict(zip(heads, line, strict=False))
        for line in lines
        if heads and line[0] != "GROUP" and len(line) >= len(heads)
    ]
