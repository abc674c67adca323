"""A claim: parts that look for anomalies, and the kinds that break it. Calling it on a history gives the judgement.

A part only reports what it found. Whether that breaks the verdict is the claim's word, so that one part serves the
claim "no duplicates" and the claim "nothing is lost", to which a duplicate is a mere number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ktrial.judges.case import Case
from ktrial.judges.kinds import TIMELY
from ktrial.verdict import MAX_EXAMPLES, Anomaly, Doubt, Judgement, Text, Verdict, verdict_of

if TYPE_CHECKING:
    from ktrial.history.tables import History

NOTHING_FOUND = Text(ko="주장과 어긋나는 것이 없습니다.", en="Nothing speaks against the claim.")


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of anomaly: how many, some of them, the evidence as a sentence, and the news in one short sentence."""

    kind: str
    count: int
    examples: tuple[Mapping[str, object], ...]
    headline: Text
    evidence: Text | None = None
    opening: Text | None = None  # where the headline tells of several kinds together

    def sentence(self) -> Text:
        """Return what happened and the first counterexample."""
        opening = self.opening or self.headline
        if self.evidence is None:
            return opening
        return Text(ko=f"{opening.ko} {self.evidence.ko}", en=f"{opening.en} {self.evidence.en}")


@dataclass(frozen=True, slots=True)
class Findings:
    """What one part has to say: numbers, anomalies, doubts, and the sentence to say when nothing was broken."""

    measured: Mapping[str, object] = field(default_factory=dict)
    found: tuple[Found, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    held: Text | None = None


Part = Callable[[Case], Findings]


@dataclass(frozen=True, slots=True)
class Claim:
    """A judge: its parts, and the kinds of anomaly that break it."""

    parts: tuple[Part, ...]
    breaks: frozenset[str]

    def __call__(self, history: History) -> Judgement:
        """Judge one history; raises UsageProblem when the history itself is broken."""
        case = Case(history)
        every = [part(case) for part in self.parts]
        doubts = tuple(dict.fromkeys(doubt for findings in every for doubt in findings.doubts))
        voided = any(doubt.voids for doubt in doubts)
        breaks = self.breaks - TIMELY if voided else self.breaks
        found = tuple(found for findings in every for found in findings.found if found.count)
        anomalies = tuple(_anomaly(each, breaks) for each in found)
        reasons = tuple(doubt.reason for doubt in doubts)
        verdict = verdict_of(anomalies, reasons)
        measured = {name: value for findings in every for name, value in findings.measured.items()}
        return Judgement(verdict, measured, anomalies, reasons, _summary(verdict, every, breaks, reasons))


def all_of(*claims: Claim) -> Claim:
    """Return the claim that all these claims hold."""
    parts = dict.fromkeys(part for claim in claims for part in claim.parts)
    return Claim(tuple(parts), frozenset().union(*(claim.breaks for claim in claims)))


def _anomaly(found: Found, breaks: frozenset[str]) -> Anomaly:
    return Anomaly(
        kind=found.kind,
        count=found.count,
        examples=found.examples[:MAX_EXAMPLES],
        sentence=found.sentence(),
        breaks=found.kind in breaks,
    )


def _summary(
    verdict: Verdict, every: list[Findings], breaks: frozenset[str], reasons: tuple[Text, ...]
) -> Text:
    if verdict is Verdict.INCONCLUSIVE:
        return Text(
            ko=f"결론을 낼 수 없습니다: {reasons[0].ko}", en=f"Nothing can be concluded: {reasons[0].en}"
        )
    said = [
        found.headline
        for findings in every
        for found in findings.found
        if found.count and found.kind in breaks
    ]
    if verdict is Verdict.HELD:
        said = [findings.held for findings in every if findings.held is not None]
    said = list(dict.fromkeys(said)) or [NOTHING_FOUND]
    return Text(ko=_one([text.ko for text in said]), en=_one([text.en for text in said]))


def _one(sentences: list[str]) -> str:
    """Return one sentence made of several."""
    first, *more = (sentence.rstrip(".") for sentence in sentences)
    return "; ".join([first, *(sentence[0].lower() + sentence[1:] for sentence in more)]) + "."
