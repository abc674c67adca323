"""Logs on the stage: what retention, compaction and replication do to the files of a topic, written into the history.

Looked at are the leader's JMX (where the log starts), the brokers' own folders (segments, the cleaner's checkpoint),
and what Apache's DumpLogSegments prints of them. Works on clusters whose folders are on this machine only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ktrial.cluster import jmx
from ktrial.cluster.embedded import PartitionView
from ktrial.errors import StageProblem
from ktrial.stage.backstage import WAIT_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ktrial.stage.backstage import Backstage
    from ktrial.stage.topic import Topic

DUMP_LIMIT_S = 60.0
LOOK_AT_LOGS_S = 0.25
DUMP_CLASS = "org.apache.kafka.tools.DumpLogSegments"
CHECKPOINT = "cleaner-offset-checkpoint"
FILE_LINE = re.compile(r"^Dumping (?P<path>.+\.log)$")
BATCH_LINE = re.compile(
    r"^baseOffset: (?P<offset>\d+) lastOffset: (?P<last_offset>\d+) count: (?P<records>-?\d+)"
    r".*? partitionLeaderEpoch: (?P<epoch>-?\d+).*? isControl: (?P<control>true|false)"
    r".*? size: (?P<size>\d+).*? crc: (?P<crc>\d+)"
)

Brokers = Callable[[PartitionView], tuple[int, ...]]
"""Whose log of a partition is meant."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One replica's segments as they were at `t` (ns), and what its batches are labelled with."""

    folder: Path
    t: int
    labels: dict[str, object]


class Logs:
    """The files behind the topics of one run."""

    def __init__(self, back: Backstage) -> None:
        """Look at the logs of this stage's topics."""
        self._back = back
        self._starts: dict[tuple[str, int], int] = {}
        self._copies: list[Copy] = []

    # ---- what is in the files

    def dump_replicas(self, topic: Topic) -> None:
        """Write every replica's log of the topic, batch by batch, into the history (DumpLogSegments)."""
        self._copy(topic, "", lambda view: view.replicas)
        self.dump_copies()

    def copy(self, topic: Topic, phase: str) -> None:
        """Copy the leaders' segments as they are now, for `dump_copies`; `phase` says which moment that is."""
        self._copy(topic, phase, lambda view: (view.leader,))

    def dump_copies(self) -> None:
        """Write all copies, batch by batch, into the history, each at the time when it was made (DumpLogSegments)."""
        copies = {copy.folder: copy for copy in self._copies}
        for folder, batch in self._batches(list(copies)):
            copy = copies[folder]
            self._back.ground.notebook.note_at(copy.t, "batch", "ok", **copy.labels, **batch)
        for copy in self._copies:
            shutil.rmtree(copy.folder)
        self._copies.clear()

    def note_segments(self, topic: Topic) -> None:
        """Write which segments the leaders have on disk, with their sizes, into the history."""
        for view, folder in self._leading(topic):
            for file in sorted(folder.glob("*.log*")):
                base, _, state = file.name.partition(".log")
                self._note_segment(view, int(base), file.stat().st_size, state.lstrip(".") or "there")

    # ---- waits

    def wait_until_older(self, topic: Topic, seconds: float) -> None:
        """Wait until everything that was written so far is `seconds` old, and watch where the logs start meanwhile."""
        ripe = time.monotonic() + seconds
        looked = 0.0

        def old() -> tuple[bool, str]:
            nonlocal looked
            now = time.monotonic()
            if now - looked >= LOOK_AT_LOGS_S or now >= ripe:
                looked = now
                self._watch_starts(topic)
            return (
                now >= ripe,
                f"{max(0.0, ripe - now):.0f} s to go, logs start at {self._known_starts(topic)}",
            )

        self._back.await_seen(f"{topic.name} to be {seconds:g} s old", old, seconds + WAIT_LIMIT_S)
        self._watch_starts(topic, last=True)

    def wait_until_cleaned(self, topic: Topic, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until the leaders' cleaners have been over all but the active segments."""

        def cleaned() -> tuple[bool, str]:
            levels = [
                (self._cleaned_to(view, folder), _bases(folder)[-1]) for view, folder in self._leading(topic)
            ]
            told = ", ".join(f"cleaned to {done} of {active}" for done, active in levels)
            return bool(levels) and all(done >= active for done, active in levels), told

        self._back.await_seen(f"{topic.name} to be compacted up to its active segments", cleaned, limit_s)
        for view, folder in self._leading(topic):
            self._measure("CleanerCheckpoint", self._cleaned_to(view, folder), view, file=CHECKPOINT)

    def wait_until_files_are_gone(self, topic: Topic, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until the leaders have no file left of a segment that they have deleted; write down what is left."""

        def gone() -> tuple[bool, str]:
            left = [file.name for _, folder in self._leading(topic) for file in folder.glob("*.deleted")]
            return not left, f"{len(left)} files"

        self._back.await_seen(f"deleted segments of {topic.name} to leave the disk", gone, limit_s)
        self.note_segments(topic)

    # ---- inside

    def _leading(self, topic: Topic) -> Iterator[tuple[PartitionView, Path]]:
        """Yield each partition that has a leader, and its folder on that leader."""
        for view in self._back.sight.views(self._back.topic(topic)):
            if view.leader >= 0:
                yield view, self._folder(view, view.leader)

    def _folder(self, view: PartitionView, broker: int) -> Path:
        return self._back.cluster.nodes[broker].folder / "data" / f"{view.topic}-{view.partition}"

    def _watch_starts(self, topic: Topic, *, last: bool = False) -> None:
        """Write down where logs start when that is news, and at the `last` look."""
        for view, _ in self._leading(topic):
            place = (view.topic, view.partition)
            start = jmx.log_start_offset(self._back.cluster.nodes[view.leader], *place)
            if start != self._starts.get(place) or last:
                self._measure("LogStartOffset", start, view)
                if start > self._starts.get(place, start):
                    self._back.happened(f"{topic.name}/{view.partition}: the log starts at {start}")
                self._starts[place] = start

    def _known_starts(self, topic: Topic) -> list[int]:
        name = self._back.topic(topic)
        return [start for (known, _), start in sorted(self._starts.items()) if known == name]

    def _cleaned_to(self, view: PartitionView, folder: Path) -> int:
        """Return the offset up to which the leader's cleaner says that it has cleaned; -1 when it says nothing."""
        file = folder.parent / CHECKPOINT
        wanted = [view.topic, str(view.partition)]
        for line in file.read_text().splitlines() if file.exists() else ():
            if line.split(" ")[:2] == wanted:
                return int(line.split(" ")[2])
        return -1

    def _measure(self, name: str, value: int, view: PartitionView, **more: object) -> None:
        labels = {"topic": view.topic, "partition": view.partition, "broker": view.leader, **more}
        self._back.ground.notebook.note("metric", "ok", name=name, value=float(value), labels=labels)

    def _note_segment(self, view: PartitionView, base: int, size: int, state: str) -> None:
        place = {"topic": view.topic, "partition": view.partition, "broker": view.leader}
        self._back.ground.notebook.note("segment", "ok", **place, base=base, size=size, state=state)

    def _copy(self, topic: Topic, phase: str, brokers: Brokers) -> None:
        """Copy segments, so that neither the cleaner nor retention takes them from under the tool's hands."""
        for view in self._back.sight.views(self._back.topic(topic)):
            for broker in brokers(view):
                labels: dict[str, object] = {
                    "topic": view.topic,
                    "partition": view.partition,
                    "broker": broker,
                }
                if phase:
                    labels["phase"] = phase
                folder = self._back.cluster.folder / "copies" / f"{view.topic}-{time.monotonic_ns()}"
                folder.mkdir(parents=True)
                self._copies.append(Copy(folder, time.monotonic_ns(), labels))
                for file in sorted(self._folder(view, broker).glob("*.log")):
                    shutil.copyfile(file, folder / file.name)

    def _batches(self, folders: list[Path]) -> Iterator[tuple[Path, dict[str, object]]]:
        """Yield folder and batch of every batch. Raises StageProblem when the tool fails."""
        files = [str(file) for folder in folders for file in sorted(folder.glob("*.log"))]
        if not files:
            raise StageProblem("There is no log to dump.")
        runtime = next(iter(self._back.cluster.nodes.values())).runtime
        command = runtime.tool_command(DUMP_CLASS, "--files", ",".join(files))
        done = subprocess.run(command, capture_output=True, text=True, timeout=DUMP_LIMIT_S, check=False)
        if done.returncode != 0:
            raise StageProblem(f"DumpLogSegments failed on {files}: {done.stderr[-300:]}")
        yield from parsed_batches(done.stdout.splitlines())


def _bases(folder: Path) -> list[int]:
    """Return the base offsets of the segments in a folder, in order; the last one is the active segment's."""
    return sorted(int(file.stem) for file in folder.glob("*.log"))


def parsed_batches(lines: Iterable[str]) -> Iterator[tuple[Path, dict[str, object]]]:
    """Yield the folder and each batch that DumpLogSegments printed.

    A batch is {"offset", "last_offset", "records", "epoch", "size" in bytes, "crc", "segment": base offset of its
    file, and "control": True for transaction markers}.
    """
    file: Path | None = None
    for line in lines:
        named = FILE_LINE.match(line)
        if named:
            file = Path(named["path"])
        found = BATCH_LINE.match(line)
        if found and file:
            numbers = {name: int(value) for name, value in found.groupdict().items() if name != "control"}
            marker = {"control": True} if found["control"] == "true" else {}
            yield file.parent, {**numbers, "segment": int(file.stem), **marker}
