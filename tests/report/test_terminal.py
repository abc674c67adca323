"""The lines of one setting: what a person reads first, and nothing twice."""

from __future__ import annotations

import pytest

from ktrial.report.measured import measured_lines
from ktrial.report.terminal import setting_lines
from ktrial.report.words import columns, sign, width
from ktrial.results import SettingResult
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Anomaly, Judgement, Text, Verdict

HEADLINE = "500 of 700 acknowledged records are gone"
LOST = Anomaly("lost", 500, (), Text("사라짐", f"{HEADLINE}. First: record 117."), breaks=True)
DUPLICATE = Anomaly("duplicate", 2, (), Text("중복", "2 records are there twice."), breaks=False)


def _lines(predicted: Verdict | None, judgement: Judgement) -> list[str]:
    result = SettingResult("acks=1", predicted, judgement, (), 4.0)
    return ["".join(text for text, _ in line) for line in setting_lines(result, "en", "utf-8")]


def test_evidence_that_says_all_stands_alone() -> None:
    """A summary that only repeats the evidence is left out; what breaks nothing is no evidence."""
    judgement = Judgement(BROKEN, {}, (LOST, DUPLICATE), (), Text("요약", f"{HEADLINE}."))
    assert _lines(BROKEN, judgement) == [
        "✗ broken  acks=1  (predicted broken: as predicted, 4.0 s)",
        LOST.sentence.en,
    ]


def test_a_doubt_is_always_said() -> None:
    """An inconclusive setting says why."""
    judgement = Judgement(
        INCONCLUSIVE, {}, (), (Text("?", "the fault did not land."),), Text("?", "No verdict.")
    )
    assert _lines(HELD, judgement) == [
        "? inconclusive  acks=1  (predicted held: not as predicted, 4.0 s)",
        "No verdict.",
        "doubt: the fault did not land.",
    ]


def test_what_is_only_measured_shows_its_numbers() -> None:
    """Without a prediction the numbers are the result."""
    judgement = Judgement(HELD, {"sent": 700, "lost": 0}, (), (), Text("좋음", "All is there."))
    assert _lines(None, judgement)[1:] == ["All is there.", "sent 700"]


def test_tables_of_numbers_have_a_line_per_row() -> None:
    """Nested numbers are rows; zeros and lists of objects are left to the report."""
    measured = {
        "lost": 0,
        "sent": 7,
        "latency_ms": {"acks=0": {"p50": 0.1}, "acks=1": {"p50": 2}},
        "x": [{"a": 1}],
    }
    assert measured_lines(measured) == ["sent 7", "latency_ms acks=0: p50 0.1", "latency_ms acks=1: p50 2"]


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "✓"), ("ascii", "+"), (None, "+"), ("nonsense", "+")]
)
def test_a_sign_is_one_that_can_be_written(encoding: str | None, shown: str) -> None:
    """A terminal without the letter gets ASCII."""
    assert sign(HELD, encoding) == shown


def test_columns_stand_below_each_other_in_korean() -> None:
    """A syllable takes two cells."""
    lines = columns([("지켜짐", "x"), ("held", "y")])
    assert [width(line[: line.index(letter)]) for line, letter in zip(lines, "xy", strict=True)] == [8, 8]
