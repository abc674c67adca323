"""What a judge may say: verdicts, anomalies with their evidence, doubts, and all of them as JSON.

A breaking anomaly makes the verdict *broken*; without one, any doubt makes it *inconclusive*; only a judgement with
neither is *held*. Doubt never counts as held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ktrial.history.tables import History

MAX_EXAMPLES = 32
Language = Literal["ko", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence for people, in both languages of the course."""

    ko: str
    en: str

    def pick(self, language: Language) -> str:
        """Return the sentence in one language."""
        return self.ko if language == "ko" else self.en

    def as_json(self) -> dict[str, str]:
        """Return {"ko": ..., "en": ...}."""
        return {"ko": self.ko, "en": self.en}


class Verdict(StrEnum):
    """Whether a claim held in one run, was broken, or nothing may be concluded."""

    HELD = "held"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"


HELD = Verdict.HELD
BROKEN = Verdict.BROKEN
INCONCLUSIVE = Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason why the run may not show what it seems to show.

    `voids` says that the run is spoilt for claims about time and availability, too: what they found breaks nothing.
    """

    reason: Text
    voids: bool = False


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that happened and should not have: `count` is exact, `examples` holds at most 32 of them."""

    kind: str
    count: int
    examples: tuple[Mapping[str, object], ...]
    sentence: Text
    breaks: bool

    def as_json(self) -> dict[str, object]:
        """Return the anomaly in the shape of the report contract."""
        return {
            "kind": self.kind,
            "count": self.count,
            "examples": [dict(example) for example in self.examples],
            "sentence": self.sentence.as_json(),
            "breaks": self.breaks,
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one history, with the numbers and the evidence behind it."""

    verdict: Verdict
    measured: Mapping[str, object]
    anomalies: tuple[Anomaly, ...]
    doubts: tuple[Text, ...]
    summary: Text

    def as_json(self) -> dict[str, object]:
        """Return the judgement in the shape of the report contract; every value is plain JSON."""
        return {
            "verdict": str(self.verdict),
            "measured": dict(self.measured),
            "anomalies": [anomaly.as_json() for anomaly in self.anomalies],
            "doubts": [doubt.as_json() for doubt in self.doubts],
            "summary": self.summary.as_json(),
        }


Judge = Callable[["History"], Judgement]


def verdict_of(anomalies: tuple[Anomaly, ...], doubts: tuple[Text, ...]) -> Verdict:
    """Return broken for a breaking anomaly, else inconclusive for any doubt, else held."""
    if any(anomaly.breaks for anomaly in anomalies):
        return Verdict.BROKEN
    return Verdict.INCONCLUSIVE if doubts else Verdict.HELD
