"""JUnit: a CI reads it with a parser, so a parser reads it here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from ktrial.report.files import write_reports
from ktrial.report.junit import junit_xml
from ktrial.results import LabResult, RunResult, SettingResult, TrialResult
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Anomaly, Judgement, Text, Verdict

LOST = Anomaly("lost", 500, (), Text("사라짐 <&>", 'gone <&> "\x00\ud800'), breaks=True)
DOUBT = Text("장애가 없었습니다.", "The fault did not land.")


def _setting(name: str, predicted: Verdict | None, verdict: Verdict) -> SettingResult:
    anomalies = (LOST,) if verdict is BROKEN else ()
    doubts = (DOUBT,) if verdict is INCONCLUSIVE else ()
    judgement = Judgement(verdict, {"lost": 500}, anomalies, doubts, Text("요약", f"summary of {name}"))
    return SettingResult(name, predicted, judgement, (), 1.5)


RESULT = RunResult(
    Path("unused"),
    "0.1",
    "4.3.1",
    "confluent-kafka",
    7,
    {},
    {},
    {},
    (
        LabResult(
            3,
            "acks",
            Text("승인", "Acks"),
            (
                TrialResult(
                    "leader-dies",
                    Text("?", "?"),
                    (
                        _setting("as predicted broken", BROKEN, BROKEN),
                        _setting("differs", HELD, BROKEN),
                        _setting("doubtful", HELD, INCONCLUSIVE),
                        _setting("measured", None, INCONCLUSIVE),
                    ),
                ),
            ),
            6.0,
        ),
        LabResult(7, "replication", Text("복제", "Replication"), (), 0.0),
    ),
    12.0,
)


def _parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


def test_only_what_differs_fails_and_only_what_is_doubtful_errs() -> None:
    """A predicted `broken` passes; a differing verdict fails; a doubtful one is an error with its doubts."""
    root = _parsed(junit_xml(RESULT))
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {
        "as predicted broken": ["system-out"],
        "differs": ["failure", "system-out"],
        "doubtful": ["error", "system-out"],
        "measured": ["system-out"],
    }
    error = root.find(".//error")
    assert error is not None
    assert error.text == DOUBT.en
    assert error.get("message") == "predicted held, but inconclusive: summary of doubtful"


def test_suites_are_labs_and_their_numbers_add_up() -> None:
    """One suite per lab, a class per trial; the counts are those of the cases."""
    root = _parsed(junit_xml(RESULT))
    suites = {suite.get("name"): suite for suite in root.findall("testsuite")}
    assert list(suites) == ["3 acks", "7 replication"]
    counts = [suites["3 acks"].get(name) for name in ("tests", "failures", "errors")]
    assert counts == ["4", "1", "1"]
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "1", "1")
    case = suites["3 acks"].find("testcase")
    assert case is not None
    assert (case.get("classname"), case.get("time")) == ("acks.leader-dies", "1.500")


def test_what_xml_cannot_hold_is_shown_as_a_question_mark() -> None:
    """A sentence may quote a record's bytes; the file must be readable all the same."""
    failure = _parsed(junit_xml(RESULT)).find(".//failure")
    assert failure is not None
    assert failure.text == 'gone <&> "??'


def test_both_files_are_written_into_the_run(tmp_path: Path) -> None:
    """report.json and junit.xml lie beside each other, in UTF-8."""
    clean = replace(LOST, sentence=Text("사라짐", "gone"))
    judgement = Judgement(BROKEN, {}, (clean,), (), Text("요약", "summary"))
    trial = TrialResult("t", Text("?", "?"), (SettingResult("s", BROKEN, judgement, (), 1.0),))
    lab = LabResult(3, "acks", Text("승인", "Acks"), (trial,), 1.0)
    write_reports(replace(RESULT, folder=tmp_path, labs=(lab,)), "en")
    assert _parsed((tmp_path / "junit.xml").read_text(encoding="utf-8")).tag == "testsuites"
    assert "사라짐" in (tmp_path / "report.json").read_text(encoding="utf-8")
