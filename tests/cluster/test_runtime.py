"""The runtime: jars that are not what the lock says, Javas that do not fit, trainings that fail."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ktrial.children import Session
from ktrial.cluster import jars
from ktrial.cluster.jars import Jar, locked_jars
from ktrial.cluster.java import Java, choose_java
from ktrial.cluster.runtime import Runtime, with_made_parts
from ktrial.cluster.training import prepare
from ktrial.errors import MachineProblem, UsageProblem


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""


def _only(monkeypatch: pytest.MonkeyPatch, jar: Jar) -> None:
    monkeypatch.setattr(jars, "locked_jars", lambda: (jar,))


def test_the_lock_names_each_jar_once_with_its_checksum() -> None:
    """Every entry has a SHA-256 and a size, and no file name comes twice."""
    locked = locked_jars()
    assert len({jar.file_name for jar in locked}) == len(locked) > 80
    assert all(len(jar.sha256) == 64 and jar.bytes > 0 for jar in locked)
    assert {jar.version for jar in locked if jar.group == "org.apache.kafka"} == {jars.KAFKA_VERSION}


def test_a_damaged_jar_is_named_and_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One changed byte is enough; the message says which file and what to do."""
    _only(monkeypatch, Jar("g", "a", "1", 5, hashlib.sha256(b"right").hexdigest()))
    (tmp_path / "a-1.jar").write_bytes(b"wrong")
    with pytest.raises(MachineProblem, match=r"a-1\.jar is damaged or was replaced.*Delete that file"):
        jars.provide(tmp_path, _quiet)


def test_a_whole_jar_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there and right is used as it is."""
    _only(monkeypatch, Jar("g", "a", "1", 5, hashlib.sha256(b"right").hexdigest()))
    (tmp_path / "a-1.jar").write_bytes(b"right")
    assert jars.provide(tmp_path, _quiet) == (tmp_path / "a-1.jar",)


def _java(folder: Path, script: str) -> Path:
    path = folder / "java"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("told", "release"),
    [
        ('openjdk version "21.0.2" 2024-01-16', 21),
        ('java version "17"', 17),
        ('x version "25"', 25),
    ],
)
def test_a_java_of_ones_own_is_taken_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, release: int
) -> None:
    """KTRIAL_JAVA may name the program; its version is asked for."""
    monkeypatch.setenv("KTRIAL_JAVA", str(_java(tmp_path, f"echo '{told}' >&2")))
    assert choose_java().release == release


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'java version \"1.8.0_392\"' >&2", "version 8; Kafka needs 17 or newer"),
        ("exit 3", "does not run"),
        ("echo nothing >&2", "does not tell its version"),
    ],
)
def test_a_java_that_does_not_fit_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    """Too old, broken, or no Java at all: said before anything boots."""
    monkeypatch.setenv("KTRIAL_JAVA", str(_java(tmp_path, script)))
    with pytest.raises(UsageProblem, match=why):
        choose_java()


def _runtime(folder: Path) -> Runtime:
    """Return a runtime whose Java ends at once; the storage template is there already."""
    java = Java(_java(folder, "echo 'no such flag' >&2; exit 1"), 25, "version 25")
    jar, agent = folder / "kafka.jar", folder / "agent.jar"
    for path in (jar, agent, folder / "bootstrap.checkpoint"):
        path.write_bytes(b"x")
    return with_made_parts(Runtime(java, folder, (jar,), agent))


def test_a_training_that_fails_is_said_once_and_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime comes back without a cache, the reason is said, and the next start does not try again."""
    monkeypatch.setenv("KTRIAL_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    runtime = _runtime(tmp_path)
    session = Session.open()
    try:
        assert prepare(runtime, session, said.append).aot_cache is None
        assert "could not be made" in said[-1]
        said.clear()
        assert prepare(runtime, session, said.append).aot_cache is None
        assert said == []
    finally:
        session.close()


def test_a_cache_that_is_not_what_was_trained_is_not_used(tmp_path: Path) -> None:
    """A cache without its checksum, or with another one, is as good as none; with the right one it is used."""
    runtime = _runtime(tmp_path)
    runtime.aot_path.write_bytes(b"cache")
    assert with_made_parts(runtime).aot_cache is None
    sums = runtime.aot_path.with_suffix(".sha256")
    sums.write_text(hashlib.sha256(b"other").hexdigest())
    assert with_made_parts(runtime).aot_cache is None
    sums.write_text(hashlib.sha256(b"cache").hexdigest())
    assert with_made_parts(runtime).aot_cache == runtime.aot_path


def test_another_java_or_another_jar_means_another_cache(tmp_path: Path) -> None:
    """The cache is keyed by Java, jars, agent and flags, so that it can never be stale."""
    runtime = _runtime(tmp_path)
    other_java = Runtime(Java(runtime.java.path, 25, "version 25.0.9"), tmp_path, runtime.jars, runtime.agent)
    assert other_java.aot_path != runtime.aot_path
    before = runtime.aot_path
    runtime.jars[0].write_bytes(b"replaced")
    assert runtime.aot_path != before
