"""Bursts: how many records a second each of several actors got through, as numbers; nothing is claimed of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from ktrial.judges.claim import Findings
from ktrial.judges.cost import turn
from ktrial.judges.witness import NS

if TYPE_CHECKING:
    from ktrial.judges.case import Case


@dataclass(frozen=True, slots=True)
class Bursts:
    """The part that measures records/s of bursts; a burst is a stretch of calls by one actor."""

    actors: tuple[str, ...]

    def __call__(self, case: Case) -> Findings:
        """Return, for each actor, the records/s of its bursts from the first call to the last outcome."""
        done = case.history.completions.select("id", done="t")
        calls = case.history.calls.select("t", "id", pl.col("actor").cast(pl.String))
        bursts = (
            calls.filter(pl.col("actor").is_in(self.actors))
            .join(done, on="id")
            .sort("t")
            .with_columns(turn=turn())
            .group_by("actor", "turn", maintain_order=True)
            .agg(per_s=pl.len().cast(pl.Float64) * NS / (pl.col("done").max() - pl.col("t").min()))
        )
        rates = {
            actor: [round(rate) for rate in bursts.filter(pl.col("actor") == actor)["per_s"]]
            for actor in self.actors
        }
        return Findings({"records_per_s": rates})
