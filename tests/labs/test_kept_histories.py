"""Histories of real runs, kept and judged again: a verdict that changes is a judge that changed its mind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ktrial.history.tables import History
from ktrial.labs import LABS
from ktrial.store import safe_name

KEPT = Path(__file__).parents[1] / "histories"
VERDICTS: dict[str, dict[str, object]] = json.loads((KEPT / "verdicts.json").read_text(encoding="utf-8"))
SETTINGS = {
    "/".join(map(safe_name, (lab.name, trial.name, setting.label))): (trial, setting)
    for lab in LABS
    for trial in lab.trials
    for setting in trial.settings
}


@pytest.mark.parametrize("place", sorted(VERDICTS))
def test_a_kept_history_is_judged_as_it_was(place: str) -> None:
    """Verdict and the count of every kind of anomaly are what they were when the run was made."""
    trial, setting = SETTINGS[place]
    judgement = trial.judge_for(setting.value)(History.load(KEPT / place))
    counts = {anomaly.kind: anomaly.count for anomaly in judgement.anomalies}
    assert {"verdict": str(judgement.verdict), "anomalies": counts} == VERDICTS[place]
    assert setting.predicted in {None, judgement.verdict}


def test_every_lab_has_kept_histories() -> None:
    """Held and broken ones, so that both are judged again."""
    kept = {place.split("/")[0] for place in VERDICTS}
    assert kept == {lab.name for lab in LABS}
    assert {each["verdict"] for each in VERDICTS.values()} >= {"held", "broken"}


def test_jmx_tells_the_same_story_as_the_isr() -> None:
    """UnderReplicatedPartitions is 0 before a broker dies, more while it is away, and 0 again after it is back."""
    trial, setting = SETTINGS["replication/isr-shrinks/one-broker-killed"]
    judgement = trial.judge_for(setting.value)(
        History.load(KEPT / "replication/isr-shrinks/one-broker-killed")
    )
    told = judgement.measured["under_replicated_by_jmx"]
    assert isinstance(told, list)
    assert [told[0] == 0, told[1] > 0, told[-1] == 0] == [True, True, True]
