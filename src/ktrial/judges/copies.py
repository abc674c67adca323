"""Copies: whether the output of a consume-transform-produce is exactly f(input), once each, in order per partition.

An output has its input's id as its key and lies on the partition of the same number. Inputs and outputs are what the
final reader found in both logs; of the target only what one isolation level shows.
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

NOTHING_COPIED: Final = Doubt(
    Text(ko="복사된 메시지가 없습니다.", en="There is nothing in the source, or nothing was copied.")
)


@dataclass(frozen=True, slots=True)
class Copies:
    """The part that compares a target topic with its source; topics are named by what their names contain."""

    source: str
    target: str
    isolation: str

    def __call__(self, case: Case) -> Findings:
        """Return inputs without an output, outputs that came again, and outputs of no input or out of order."""
        inputs = self._final(case, self.source, None)
        outputs = self._final(case, self.target, self.isolation).with_columns(
            source=pl.col("key").cast(pl.String).cast(pl.Int64, strict=False)
        )
        if inputs.is_empty() or outputs.is_empty():
            return Findings(doubts=(NOTHING_COPIED,))
        missing = inputs.join(outputs, left_on="id", right_on="source", how="anti")
        counted = outputs.group_by("source").agg(
            pl.len(), pl.col("offset").min(), pl.col("partition").first()
        )
        repeated = counted.filter(pl.col("len") > 1).sort("partition", "offset")
        wrong = _wrong(inputs, outputs)
        extra = int((repeated["len"] - 1).sum())
        measured = {"inputs": inputs.height, "outputs": outputs.height, "came_again": extra}
        held = Text(
            ko=f"입력 {inputs.height}개가 각각 한 번씩, 순서대로 출력되었습니다.",
            en=f"Each of {inputs.height} inputs has exactly one output, in order.",
        )
        found = (
            _found("copy_missing", missing, MISSING, "id"),
            _found("copy_repeated", repeated, REPEATED, "source"),
            _found("copy_wrong", wrong, WRONG, "id"),
        )
        return Findings(measured, found, held=held)

    def _final(self, case: Case, topic: str, isolation: str | None) -> pl.DataFrame:
        """Return what the final reader found: id, key, partition, offset, in order."""
        readers = case.history.ends["actor"].cast(pl.String).unique().implode()
        level = pl.col("isolation").cast(pl.String)
        rows = case.history.reads.filter(
            pl.col("actor").cast(pl.String).is_in(readers)
            & pl.col("topic").cast(pl.String).str.contains(topic, literal=True)
            & (level == isolation if isolation else pl.lit(value=True))
        )
        return (
            rows.select("id", "key", "partition", "offset")
            .unique(["partition", "offset"])
            .sort("partition", "offset")
        )


MISSING: Final = Text("입력 {n}개의 출력이 없습니다.", "{n} inputs have no output.")
REPEATED: Final = Text("입력 {n}개가 두 번 이상 출력되었습니다.", "{n} inputs were put out more than once.")
WRONG: Final = Text("출력 {n}개가 잘못되었습니다.", "{n} outputs are of no input, misplaced or out of order.")


def _wrong(inputs: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """Return outputs of no input, on another partition, or first put out after that of a later input."""
    told = outputs.join(
        inputs.select("id", from_partition="partition", from_offset="offset"),
        left_on="source",
        right_on="id",
        how="left",
    ).sort("partition", "offset")
    known = told.filter(pl.col("from_offset").is_not_null())
    firsts = known.unique("source", keep="first", maintain_order=True)
    turned = firsts.filter(
        (pl.col("from_offset") < pl.col("from_offset").cum_max().shift()).over("partition")
    )
    misplaced = told.filter(
        pl.col("from_offset").is_null() | (pl.col("from_partition") != pl.col("partition"))
    )
    return pl.concat([misplaced, turned]).unique("id", maintain_order=True)


def _found(kind: str, rows: pl.DataFrame, text: Text, named: str) -> Found:
    count = rows.height
    columns = [name for name in (named, "partition", "offset") if name in rows.columns]
    examples = tuple(rows.select(columns).head(MAX_EXAMPLES).iter_rows(named=True))
    headline = Text(ko=text.ko.format(n=count), en=text.en.format(n=count))
    evidence = None
    if examples:
        one = examples[0]
        evidence = first(
            Text(
                ko=f"메시지 {one[named]}, 파티션 {one['partition']}, 오프셋 {one['offset']}",
                en=f"record {one[named]}, partition {one['partition']}, offset {one['offset']}",
            )
        )
    return Found(kind, count, examples, headline, evidence)
