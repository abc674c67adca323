"""The course on real brokers: every trial with every setting, controls among them, comes out as predicted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ktrial.feed import Feed
from ktrial.lab import Lab
from ktrial.labs import LABS
from ktrial.runner import RunOptions, run
from ktrial.verdict import HELD

pytestmark = pytest.mark.brokers
Report = dict[str, Any]


GIGABYTE = 1_000_000_000


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path, int]:
    """Run the whole course once, as a user does; return its report, its folder and the exit status."""
    runs = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [sys.executable, "-m", "ktrial", "run", "--json", "--seed", "3", "--runs", str(runs)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=dict(os.environ),
    )
    assert done.stdout, done.stderr
    (folder,) = runs.iterdir()
    return json.loads(done.stdout), folder, done.returncode


def _settings(report: Report, lab: str = "") -> list[Report]:
    return [
        {**setting, "place": f"{each['name']}/{trial['name']}/{setting['setting']}"}
        for each in report["labs"]
        if lab in {"", each["name"]}
        for trial in each["trials"]
        for setting in trial["settings"]
    ]


def test_all_comes_out_as_predicted(course: tuple[Report, Path, int]) -> None:
    """Exit status 0: every lab, every trial, every setting that has a prediction."""
    report, _, status = course
    assert [lab["number"] for lab in report["labs"]] == [lab.number for lab in LABS]
    differing = [setting for setting in _settings(report) if not setting["as_predicted"]]
    assert differing == []
    assert status == 0


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_nothing_in_a_lab_was_left_to_luck(lab: Lab, course: tuple[Report, Path, int]) -> None:
    """Held where held is predicted, broken where broken is, with faults that landed and a history that is kept."""
    report, folder, _ = course
    settings = _settings(report, lab.name)
    assert len(settings) == sum(len(trial.settings) for trial in lab.trials)
    for setting in settings:
        if setting["predicted"] is not None:
            assert setting["verdict"] == setting["predicted"], (setting["place"], setting["doubts"])
        assert all(fault["landed"] for fault in setting["faults"]), setting["place"]
        assert list((folder / setting["history"]).glob("*.arrow")), setting["place"]
        for anomaly in setting["anomalies"]:
            assert anomaly["sentence"]["ko"]
            assert anomaly["sentence"]["en"]


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_every_judge_of_a_lab_was_seen_to_fail(lab: Lab, course: tuple[Report, Path, int]) -> None:
    """Each trial that predicts something has a setting that came out broken: its control."""
    settings = _settings(course[0], lab.name)
    for trial in lab.trials:
        if any(setting.predicted is not None for setting in trial.settings):
            broken = [each["verdict"] for each in settings if f"/{trial.name}/" in each["place"]]
            assert "broken" in broken or trial.name in HELD_ALONE, trial.name


HELD_ALONE = {
    "one-broker-dies": "leader-dies-unreplicated has the same judge",
}
"""Trials without a control of their own, and why their judge was seen to fail all the same."""


def test_acks_loses_exactly_what_was_not_replicated(course: tuple[Report, Path, int]) -> None:
    """500 of 500 unreplicated records are missing with acks=0 and 1, none with all; the unclean control is broken."""
    settings = _settings(course[0], "acks")
    measured = {each["setting"]: each for each in settings if "/leader-dies-unreplicated/" in each["place"]}
    assert measured["acks=0"]["measured"]["missing"] == 500
    assert measured["acks=1"]["measured"]["lost"] == 500
    assert measured["acks=all"]["measured"]["lost"] == 0
    assert next(each for name, each in measured.items() if "unclean" in name)["verdict"] == "broken"


def test_a_run_is_bounded_and_says_so(course: tuple[Report, Path, int]) -> None:
    """Disk below 1 GB in all, and the report tells how much."""
    assert 0 < course[0]["disk_bytes"] < GIGABYTE


def test_the_same_seed_gives_the_same_workload(tmp_path: Path) -> None:
    """Two runs with one seed call the same ids with the same keys, in the same order."""
    lab = next(lab for lab in LABS if lab.name == "partitions")
    trials = [trial for trial in lab.trials if trial.name == "same-key"]
    calls = []
    for _ in range(2):
        result = run([(lab, trials)], RunOptions(tmp_path, seed=5), Feed())
        assert result.settings[0].judgement.verdict is HELD
        calls.append(_calls(result.folder / result.settings[0].history))
    assert calls[0] == calls[1]


def _calls(folder: Path) -> list[tuple[int, str]]:
    from ktrial.history.tables import History  # noqa: PLC0415 - polars, needed here only

    frame = History.load(folder).calls.sort("id")
    return list(zip(frame["id"].to_list(), map(str, frame["key"].to_list()), strict=True))
