"""Verdicts: what makes one, and how it looks as JSON."""

from __future__ import annotations

import pytest

from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Anomaly, Judgement, Text, Verdict, verdict_of

SAID = Text(ko="네", en="yes")
BREAKING = Anomaly("lost", 1, ({"id": 7},), SAID, breaks=True)
NUMBER = Anomaly("duplicate", 2, (), SAID, breaks=False)


@pytest.mark.parametrize(
    ("anomalies", "doubts", "verdict"),
    [
        ((), (), HELD),
        ((NUMBER,), (), HELD),
        ((NUMBER,), (SAID,), INCONCLUSIVE),
        ((BREAKING,), (), BROKEN),
        ((NUMBER, BREAKING), (SAID,), BROKEN),
    ],
)
def test_doubt_never_counts_as_held(
    anomalies: tuple[Anomaly, ...], doubts: tuple[Text, ...], verdict: Verdict
) -> None:
    """A breaking anomaly breaks in spite of doubts; a doubt takes away what would have been held."""
    assert verdict_of(anomalies, doubts) is verdict


def test_a_text_has_both_languages() -> None:
    """A text is picked by language."""
    assert (SAID.pick("ko"), SAID.pick("en")) == ("네", "yes")


def test_json_has_the_shape_of_the_report() -> None:
    """Judgements are written as the report's contract says, and whether an anomaly breaks."""
    judgement = Judgement(BROKEN, {"lost": 1}, (BREAKING,), (SAID,), SAID)
    said = {"ko": "네", "en": "yes"}
    assert judgement.as_json() == {
        "verdict": "broken",
        "measured": {"lost": 1},
        "anomalies": [
            {"kind": "lost", "count": 1, "examples": [{"id": 7}], "sentence": said, "breaks": True}
        ],
        "doubts": [said],
        "summary": said,
    }
