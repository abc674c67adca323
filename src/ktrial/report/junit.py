"""A finished run as JUnit XML: a suite per lab, a case per setting of a trial.

A verdict that differs from the predicted one is a failure; one that was predicted but could not be given is an
error, with its doubts; a predicted `broken` that was broken passes, and so does what is only measured.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ktrial.verdict import INCONCLUSIVE

if TYPE_CHECKING:
    from ktrial.results import LabResult, RunResult, SettingResult, TrialResult

UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def junit_xml(result: RunResult) -> str:
    """Return the run as JUnit XML text."""
    root = Element("testsuites", name="ktrial", time=_seconds(result.seconds))
    for lab in result.labs:
        _suite(root, lab, result)
    _count(root)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, lab: LabResult, result: RunResult) -> None:
    suite = SubElement(root, "testsuite", name=_clean(f"{lab.number} {lab.name}"), time=_seconds(lab.seconds))
    properties = SubElement(suite, "properties")
    facts = {
        "ktrial": result.ktrial,
        "kafka": result.kafka,
        "client": result.client,
        "seed": str(result.seed),
    }
    for name, value in facts.items():
        SubElement(properties, "property", name=name, value=_clean(value))
    for trial in lab.trials:
        for setting in trial.settings:
            _case(suite, lab, trial, setting)
    _count(suite)


def _case(suite: Element, lab: LabResult, trial: TrialResult, setting: SettingResult) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_clean(f"{lab.name}.{trial.name}"),
        name=_clean(setting.setting),
        time=_seconds(setting.seconds),
    )
    judgement = setting.judgement
    if not setting.as_predicted:
        doubtful = judgement.verdict is INCONCLUSIVE
        said = [anomaly.sentence.en for anomaly in judgement.anomalies]
        said += [doubt.en for doubt in judgement.doubts]
        told = SubElement(
            case,
            "error" if doubtful else "failure",
            type=str(judgement.verdict),
            message=_clean(f"predicted {setting.predicted}, but {judgement.verdict}: {judgement.summary.en}"),
        )
        told.text = _clean("\n".join(said))
    measured = json.dumps(dict(judgement.measured), ensure_ascii=False, default=str)
    SubElement(case, "system-out").text = _clean(f"{judgement.verdict}: {judgement.summary.en}\n{measured}")


def _count(element: Element) -> None:
    """Note how many cases are below an element, and how many of them failed."""
    listed = list(element.iter("testcase"))
    element.set("tests", str(len(listed)))
    for what, plural in (("failure", "failures"), ("error", "errors")):
        element.set(plural, str(sum(case.find(what) is not None for case in listed)))


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _clean(text: str) -> str:
    """Return text with what XML cannot hold shown as a question mark."""
    return UNWRITABLE.sub("?", text)
