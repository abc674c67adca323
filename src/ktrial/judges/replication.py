"""Replication: who is in sync, and whether the replicas' logs are the same.

The ISR is what the observer saw of it. Logs are compared batch by batch, as DumpLogSegments prints them, below the
smallest common end: what lies above it on one replica is not yet promised to anyone. Compacted topics are left out:
each broker compacts on its own, when it comes to it. So are dumps of a named phase: they show one log at two moments.
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

NO_ISR: Final = Doubt(Text(ko="ISR을 본 기록이 없습니다.", en="Nobody observed the ISR."))
ONE_LOG: Final = Doubt(
    Text(
        ko="비교할 복제본의 로그가 두 개 미만입니다.",
        en="There are fewer than two replicas' logs to compare.",
    )
)
PLACE: Final = ("topic", "partition")
ALIKE: Final = ("last_offset", "epoch", "crc", "size", "records")


@dataclass(frozen=True, slots=True)
class InSync:
    """The part that judges whether the ISR ever shrank; `needed` makes it doubt a history without one."""

    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return every observation in which a partition had fewer replicas in sync than before."""
        seen = case.history.isrs.sort("t").with_columns(before=pl.col("isr").shift().over(PLACE))
        if seen.is_empty():
            return Findings(doubts=(NO_ISR,) if self.needed else ())
        shrunk = seen.filter(pl.col("isr").list.len() < pl.col("before").list.len())
        size = seen["isr"].list.len()
        out = sorted(
            {gone for row in shrunk.iter_rows(named=True) for gone in set(row["before"]) - set(row["isr"])}
        )
        measured = {
            "isr_largest": size.max(),
            "isr_smallest": size.min(),
            "isr_at_end": seen.group_by(PLACE).agg(pl.col("isr").last())["isr"].list.len().min(),
            "out_of_sync": out,
            "shrunk_s": _shrunk_s(seen),
            "leader_changes": _leader_changes(case),
            **_under_replicated(case),
        }
        held = Text(ko="ISR은 줄어들지 않았습니다.", en="The ISR never shrank.")
        return Findings(measured, (_shrank(case, shrunk),), held=held if self.needed else None)


def _shrunk_s(seen: pl.DataFrame) -> float:
    """Return for how many seconds some partition's ISR was smaller than its largest, as far as it was observed."""
    size = pl.col("isr").list.len()
    spans = seen.select(
        small=(size < size.max().over(PLACE)), span=pl.col("t").shift(-1).over(PLACE) - pl.col("t")
    ).filter("small")
    return round(int(spans["span"].sum()) / 1e9, 3)


def _leader_changes(case: Case) -> int:
    leaders = case.history.leaders.sort("t").filter(pl.col("leader") >= 0)
    moved = leaders.select(pl.col("leader") != pl.col("leader").shift().over(PLACE)).to_series()
    return int(moved.sum())


def _under_replicated(case: Case) -> dict[str, object]:
    """Return the figures of JMX's UnderReplicatedPartitions in order of time, if anyone looked."""
    told = case.history.metrics.sort("t").filter(
        pl.col("name").cast(pl.String) == "UnderReplicatedPartitions"
    )
    return {} if told.is_empty() else {"under_replicated_by_jmx": [int(value) for value in told["value"]]}


def _shrank(case: Case, shrunk: pl.DataFrame) -> Found:
    examples = [
        {
            "topic": row["topic"],
            "partition": row["partition"],
            "isr": row["isr"],
            "out_of_sync": sorted(set(row["before"]) - set(row["isr"])),
            "seen_s": case.witness.seconds(row["t"]),
        }
        for row in shrunk.head(MAX_EXAMPLES).iter_rows(named=True)
    ]
    headline = Text(
        ko=f"ISR이 {shrunk.height}번 줄었습니다.",
        en=f"The ISR shrank {shrunk.height} {'time' if shrunk.height == 1 else 'times'}.",
    )
    evidence = None
    if examples:
        foremost = shrunk.row(0, named=True)
        place = case.witness.place(foremost["topic"], foremost["partition"])
        gone = ", ".join(str(broker) for broker in sorted(set(foremost["before"]) - set(foremost["isr"])))
        sizes = f"{len(foremost['before'])}", f"{len(foremost['isr'])}"
        at = case.witness.seconds(foremost["t"])
        evidence = first(
            Text(
                ko=f"{place.ko}, {at:.3f}초에 {sizes[0]}개에서 {sizes[1]}개로, 브로커 {gone} 빠짐(OSR)",
                en=f"{place.en}, from {sizes[0]} to {sizes[1]} at {at:.3f} s, out of sync: broker {gone}",
            )
        )
    return Found("isr_shrank", shrunk.height, tuple(examples), headline, evidence)


@dataclass(frozen=True, slots=True)
class ReplicasAlike:
    """The part that judges whether replicas' logs agree; `needed` makes it doubt a history without them."""

    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return the offsets at which the replicas' batches are not the same."""
        compacted = pl.col("topic").cast(pl.String).is_in(list(case.policies.compacted))
        last = _last_dump(case.history.batches.filter(~compacted & pl.col("phase").is_null()))
        replicas = last.group_by(PLACE).agg(pl.col("broker").n_unique())["broker"].to_list()
        if min(replicas, default=0) <= 1:
            if self.needed or replicas:
                return Findings(doubts=(ONE_LOG,))
            return Findings()
        common = _below_common_end(last)
        differing = _differing(common)
        held = Text(
            ko=f"복제본들의 배치 {common['offset'].n_unique()}개는 모두 같습니다.",
            en=f"The replicas' logs are the same, batch by batch ({common['offset'].n_unique()} compared).",
        )
        measured = {"batches_compared": common.height, "batches_differing": differing.height}
        return Findings(measured, (_differ(case, differing),), held=held if self.needed else None)


def _last_dump(batches: pl.DataFrame) -> pl.DataFrame:
    """Return each replica's last dump only: another one starts where the offsets start again."""
    replica = (*PLACE, "broker")
    again = (pl.col("offset") <= pl.col("offset").shift()).fill_null(value=False)
    return (
        batches.sort("t", "offset")
        .with_columns(dump=again.cum_sum().over(replica) if batches.height else pl.lit(0))
        .filter(pl.col("dump") == pl.col("dump").max().over(replica))
    )


def _below_common_end(batches: pl.DataFrame) -> pl.DataFrame:
    """Return the batches between the latest start and the earliest end of a partition's replicas."""
    replicas = batches.group_by(*PLACE, "broker").agg(
        start=pl.col("offset").min(), end=pl.col("last_offset").max() + 1
    )
    common = replicas.group_by(PLACE).agg(
        start=pl.col("start").max(), end=pl.col("end").min(), replicas=pl.len()
    )
    return batches.join(common, on=PLACE).filter(
        (pl.col("offset") >= pl.col("start")) & (pl.col("offset") < pl.col("end")) & (pl.col("replicas") > 1)
    )


def _differing(batches: pl.DataFrame) -> pl.DataFrame:
    kinds = pl.struct(ALIKE).n_unique()
    return (
        batches.group_by(*PLACE, "offset")
        .agg(
            kinds=kinds, copies=pl.len(), replicas=pl.col("replicas").first(), brokers=pl.col("broker").sort()
        )
        .filter((pl.col("kinds") > 1) | (pl.col("copies") != pl.col("replicas")))
        .sort(pl.col("topic").cast(pl.String), "partition", "offset")
    )


def _differ(case: Case, differing: pl.DataFrame) -> Found:
    examples = [
        {name: row[name] for name in ("topic", "partition", "offset", "brokers")}
        for row in differing.head(MAX_EXAMPLES).iter_rows(named=True)
    ]
    headline = Text(
        ko=f"복제본들의 로그가 배치 {differing.height}개에서 서로 다릅니다.",
        en=f"The replicas' logs differ in {differing.height} {'batch' if differing.height == 1 else 'batches'}.",
    )
    evidence = None
    if examples:
        place = case.witness.place(examples[0]["topic"], examples[0]["partition"])
        offset = examples[0]["offset"]
        brokers = ", ".join(str(broker) for broker in examples[0]["brokers"])
        evidence = first(
            Text(
                ko=f"{place.ko}, 오프셋 {offset}, 브로커 {brokers}",
                en=f"{place.en}, offset {offset}, brokers {brokers}",
            )
        )
    return Found("replicas_differ", differing.height, tuple(examples), headline, evidence)
