"""The course on real brokers: every trial with every setting, controls among them, comes out as predicted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ktrial.feed import Feed
from ktrial.lab import Lab
from ktrial.labs import LABS
from ktrial.runner import RunOptions, run
from ktrial.verdict import HELD, INCONCLUSIVE

pytestmark = pytest.mark.brokers


@pytest.mark.parametrize("lab", [lab for lab in LABS if lab.name != "acks"], ids=lambda lab: lab.name)
def test_a_lab_comes_out_as_predicted(lab: Lab, tmp_path: Path) -> None:
    """Held where held is predicted, broken where broken is: each judge is seen to fail on real brokers."""
    result = run([(lab, lab.trials)], RunOptions(tmp_path, seed=3), Feed())
    told = [
        (setting.setting, setting.judgement.as_json())
        for setting in result.settings
        if not setting.as_predicted
    ]
    assert told == []
    assert result.exit_status == 0
    for setting in result.settings:
        assert setting.judgement.verdict is not INCONCLUSIVE, (setting.setting, setting.judgement.doubts)
        assert all(fault["landed"] for fault in setting.faults)
        assert list((result.folder / setting.history).glob("*")), "a history is kept"


def test_acks_by_the_command_line_loses_exactly_what_was_not_replicated(tmp_path: Path) -> None:
    """`run acks --json`: 500 of 500 unreplicated records are missing with acks=0 and 1, none with all; exit 0."""
    done = subprocess.run(
        [sys.executable, "-m", "ktrial", "run", "acks", "--json", "--runs", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    trial = report["labs"][0]["trials"][0]
    measured = {setting["setting"]: setting for setting in trial["settings"]}
    assert measured["acks=0"]["measured"]["missing"] == 500
    assert measured["acks=1"]["measured"]["lost"] == 500
    assert measured["acks=all"]["measured"]["lost"] == 0
    control = next(setting for name, setting in measured.items() if "unclean" in name)
    assert control["verdict"] == "broken"
    for setting in trial["settings"]:
        for anomaly in setting["anomalies"]:
            assert anomaly["sentence"]["ko"]
            assert anomaly["sentence"]["en"]


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
