"""One Kafka node: a JVM process with its folder, ports and log, and what ktrial expects of it at this moment."""

from __future__ import annotations

import base64
import os
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ktrial.errors import StageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ktrial.children import Child, Session
    from ktrial.cluster.runtime import Runtime

STOP_LIMIT_S = 30.0


@dataclass(slots=True)
class Node:
    """A node by its id; `expected` is what the last order made of it: new, running, paused, killed or stopped."""

    id: int
    folder: Path
    log: Path
    properties: Mapping[str, str]
    jmx_port: int
    port: int
    runtime: Runtime
    session: Session
    cluster_id: str
    child: Child | None = None
    expected: str = "new"
    formatted: bool = False

    @property
    def name(self) -> str:
        """How histories and people call it."""
        return f"broker-{self.id}" if "broker" in self.properties["process.roles"] else "controller"

    @property
    def pid(self) -> int:
        """The process id of the JVM, or 0 before the first start."""
        return self.child.pid if self.child else 0

    def state(self) -> str:
        """Return running, paused, killed, stopped, new, or `died`: ended although nobody here ended it."""
        if self.child is None:
            return "new"
        seen = self.child.status()
        if seen != "ended":
            return seen
        return self.expected if self.expected in {"killed", "stopped"} else "died"

    def start(self) -> None:
        """Start the JVM; formats the storage on the first start."""
        if self.child and self.child.alive:
            raise StageProblem(f"{self.name} runs already; it cannot be started twice.")
        if not self.formatted:
            self.prepare_folder()
        command = self.runtime.node_command(self.folder / "server.properties", self.jmx_port)
        with self.log.open("ab") as log:
            self.child = self.session.spawn(self.name, command, cwd=self.folder, stdout=log, stderr=log)
        self.expected = "running"  # only now: whoever looks in between must not see a death

    def kill(self) -> None:
        """SIGKILL: the process is gone at once, what it wrote stays in the page cache."""
        self.expected = "killed"
        self._living().kill()

    def stop(self) -> None:
        """SIGTERM and wait: controlled shutdown, in which a broker hands its leaderships over first."""
        self.expected = "stopped"
        child = self._living()
        child.signal(signal.SIGTERM)
        if not child.wait(STOP_LIMIT_S):
            child.kill()
            raise StageProblem(
                f"{self.name} did not stop within {STOP_LIMIT_S:g} s of SIGTERM; it was killed."
            )

    def pause(self) -> None:
        """SIGSTOP: the process holds its sockets and says nothing."""
        self.expected = "paused"
        self._living().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.expected = "running"
        self._living().signal(signal.SIGCONT)

    def last_log_lines(self, count: int = 3) -> str:
        """Return the end of the node's log, for an error message."""
        if not self.log.exists():
            return "no log yet"
        lines = self.log.read_text(errors="replace").splitlines()
        telling = [line for line in lines if "ERROR" in line or "Exception" in line] or lines
        return " | ".join(line.strip()[:300] for line in telling[-count:]) or "its log is empty"

    def _living(self) -> Child:
        if self.child is None or not self.child.alive:
            raise StageProblem(f"{self.name} is not running (state: {self.state()}).")
        return self.child

    def prepare_folder(self) -> None:
        """Lay out what `kafka-storage format` would: the checkpoint is the same for all nodes, the ids are not."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        if self.runtime.checkpoint is None:
            raise StageProblem("The storage template is missing: the runtime was not prepared.")
        shutil.copyfile(self.runtime.checkpoint, data / "bootstrap.checkpoint")
        directory_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        meta = {"version": 1, "cluster.id": self.cluster_id, "node.id": self.id, "directory.id": directory_id}
        (data / "meta.properties").write_text("".join(f"{key}={value}\n" for key, value in meta.items()))
        self.write_properties()
        self.formatted = True

    def write_properties(self) -> None:
        """Write server.properties."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = {**self.properties, "log.dirs": str(self.folder / "data")}
        (self.folder / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
