"""Results: as predicted or not, the exit status, and the report contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ktrial.results import LabResult, RunResult, SettingResult, TrialResult
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Anomaly, Judgement, Text, Verdict

SENTENCE = Text("사라졌습니다.", "It is gone.")


def _setting(predicted: Verdict | None, verdict: Verdict) -> SettingResult:
    anomalies = (Anomaly("lost", 1, ({"id": 117},), SENTENCE, breaks=True),) if verdict is BROKEN else ()
    doubts = (SENTENCE,) if verdict is INCONCLUSIVE else ()
    judgement = Judgement(verdict, {"acknowledged": 7}, anomalies, doubts, SENTENCE)
    return SettingResult(
        "acks=1", predicted, judgement, ({"fault": "kill", "landed": True},), 1.23456, "history/x"
    )


def _run(*settings: SettingResult, interrupted: bool = False) -> RunResult:
    trial = TrialResult("leader-dies", Text("질문?", "Question?"), settings, ("kafka-topics --list",))
    lab = LabResult(3, "acks", Text("승인", "Acks"), (trial,), 2.0)
    return RunResult(
        Path("runs/x"),
        "0.1",
        "4.3.1",
        "client",
        7,
        {"processors": 2},
        {},
        {},
        (lab,),
        3.0,
        interrupted=interrupted,
    )


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ([(BROKEN, BROKEN), (HELD, HELD)], 0),
        ([(HELD, HELD), (None, INCONCLUSIVE), (None, BROKEN)], 0),
        ([(HELD, INCONCLUSIVE), (BROKEN, BROKEN)], 2),
        ([(HELD, INCONCLUSIVE), (BROKEN, HELD)], 1),
        ([(HELD, BROKEN)], 1),
        ([], 2),
    ],
)
def test_the_exit_status_is_the_worst_that_was_predicted(
    settings: list[tuple[Verdict | None, Verdict]], status: int
) -> None:
    """A differing verdict outweighs a doubtful one; what was only measured counts for neither."""
    assert _run(*(_setting(*each) for each in settings)).exit_status == status


def test_an_interrupted_run_says_so() -> None:
    """130, whatever came out before."""
    assert _run(_setting(HELD, HELD), interrupted=True).exit_status == 130


def test_the_report_has_the_shape_of_the_contract() -> None:
    """Other programs read report.json: its names and nesting do not change."""
    report = json.loads(json.dumps(_run(_setting(BROKEN, BROKEN)).as_json()))
    assert report["schema"] == "ktrial.report/1"
    assert {"ktrial", "kafka", "client", "seed", "machine", "settings_changed", "seconds"} <= report.keys()
    lab = report["labs"][0]
    assert (lab["number"], lab["name"]) == (3, "acks")
    setting = lab["trials"][0]["settings"][0]
    assert setting["setting"] == "acks=1"
    assert (setting["predicted"], setting["verdict"], setting["as_predicted"]) == ("broken", "broken", True)
    assert setting["summary"] == {"ko": SENTENCE.ko, "en": SENTENCE.en}
    assert setting["measured"] == {"acknowledged": 7}
    anomaly = setting["anomalies"][0]
    assert (anomaly["kind"], anomaly["count"], anomaly["examples"]) == ("lost", 1, [{"id": 117}])
    assert anomaly["sentence"]["en"] == "It is gone."
    assert setting["faults"] == [{"fault": "kill", "landed": True}]
    assert setting["seconds"] == 1.235


def test_what_was_only_measured_is_never_unpredicted() -> None:
    """A setting without a prediction cannot differ from it, and the report says null."""
    setting = _setting(None, BROKEN)
    assert setting.as_predicted
    assert setting.as_json()["predicted"] is None
