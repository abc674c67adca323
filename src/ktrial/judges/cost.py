"""Cost: is a dearer setting really slower? Latency from the call to its outcome, actor against actor.

Each actor plays one setting, in rounds that take turns; a round is a stretch of calls in which no other of the actors
called. Only medians of rounds are compared, and only outside the noise: where the ranges of two actors' medians
overlap, nothing is concluded. An actor's first round warms up and is left out where three others remain.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from ktrial.judges.claim import Findings, Found
from ktrial.judges.witness import first
from ktrial.verdict import Doubt, Text

if TYPE_CHECKING:
    from ktrial.judges.case import Case

MS: Final = 1_000_000
FEWEST_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class CostOrder:
    """The part that judges that each actor is at least as slow as the one named before it."""

    actors: tuple[str, ...]

    def __call__(self, case: Case) -> Findings:
        """Return the latencies, and the pairs of actors that are the other way round."""
        rounds = _rounds(case, self.actors)
        medians = {
            actor: _warm(rounds.filter(pl.col("actor") == actor)["median_ms"]) for actor in self.actors
        }
        doubts = [_too_few(actor) for actor, ms in medians.items() if ms.len() < FEWEST_ROUNDS]
        measured: dict[str, object] = {"latency_ms": _latencies(case, self.actors, medians)}
        if doubts:
            return Findings(measured, doubts=tuple(doubts))
        wrong = []
        for cheap, dear in pairwise(self.actors):
            (cheap_low, cheap_high), (dear_low, dear_high) = (
                _range(medians[actor]) for actor in (cheap, dear)
            )
            if dear_high < cheap_low:
                wrong.append(
                    {"claimed_dear": dear, "ms": dear_high, "claimed_cheap": cheap, "cheap_ms": cheap_low}
                )
            elif dear_low <= cheap_high:
                doubts.append(_overlap(cheap, dear))
        held = Text(
            ko=f"지연 시간의 순서는 {' < '.join(self.actors)}입니다.",
            en=f"Latency grows in the order {', '.join(self.actors)}.",
        )
        return Findings(measured, (_found(wrong),), tuple(doubts), held)


def _waits(case: Case, actors: tuple[str, ...]) -> pl.DataFrame:
    """Return actor, call time and latency of every completed send of the actors, in order of calls."""
    done = case.history.completions.select("id", done="t")
    calls = case.history.calls.select("t", "id", pl.col("actor").cast(pl.String)).filter(
        pl.col("actor").is_in(actors)
    )
    return calls.join(done, on="id").select("t", "actor", ms=(pl.col("done") - pl.col("t")) / MS).sort("t")


def _rounds(case: Case, actors: tuple[str, ...]) -> pl.DataFrame:
    waits = _waits(case, actors).with_columns(turn=turn())
    return waits.group_by("actor", "turn").agg(median_ms=pl.col("ms").median()).sort("actor", "turn")


def turn() -> pl.Expr:
    """Return, for rows in order of time, the number of the stretch in which only one actor called."""
    return (pl.col("actor") != pl.col("actor").shift()).fill_null(value=True).cum_sum()


def _warm(medians: pl.Series) -> pl.Series:
    """Leave an actor's first round out where enough others remain: it met cold connections and a cold JVM."""
    return medians[1:] if medians.len() > FEWEST_ROUNDS else medians


def _latencies(
    case: Case, actors: tuple[str, ...], medians: dict[str, pl.Series]
) -> dict[str, dict[str, object]]:
    waits = _waits(case, actors)
    told: dict[str, dict[str, object]] = {}
    for actor in actors:
        ms = waits.filter(pl.col("actor") == actor)["ms"]
        told[actor] = {
            "records": ms.len(),
            "p50": _rounded(ms.quantile(0.5)),
            "p99": _rounded(ms.quantile(0.99)),
            "medians_of_rounds": [_rounded(each) for each in medians[actor]],
        }
    return told


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 3)


def _range(ms: pl.Series) -> tuple[float, float]:
    values = ms.to_list()
    return min(values), max(values)


def _too_few(actor: str) -> Doubt:
    return Doubt(
        Text(
            ko=f"{actor}: 측정한 회차가 {FEWEST_ROUNDS}회보다 적습니다.",
            en=f"{actor} played fewer than {FEWEST_ROUNDS} rounds.",
        )
    )


def _overlap(cheap: str, dear: str) -> Doubt:
    return Doubt(
        Text(
            ko=f"{cheap}와(과) {dear}의 지연 시간 차이가 측정 잡음보다 작습니다.",
            en=f"The latencies of {cheap} and {dear} differ by no more than the noise.",
        )
    )


def _found(wrong: list[dict[str, object]]) -> Found:
    headline = Text(
        ko=f"주장과 달리 더 빠른 설정이 {len(wrong)}쌍 있습니다.",
        en=f"{len(wrong)} {'setting is' if len(wrong) == 1 else 'settings are'} faster than one claimed to be cheaper.",
    )
    evidence = None
    if wrong:
        pair = wrong[0]
        evidence = first(
            Text(
                ko=f"{pair['claimed_dear']}는 느려야 {pair['ms']:.3f} ms, "
                f"{pair['claimed_cheap']}는 빨라야 {pair['cheap_ms']:.3f} ms (회차별 중앙값)",
                en=f"{pair['claimed_dear']} took at most {pair['ms']:.3f} ms, "
                f"{pair['claimed_cheap']} at least {pair['cheap_ms']:.3f} ms (medians of rounds)",
            )
        )
    return Found("cheaper_than_claimed", len(wrong), tuple(wrong), headline, evidence)
