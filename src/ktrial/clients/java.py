"""Apache's own tools by their shell names, as child processes: real classes, their output as they print it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from ktrial.errors import StageProblem, UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ktrial.children import Child, Session

TOOLS: Mapping[str, str] = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-storage": "kafka.tools.StorageTool",
}
"""Shell name to main class."""

RUN_LIMIT_S = 60.0


class JavaTools:
    """Starts tools by name; `command` turns a main class and arguments into a command line."""

    def __init__(self, session: Session, command: Callable[..., list[str]]) -> None:
        """Remember how."""
        self._session = session
        self._command = command

    def line(self, tool: str, *arguments: str) -> list[str]:
        """Return the command line of a tool. Raises UsageProblem, with the nearest names, for one unknown."""
        if tool not in TOOLS:
            raise UsageProblem(
                f"Apache Kafka has no tool {tool!r} that ktrial knows.", mend=nearest(tool, TOOLS)
            )
        return self._command(TOOLS[tool], *arguments)

    def start(self, tool: str, *arguments: str, name: str = "") -> Child:
        """Start a tool with pipes as standard input, output and error."""
        pipe = subprocess.PIPE
        line = self.line(tool, *arguments)
        return self._session.spawn(name or tool, line, stdin=pipe, stdout=pipe, stderr=pipe)

    def run(self, tool: str, *arguments: str, stdin: str = "", limit_s: float = RUN_LIMIT_S) -> str:
        """Run a tool to its end and return what it printed.

        Raises StageProblem with its own words when it fails or does not end in time.
        """
        child = self.start(tool, *arguments)
        try:
            out, err = child.process.communicate(stdin.encode(), limit_s)
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise StageProblem(f"{tool} did not end within {limit_s:g} s.") from error
        if child.process.returncode:
            told = (err or out).decode(errors="replace").strip()[-400:]
            raise StageProblem(f"{tool} failed with exit status {child.process.returncode}: {told}")
        return out.decode(errors="replace")
