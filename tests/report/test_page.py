"""report.html and report.md: everything said, nothing fetched, data never markup."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ktrial.cli.entry import enter
from ktrial.history.tables import History
from ktrial.report.markdown import markdown
from ktrial.report.page import html_page
from ktrial.report.pictures import of_setting, of_trial

KEPT = Path(__file__).parents[1] / "histories"
EVIL = "<script>alert(1)</script>"


def _text(words: str) -> dict[str, str]:
    return {"ko": f"{words} (한국어)", "en": words}


def _setting(name: str, verdict: str, **more: Any) -> dict[str, Any]:
    told = {
        "setting": name, "predicted": "broken", "verdict": verdict, "as_predicted": verdict == "broken",
        "summary": _text(f"summary of {name}"), "measured": {"lost": 5}, "doubts": [_text("a doubt")],
        "anomalies": [{"kind": "lost", "count": 5, "examples": [], "sentence": _text("5 are gone")}],
        "faults": [{"fault": "kill", "target": "broker-1", "landed": True, "injected_s": 1.0, "landed_s": 1.5}],
        "history": "", "seconds": 4.0,
    }  # fmt: skip
    return {**told, **more}


def _report(*settings: dict[str, Any]) -> dict[str, Any]:
    trial = {
        "name": "a-trial",
        "question": _text("Lost?"),
        "settings": list(settings),
        "by_hand": [f"echo {EVIL}"],
    }
    lab = {"number": 3, "name": "acks", "title": _text("Acknowledgements"), "seconds": 4.0, "trials": [trial]}
    return {
        "schema": "ktrial.report/1", "ktrial": "0", "kafka": "4.3.1", "client": "c", "seed": 7, "seconds": 4.2,
        "machine": {"system": "Linux", "processors": 2}, "features": {"metadata.version": 29}, "score": {},
        "settings_changed": {"broker": {"a.b": {"value": "1", "default": "2"}}, "asked_for": {"x": EVIL}},
        "disk_bytes": 10, "interrupted": False, "labs": [lab],
    }  # fmt: skip


def _page(report: dict[str, Any]) -> str:
    return html_page(report, lambda _place: None, "en")


def test_everything_is_said_in_both_languages() -> None:
    """Each setting with verdict, sentence, doubt, numbers, faults; each changed setting with its default."""
    page = _page(_report(_setting("acks=1", "broken"), _setting("acks=all", "held")))
    for said in (
        "acks=1",
        "acks=all",
        "✗",
        "✓",
        "summary of acks=1",
        "5 are gone",
        "a doubt",
        "lost 5",
        "kill broker-1",
    ):
        assert said in page
    assert '<span lang="ko">Lost? (한국어)</span><span lang="en">Lost?</span>' in page
    assert "<td>a.b</td><td>1</td><td>2</td>" in page


def test_data_is_never_markup() -> None:
    """A script in a setting's name, a sentence or a command is shown as text."""
    evil = _setting(EVIL, "broken", summary=_text(EVIL), measured={EVIL: EVIL})
    page = _page(_report(evil))
    assert EVIL not in page
    assert page.count("<script>") == 1
    assert "<script>" not in markdown(_report(evil), "en")


def test_nothing_is_fetched() -> None:
    """No address in an attribute, no import: the page opens offline."""
    page = _page(_report(_setting("acks=1", "broken")))
    assert not re.search(r"""(src|href)\s*=|@import|url\(""", page)


def test_markdown_has_a_row_for_each_setting() -> None:
    """Verdict and prediction as words."""
    told = markdown(_report(_setting("a|b", "broken"), _setting("acks=all", "inconclusive")), "ko")
    assert "| 3 a-trial | a\\|b | broken | ✗ broken | 예 | 4.0 |" in told
    assert "? inconclusive" in told


@pytest.mark.parametrize("folder", sorted(KEPT.glob("*/*/*")), ids=lambda path: "/".join(path.parts[-3:]))
def test_a_timeline_is_well_formed(folder: Path) -> None:
    """Every kept run can be drawn, with shapes inside the picture."""
    (drawn, *_) = of_setting({}, History.load(folder))
    picture = ET.fromstring(drawn)
    assert len(list(picture.iter())) > 5
    boxes = [shape for shape in picture.iter() if shape.tag.endswith("rect")]
    assert all(float(box.get("x", "-1")) >= 0 and float(box.get("width", "-1")) >= 0 for box in boxes)


def test_numbers_become_pictures_where_there_are_any() -> None:
    """A grid, a trade-off, pauses, repeats."""
    cell = {"p50_ms": 2.0, "records_per_s": 900, "bytes": 500, "requests_when_paced": 7}
    assert len(of_setting({"cells": {"a": cell, "b": cell}}, None)) == 3
    costs = {"latency_ms": {"acks-0": {"p50": 1.0}}, "records_per_s": {"bursts-acks-0": [5, 9, 7]}}
    assert len(of_setting(costs, None)) == 1
    pauses = {"setting": "x", "measured": {"pause_s": {"0": 1.5}, "processed_again": 3}}
    assert [ET.fromstring(picture).tag.endswith("svg") for picture in of_trial([pauses])] == [
        True,
        True,
    ]


def _run(tmp_path: Path, report: object) -> Path:
    folder = tmp_path / "runs" / "20260101-000000-acks"
    place = "history/acks/a-trial/acks=1"
    shutil.copytree(KEPT / "acks" / "leader-dies-unreplicated" / "acks=1", folder / place)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def test_the_views_are_made_again_from_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both files, with the timeline; a history that is gone is named, and the rest is made."""
    kept = _setting("acks=1", "broken", history="history/acks/a-trial/acks=1")
    gone = _setting("acks=0", "broken", history="history/acks/a-trial/acks=0")
    folder = _run(tmp_path, _report(kept, gone))
    assert enter(["report", "last", "--lang", "ko", "--runs", str(tmp_path / "runs")]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(folder / "report.html"), str(folder / "report.md")]
    assert "acks=0 cannot be read" in err
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert 'data-lang="ko"' in page


@pytest.mark.parametrize(
    ("report", "said"), [({"schema": "x"}, "schema"), ({"schema": "ktrial.report/1"}, "lacks")]
)
def test_what_is_no_report_is_refused(
    report: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 64 and one sentence; nothing is written."""
    folder = _run(tmp_path, report)
    assert enter(["report", "last", "--runs", str(tmp_path / "runs")]) == 64
    assert said in capsys.readouterr().err
    assert not (folder / "report.html").exists()
