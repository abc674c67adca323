"""Effects: whether a group processed the events of each key in the order in which they were sent.

Order of sending is judged within one producer, by the time of the calls; what two producers send at about the same
time has no order. Of a record that was processed again only the first time counts: a rewind repeats effects, and
`reprocessed` tells of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from ktrial.judges.claim import Findings, Found
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from ktrial.judges.case import Case

NO_EFFECTS: Final = Doubt(
    Text(ko="키가 있는 메시지를 처리한 기록이 없습니다.", en="No record with a key is noted as processed.")
)


@dataclass(frozen=True, slots=True)
class Effects:
    """The part that judges the order of effects per key; `needed`: that is the claim."""

    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return the events that took effect before one of the same key that had been sent earlier."""
        rows = _effects(case)
        if rows.is_empty():
            return Findings(doubts=(NO_EFFECTS,) if self.needed else ())
        late = rows.filter(pl.col("done") < pl.col("before_done"))
        keys = rows.select("group", "producer", "key").unique().height
        broken = late.select("group", "producer", "key").unique().height
        measured = {"keys_processed": keys, "keys_out_of_order": broken, "out_of_order_effects": late.height}
        held = Text(
            ko=f"키 {keys}개의 이벤트가 모두 보낸 순서대로 처리되었습니다.",
            en=f"The events of each of {keys} keys were processed in the order of sending.",
        )
        return Findings(measured, (_found(case, late, broken),), held=held if self.needed else None)


def _effects(case: Case) -> pl.DataFrame:
    """Return each first effect, beside the latest effect of what its producer had sent earlier with the same key."""
    calls = case.history.calls.filter(pl.col("key").is_not_null()).select(
        "id", sent="t", key=pl.col("key").cast(pl.String), producer=pl.col("actor").cast(pl.String)
    )
    done = (
        case.history.processed.select(
            "id", "t", "offset", "partition", actor=pl.col("actor").cast(pl.String),
            group=pl.col("group").cast(pl.String), topic=pl.col("topic").cast(pl.String),
        )
        .sort("t")
        .group_by("group", "id", maintain_order=True)
        .first()
        .rename({"t": "done"})
    )  # fmt: skip
    rows = calls.join(done, on="id").sort("sent", "id")
    of_key = ["group", "producer", "key"]
    return rows.with_columns(before_done=pl.col("done").cum_max().shift().over(of_key))


def _found(case: Case, late: pl.DataFrame, broken: int) -> Found:
    examples = tuple(
        {
            "group": row["group"],
            "key": row["key"],
            "id": row["id"],
            "topic": row["topic"],
            "partition": row["partition"],
            "offset": row["offset"],
            "processed_by": row["actor"],
            "processed_s": case.witness.seconds(row["done"]),
            "earlier_one_processed_s": case.witness.seconds(row["before_done"]),
        }
        for row in late.sort("done").head(MAX_EXAMPLES).iter_rows(named=True)
    )
    headline = Text(
        ko=f"키 {broken}개에서 이벤트 {late.height}개가 먼저 보낸 이벤트보다 먼저 처리되었습니다.",
        en=f"{late.height} {'event' if late.height == 1 else 'events'} of {broken} "
        f"{'key' if broken == 1 else 'keys'} took effect before one that was sent earlier.",
    )
    evidence = None
    if examples:
        one = examples[0]
        evidence = first(
            Text(
                ko=f"키 {one['key']}의 메시지 {one['id']}은(는) {one['processed_s']:.3f}초, "
                f"먼저 보낸 것은 {one['earlier_one_processed_s']:.3f}초에 처리되었습니다",
                en=f"record {one['id']} of key {one['key']} at {one['processed_s']:.3f} s, "
                f"an earlier one at {one['earlier_one_processed_s']:.3f} s",
            )
        )
    return Found("out_of_order_effect", late.height, examples, headline, evidence)
