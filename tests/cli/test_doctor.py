"""`ktrial doctor`: what is lacking is said, with what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ktrial.cli import doctor
from ktrial.cli.entry import enter

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cold_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at an empty cache, and let each machine have enough."""
    monkeypatch.setenv("KTRIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KTRIAL_JAVA", raising=False)
    for need in ("CACHE_MEGABYTES", "RUNS_MEGABYTES", "MEMORY_MEGABYTES"):
        monkeypatch.setattr(doctor, need, 0)


def _findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)["findings"]}


def test_a_fresh_machine_is_able(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Jars and AOT cache come with the first run: they are no lack. Nothing is fetched or made by looking."""
    assert enter(["doctor", "--json", "--runs", str(tmp_path / "runs")]) == 0
    findings = _findings(capsys)
    assert {name for name, found in findings.items() if found["state"] == "later"} == {
        "Kafka's jars",
        "AOT cache",
    }
    assert findings["Java"]["state"] == "ok"
    assert "librdkafka" in findings["packages"]["says"]
    assert list(tmp_path.iterdir()) == []


def test_each_lack_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unfit Java, a full disk and an unwritable folder are lacks, all told at once; exit status 2."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KTRIAL_JAVA", str(tmp_path / "nojava"))
    monkeypatch.setattr(doctor, "CACHE_MEGABYTES", 10**12)
    assert enter(["doctor", "--json", "--runs", str(tmp_path / "file" / "runs")]) == 2
    lacking = {name: found["mend"] for name, found in _findings(capsys).items() if found["state"] == "lacks"}
    assert set(lacking) == {"Java", "AOT cache", "cache folder", "runs folder"}
    assert all(lacking.values())


def test_people_get_a_line_each_and_the_upshot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The state is a word at the beginning of the line."""
    assert enter(["doctor", "--runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.split()[0] in {"ok", "later"} for line in lines[:-2])
    assert lines[-1] == "This machine is able to run ktrial."


def test_a_look_that_breaks_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor looks at broken machines: it must not break with them."""

    def broken() -> str:
        raise ValueError("odd")

    monkeypatch.setattr(doctor, "_memory", broken)
    assert enter(["doctor", "--json", "--runs", str(tmp_path)]) == 2
    assert "odd" in _findings(capsys)["memory"]["says"]
