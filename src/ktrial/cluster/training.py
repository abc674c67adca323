"""What is made once per machine by running Kafka once: the storage template and the AOT cache.

The training boots one combined node with the very flags and agent of later runs, makes a topic, and stops it; the JVM
then writes the cache. A training that fails costs start-up time only, and is said once.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from ktrial.cluster import wire
from ktrial.cluster.node import Node
from ktrial.cluster.ports import free_ports
from ktrial.cluster.runtime import Runtime, keep_aot_cache, only_one, with_made_parts
from ktrial.cluster.settings import broker_settings
from ktrial.cluster.topology import BrokerPorts, combined_properties
from ktrial.errors import MachineProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ktrial.children import Session

TEMPLATE_CLUSTER_ID = "ktrial-template-000000"
TRAINING_LIMIT_S = 120.0
FORMAT_LIMIT_S = 60.0


def prepare(runtime: Runtime, session: Session, say: Callable[[str], None]) -> Runtime:
    """Return the runtime with a storage template and, where this Java can, an AOT cache; makes what is missing.

    Raises MachineProblem when not even the storage template can be made.
    """
    if runtime.checkpoint and (runtime.aot_cache or not runtime.java.has_aot_cache):
        return runtime
    with only_one(runtime.folder / "training.lock"):
        runtime = with_made_parts(runtime)
        folder = session.folder / "training"
        if runtime.checkpoint is None:
            _make_template(runtime, folder)
            runtime = with_made_parts(runtime)
        refused = runtime.folder / f"{runtime.aot_path.name}.failed"
        if runtime.aot_cache is None and runtime.java.has_aot_cache and not refused.exists():
            say("Training Kafka's start-up cache (once per machine, about 15 s)")
            reason = _train(runtime, session, folder)
            if reason:
                refused.write_text(reason)
                say(f"The start-up cache could not be made ({reason}); nodes will start more slowly.")
            runtime = with_made_parts(runtime)
        shutil.rmtree(folder, ignore_errors=True)
    return runtime


def _training_node(runtime: Runtime, session: Session, folder: Path) -> Node:
    direct, linked, controller, jmx = free_ports(4)
    ports = BrokerPorts(direct, linked, 0, linked, 0)
    properties = combined_properties(ports, controller, broker_settings(1, {}))
    log = folder / "training.log"
    return Node(1, folder / "node", log, properties, jmx, direct, runtime, session, TEMPLATE_CLUSTER_ID)


def _make_template(runtime: Runtime, folder: Path) -> None:
    """Let Apache's own StorageTool format one folder, and keep its bootstrap.checkpoint."""
    data = folder / "template"
    data.mkdir(parents=True)
    ports = BrokerPorts(1, 2, 0, 2, 0)
    properties = {**combined_properties(ports, 3, broker_settings(1, {})), "log.dirs": str(data)}
    file = folder / "template.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    arguments = ["format", "-t", TEMPLATE_CLUSTER_ID, "-c", str(file)]
    command = runtime.tool_command("kafka.tools.StorageTool", *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MachineProblem(f"kafka-storage format did not end within {FORMAT_LIMIT_S:g} s.") from error
    made = data / "bootstrap.checkpoint"
    if done.returncode != 0 or not made.exists():
        told = (done.stderr or done.stdout).strip()[-400:]
        raise MachineProblem(f"kafka-storage format failed on this machine: {told}")
    aside = runtime.folder / "bootstrap.checkpoint.new"
    shutil.copyfile(made, aside)
    aside.rename(runtime.folder / "bootstrap.checkpoint")


def _train(runtime: Runtime, session: Session, folder: Path) -> str:
    """Boot, use and stop one node that writes the cache; return why it failed, or ''."""
    node = _training_node(runtime, session, folder)
    made = folder / "made.cache"
    node.prepare_folder()
    command = runtime.node_command(node.folder / "server.properties", node.jmx_port, train_to=made)
    with node.log.open("ab") as log:
        child = session.spawn("training", command, cwd=node.folder, stdout=log, stderr=log)
    try:
        if not _makes_topics(node.port, child.wait):
            return f"the training node did not become ready: {node.last_log_lines()}"
        child.process.terminate()
        if not child.wait(TRAINING_LIMIT_S):
            return f"the training did not end within {TRAINING_LIMIT_S:g} s"
    finally:
        child.kill()
    if not made.exists():
        return f"the JVM wrote no cache: {node.last_log_lines()}"
    keep_aot_cache(made, runtime)
    return ""


def _makes_topics(port: int, ended_within: Callable[[float], bool]) -> bool:
    """Wait until the node makes a topic, which proves that it is ready; False when it ended or never did."""
    deadline = time.monotonic() + TRAINING_LIMIT_S
    with wire.Wire(port, timeout_s=5.0) as connection:
        while time.monotonic() < deadline and not ended_within(0.1):
            try:
                answer = connection.ask(wire.create_topic("training", [[1]], {}))
            except wire.Unanswered:
                continue
            if answer.topics[0].error_code.value in {0, 36}:  # none, TOPIC_ALREADY_EXISTS
                return True
    return False
