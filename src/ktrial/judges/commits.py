"""Commits: whether a group's committed offsets are beyond records that nobody processed, and what was done twice.

A group's start on a partition is the lowest offset that it committed, read or processed there; what lies below, it may
never have been meant to see. Only records that are known to lie in the log count: a gap of offsets is no record
(markers, aborted or compacted records). A commit of one actor that is noted after another's says nothing of which came
first (its answer may have waited), unless the actor was given the partition only after that.
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

PLACE: Final = ["topic", "partition"]
WHERE: Final = ["group", *PLACE]
NOT_PROCESSED: Final = Doubt(
    Text(ko="그룹이 처리한 메시지가 기록되지 않았습니다.", en="No record is noted as processed by a group.")
)


@dataclass(frozen=True, slots=True)
class Commits:
    """The part that judges what groups committed against what they processed; `needed`: that is the claim."""

    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return skipped records, repeated ones with the longest rewind, and committed offsets that went back."""
        if case.history.processed.is_empty():
            return Findings(doubts=(NOT_PROCESSED,) if self.needed else ())
        skipped = _skipped(case)
        repeated, extra, rewind = _repeated(case)
        regressed = _regressed(case)
        measured = {
            "processed": case.history.processed.height,
            "skipped_by_commit": skipped.height,
            "reprocessed": repeated.height,
            "processed_again": extra,
            "longest_rewind": rewind,
        }
        found = (
            _skipped_found(case, skipped),
            _repeated_found(case, repeated, rewind),
            _regressed_found(case, regressed),
        )
        held = Text(
            ko=f"커밋된 오프셋보다 앞의 메시지는 모두 처리되었고, {repeated.height}개가 두 번 이상 처리되었습니다.",
            en=f"Every record below the committed offsets was processed; {repeated.height} were processed again.",
        )
        return Findings(measured, found, held=held if self.needed else None)


def _words(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Return some columns, names as text: categories of different tables compare as text only."""
    return frame.select(
        pl.col(column).cast(pl.String) if column in {"actor", "group", "topic", "outcome"} else pl.col(column)
        for column in columns
    )


def _known(case: Case) -> pl.DataFrame:
    """Return id and place of every record that lies in the log: as the final reader saw it, else as acknowledged.

    In a history with transactions an acknowledged record may have been aborted: there only what was read counts.
    """
    history = case.history
    final = _words(history.ends, "actor").unique()["actor"].implode()
    reads = _words(history.reads, "actor", "id", *PLACE, "offset", "isolation")
    reads = reads.filter(pl.col("actor").is_in(final))
    if not history.txns.is_empty():
        reads = reads.filter(pl.col("isolation").cast(pl.String) == "read_committed")
    read = reads.select("id", *PLACE, "offset").unique()
    if not history.txns.is_empty():
        return read
    covered = _words(history.ends, *PLACE).unique()
    acks = _words(history.completions, "outcome", "id", *PLACE, "offset").filter(
        (pl.col("outcome") == "ok") & pl.col("offset").is_not_null()
    )
    return pl.concat([read, acks.select("id", *PLACE, "offset").join(covered, on=PLACE, how="anti")])


def _spans(case: Case) -> pl.DataFrame:
    """Return, per group and partition, its start and the highest offset that it surely committed."""
    history = case.history
    commits = _words(history.commits, *WHERE, "offset", "outcome").filter(pl.col("offset") >= 0)
    reads = _words(history.reads, *WHERE, "offset").filter(pl.col("group").is_not_null())
    seen = pl.concat([_words(history.processed, *WHERE, "offset"), reads, commits.select(*WHERE, "offset")])
    done = commits.filter(pl.col("outcome") == "ok").group_by(WHERE).agg(end=pl.col("offset").max())
    return seen.group_by(WHERE).agg(start=pl.col("offset").min()).join(done, on=WHERE)


def _skipped(case: Case) -> pl.DataFrame:
    """Return the records between a group's start and its committed offset that none of its members processed."""
    groups = _words(case.history.processed, "group").unique()
    spans = _spans(case).join(groups, on="group", how="semi")
    done = _words(case.history.processed, "group", "id").unique()
    return (
        spans.join(_known(case), on=PLACE)
        .filter((pl.col("offset") >= pl.col("start")) & (pl.col("offset") < pl.col("end")))
        .join(done, on=["group", "id"], how="anti")
        .sort(*WHERE, "offset")
    )


def _repeated(case: Case) -> tuple[pl.DataFrame, int, int]:
    """Return the records that a group processed more than once, how many times too often in all, the longest rewind."""
    done = _words(case.history.processed, "t", "actor", "id", *WHERE, "offset").sort("t")
    repeated = (
        done.group_by("group", "id", maintain_order=True)
        .agg(
            pl.col(*PLACE, "offset").first(),
            times=pl.len(),
            actors=pl.col("actor").unique(maintain_order=True),
        )
        .filter(pl.col("times") > 1)
    )
    back = done.select(rewind=(pl.col("offset").cum_max().shift() - pl.col("offset") + 1).over(WHERE))[
        "rewind"
    ].max()
    extra = int((repeated["times"] - 1).sum())
    return repeated, extra, max(0, back) if isinstance(back, int) else 0


def _regressed(case: Case) -> pl.DataFrame:
    """Return the commits below an earlier one of the same actor, or one done before the actor got the partition."""
    commits = (
        _words(case.history.commits, "t", "actor", *WHERE, "offset", "outcome")
        .filter((pl.col("outcome") == "ok") & (pl.col("offset") >= 0))
        .sort("t")
    )
    own = commits.with_columns(before=pl.col("offset").cum_max().shift().over("actor", *WHERE))
    given = (
        case.history.members.filter(pl.col("op").cast(pl.String) == "assigned")
        .explode("partitions")
        .unnest("partitions")
    )
    if not given.is_empty():
        given = _words(given, "t", "actor", *WHERE).rename({"t": "since"}).sort("since")
        highest = commits.select(*WHERE, since="t", best=pl.col("offset").cum_max().over(WHERE)).sort("since")
        own = (
            own.join_asof(
                given.with_columns(t=pl.col("since")), on="t", by=["actor", *WHERE], check_sortedness=False
            )
            .sort("since")
            .join_asof(highest, on="since", by=WHERE, check_sortedness=False, allow_exact_matches=False)
            .with_columns(before=pl.max_horizontal("before", "best"))
        )
    return own.filter(pl.col("offset") < pl.col("before")).sort("t")


def _skipped_found(case: Case, rows: pl.DataFrame) -> Found:
    examples = tuple(
        {key: row[key] for key in ("group", "id", "topic", "partition", "offset")} | {"committed": row["end"]}
        for row in rows.head(MAX_EXAMPLES).iter_rows(named=True)
    )
    headline = Text(
        ko=f"메시지 {rows.height}개가 처리되지 않았는데 그 뒤까지 커밋되었습니다.",
        en=f"{rows.height} {'record was' if rows.height == 1 else 'records were'} never processed, "
        "though the committed offset is beyond.",
    )
    evidence = None
    if examples:
        one = examples[0]
        place = case.witness.place(one["topic"], one["partition"])
        evidence = first(
            Text(
                ko=f"메시지 {one['id']}, {place.ko}, 오프셋 {one['offset']}, 커밋된 오프셋 {one['committed']}",
                en=f"record {one['id']}, {place.en}, offset {one['offset']}, committed {one['committed']}",
            )
        )
    return Found("committed_too_far", rows.height, examples, headline, evidence)


def _repeated_found(case: Case, rows: pl.DataFrame, rewind: int) -> Found:
    examples = tuple(rows.head(MAX_EXAMPLES).iter_rows(named=True))
    headline = Text(
        ko=f"메시지 {rows.height}개가 두 번 이상 처리되었습니다(가장 길게 {rewind}개 되돌아감).",
        en=f"{rows.height} {'record was' if rows.height == 1 else 'records were'} processed more than once "
        f"(longest rewind: {rewind}).",
    )
    evidence = None
    if examples:
        one = examples[0]
        place = case.witness.place(one["topic"], one["partition"])
        who = ", ".join(one["actors"])
        evidence = first(
            Text(
                ko=f"메시지 {one['id']}, {place.ko}, 오프셋 {one['offset']}, {one['times']}번({who})",
                en=f"record {one['id']}, {place.en}, offset {one['offset']}, {one['times']} times by {who}",
            )
        )
    return Found("reprocessed", rows.height, examples, headline, evidence)


def _regressed_found(case: Case, rows: pl.DataFrame) -> Found:
    examples = tuple(
        {key: row[key] for key in ("group", "actor", "topic", "partition", "offset", "before")}
        | {"committed_s": case.witness.seconds(row["t"])}
        for row in rows.head(MAX_EXAMPLES).iter_rows(named=True)
    )
    headline = Text(
        ko=f"커밋된 오프셋이 {rows.height}번 되돌아갔습니다.",
        en=f"A committed offset went back {rows.height} {'time' if rows.height == 1 else 'times'}.",
    )
    evidence = None
    if examples:
        one = examples[0]
        place = case.witness.place(str(one["topic"]), int(str(one["partition"])))
        evidence = first(
            Text(
                ko=f"{one['actor']}, {place.ko}, {one['before']}에서 {one['offset']}(으)로, {one['committed_s']:.3f}초",
                en=f"{one['actor']}, {place.en}, from {one['before']} to {one['offset']} at {one['committed_s']:.3f} s",
            )
        )
    return Found("offset_regressed", rows.height, examples, headline, evidence)
