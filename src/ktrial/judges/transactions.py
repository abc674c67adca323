"""Transactions: that committed ones are seen whole, aborted ones by nobody who asked not to, and that none hangs.

What belongs to a transaction stands at its calls. A transaction whose outcome is unknown may be visible or not, but as
a whole. Offsets of markers are no records and play no part.
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

COMMITTED: Final = "read_committed"
NONE_ABORTED: Final = Doubt(
    Text(ko="중단된 트랜잭션이 없습니다.", en="No transaction was aborted, so nothing could be seen of one.")
)


@dataclass(frozen=True, slots=True)
class Transactions:
    """The part that judges the visibility of transactions; `isolation`: whose reads must not hold aborted records."""

    isolation: str = COMMITTED
    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return aborted records that were read, transactions seen in part, and logs whose stable end lags behind."""
        if case.history.txns.is_empty():
            return Findings(doubts=(NONE_ABORTED,) if self.needed else ())
        ends = _outcomes(case)
        visible = _aborted_visible(case, ends, self.isolation)
        torn = _torn(case, ends)
        hanging = case.history.ends.filter(pl.col("last_stable") < pl.col("log_end"))
        hanging = hanging.unique(["topic", "partition"], maintain_order=True)
        counts = dict(ends["outcome"].value_counts().iter_rows())
        measured = {
            "transactions": ends.height,
            "transactions_committed": counts.get("committed", 0),
            "transactions_aborted": counts.get("aborted", 0),
            "aborted_seen": visible.height,
        }
        none = self.needed and not counts.get("aborted")
        held = Text(
            ko=f"중단된 트랜잭션 {counts.get('aborted', 0)}건의 메시지는 {self.isolation}에서 보이지 않습니다.",
            en=f"Nothing of {counts.get('aborted', 0)} aborted transactions is seen with {self.isolation}.",
        )
        found = (
            _found("aborted_visible", visible, ABORTED, ("id", "txn", "actor")),
            _found("torn", torn, TORN, ("txn", "seen", "sent")),
            _found("hanging_transaction", hanging, HANGING, ("topic", "partition", "last_stable", "log_end")),
        )
        return Findings(measured, found, (NONE_ABORTED,) if none else (), held if self.needed else None)


ABORTED: Final = Text(
    "중단된 트랜잭션의 메시지가 {n}번 읽혔습니다.", "Records of aborted transactions were read {n} times."
)
TORN: Final = Text("트랜잭션 {n}건이 일부만 보입니다.", "{n} transactions are visible in part only.")
HANGING: Final = Text(
    "파티션 {n}개에서 끝나지 않은 트랜잭션이 읽기를 막고 있습니다.",
    "On {n} partitions a transaction that never ended holds readers back.",
)


def _outcomes(case: Case) -> pl.DataFrame:
    """Return each transaction with its last word: committed, aborted, unknown, or began."""
    return (
        case.history.txns.sort("t")
        .select(txn=pl.col("txn").cast(pl.String), outcome=pl.col("outcome").cast(pl.String))
        .group_by("txn", maintain_order=True)
        .last()
    )


def _sent(case: Case) -> pl.DataFrame:
    return case.history.calls.filter(pl.col("txn").is_not_null()).select(
        "id", txn=pl.col("txn").cast(pl.String)
    )


def _reads(case: Case, isolation: str) -> pl.DataFrame:
    return case.history.reads.filter(pl.col("isolation").cast(pl.String) == isolation).select(
        "id", "t", actor=pl.col("actor").cast(pl.String)
    )


def _aborted_visible(case: Case, ends: pl.DataFrame, isolation: str) -> pl.DataFrame:
    aborted = ends.filter(pl.col("outcome") == "aborted")
    return _reads(case, isolation).join(_sent(case), on="id").join(aborted, on="txn", how="semi").sort("t")


def _torn(case: Case, ends: pl.DataFrame) -> pl.DataFrame:
    """Return the transactions of which the final reader saw some records with read_committed, and not all."""
    final = case.history.ends.filter(pl.col("isolation").cast(pl.String) == COMMITTED)
    if final.is_empty():
        return pl.DataFrame(schema={"txn": pl.String, "seen": pl.UInt32, "sent": pl.UInt32})
    readers = final["actor"].cast(pl.String).unique().implode()
    read = _reads(case, COMMITTED).filter(pl.col("actor").is_in(readers))["id"].unique().implode()
    return (
        _sent(case)
        .join(ends.filter(pl.col("outcome") != "aborted"), on="txn")
        .join(_readable(case, final), on="id", how="semi")
        .group_by("txn", "outcome", maintain_order=True)
        .agg(seen=pl.col("id").is_in(read).sum(), sent=pl.len())
        .filter(
            (pl.col("seen") < pl.col("sent")) & ((pl.col("seen") > 0) | (pl.col("outcome") == "committed"))
        )
    )


def _readable(case: Case, final: pl.DataFrame) -> pl.DataFrame:
    """Return the acknowledged records that the final reader should have met: where it read, and nothing takes records.

    What lies below the log's start or beyond the last stable offset it could not see; compaction takes what it likes.
    """
    place = ["topic", "partition"]
    read = final.select(*place, "log_start", "last_stable").unique(place, keep="last")
    taken = pl.Series(sorted(case.policies.compacted), dtype=pl.String).implode()
    acked = case.history.completions.filter(pl.col("outcome").cast(pl.String) == "ok")
    return (
        acked.join(read, on=place)
        .filter(pl.col("offset").is_between(pl.col("log_start"), pl.col("last_stable"), closed="left"))
        .filter(~pl.col("topic").cast(pl.String).is_in(taken))
        .select("id")
    )


def _found(kind: str, rows: pl.DataFrame, text: Text, columns: tuple[str, ...]) -> Found:
    count = rows.height
    examples = tuple(rows.select(columns).head(MAX_EXAMPLES).iter_rows(named=True))
    headline = Text(ko=text.ko.format(n=count), en=text.en.format(n=count))
    evidence = None
    if examples:
        told = ", ".join(f"{name} {value}" for name, value in examples[0].items())
        evidence = first(Text(ko=told, en=told))
    return Found(kind, count, examples, headline, evidence)
