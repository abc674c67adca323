"""What runs a node: Java, Kafka's jars, the JMX agent, the AOT cache and the storage template.

Made once per machine below `<cache>/kafka-<version>` and shared by every run: the jars (see jars.py), one AOT cache
per combination of Java, jars, agent and flags (so that it can never be stale), and the `bootstrap.checkpoint` that
each node's storage starts from. Leaves out the nodes themselves.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING

from ktrial.cluster.jars import KAFKA_VERSION, lock_text, provide
from ktrial.cluster.java import Java, choose_java
from ktrial.environment import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NODE_FLAGS = (
    "-Xmx384m",
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)
QUIET_AOT = ("-Xlog:disable", "-Xlog:all=error:stderr")
"""The JVM warns harmlessly about classes it could not archive; its errors stay."""
TOOL_FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
AGENT_ARTIFACT = "jolokia-agent-jvm"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that a node needs to start; `aot_cache` and `checkpoint` are None until they were made."""

    java: Java
    folder: Path
    jars: tuple[Path, ...]
    agent: Path
    aot_cache: Path | None = None
    checkpoint: Path | None = None

    @property
    def classpath(self) -> str:
        """All jars but the agent, in the lock's order (the AOT cache depends on it)."""
        return os.pathsep.join(str(jar) for jar in self.jars)

    @property
    def aot_path(self) -> Path:
        """Where the AOT cache for this very combination belongs."""
        parts = [
            self.java.version,
            str(self.java.path),
            lock_text(),
            str(self.agent),
            *NODE_FLAGS,
            self.classpath,
        ]
        parts += [f"{jar.stat().st_size}:{jar.stat().st_mtime_ns}" for jar in (*self.jars, self.agent)]
        return self.folder / f"aot-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:16]}.cache"

    def node_command(self, properties: Path, jmx_port: int, *, train_to: Path | None = None) -> list[str]:
        """Return the command of one node; with `train_to`, of the run that trains the AOT cache."""
        agent = (
            f"-javaagent:{self.agent}=port={jmx_port},host=127.0.0.1,discoveryEnabled=false,"
            f"policyLocation=file://{self.folder / 'jolokia-policy.xml'}"
        )
        logging = f"-Dlog4j2.configurationFile=file:{self.folder / 'log4j2.properties'}"
        scratch = f"-Djava.io.tmpdir={properties.parent}"  # what is unpacked there goes with the folder
        command = [str(self.java.path), *NODE_FLAGS, *QUIET_AOT, scratch]
        if train_to:
            command.append(f"-XX:AOTCacheOutput={train_to}")
        elif self.aot_cache:
            command.append(f"-XX:AOTCache={self.aot_cache}")
        return [*command, agent, logging, "-cp", self.classpath, "kafka.Kafka", str(properties)]

    def tool_command(self, main_class: str, *arguments: str) -> list[str]:
        """Return the command of one of Apache's tools; it uses the node's AOT cache where that fits."""
        command = [str(self.java.path), *TOOL_FLAGS, *QUIET_AOT]
        if self.aot_cache:
            command += [f"-XX:AOTCache={self.aot_cache}", "--add-modules", "java.instrument"]
        return [*command, "-cp", self.classpath, main_class, *arguments]


def find_runtime(progress: Callable[[str, int, int], None]) -> Runtime:
    """Return the runtime with checked jars, and with AOT cache and storage template where they exist already.

    Raises UsageProblem for an unfit `KTRIAL_JAVA` and MachineProblem for jars that cannot be had or are damaged.
    """
    java = choose_java()
    folder = cache_folder() / f"kafka-{KAFKA_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / "fetch.lock"):
        paths = provide(folder / "jars", progress)
    _place(folder, "jolokia-policy.xml")
    _place(folder, "log4j2.properties")
    agent = next(path for path in paths if path.name.startswith(AGENT_ARTIFACT))
    runtime = Runtime(java, folder, tuple(path for path in paths if path != agent), agent)
    return with_made_parts(runtime)


def with_made_parts(runtime: Runtime) -> Runtime:
    """Return the runtime with the parts that a training has made by now."""
    checkpoint = runtime.folder / "bootstrap.checkpoint"
    aot = runtime.aot_path
    return replace(
        runtime,
        aot_cache=aot if runtime.java.has_aot_cache and _is_whole(aot) else None,
        checkpoint=checkpoint if checkpoint.exists() else None,
    )


def keep_aot_cache(made: Path, runtime: Runtime) -> None:
    """Put a freshly trained cache in its place, with the checksum that tells it from a damaged one."""
    target = runtime.aot_path
    _sum_file(target).write_text(_sha256(made))
    shutil.move(made, target)
    for older in runtime.folder.glob("aot-*.cache"):
        if older != target:
            older.unlink(missing_ok=True)
            _sum_file(older).unlink(missing_ok=True)


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Let one process at a time into the body, by an advisory lock on `path`."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _place(folder: Path, name: str) -> None:
    """Copy a file that ships with ktrial beside the jars, where the JVM can read it."""
    text = (resources.files("ktrial.cluster") / name).read_text()
    target = folder / name
    if not target.exists() or target.read_text() != text:
        aside = folder / f"{name}.{os.getpid()}"
        aside.write_text(text)
        aside.rename(target)


def _sum_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(aot: Path) -> bool:
    """Whether the cache is there and is byte for byte what the training wrote (a damaged one may crash the JVM)."""
    return aot.exists() and _sum_file(aot).exists() and _sum_file(aot).read_text() == _sha256(aot)
