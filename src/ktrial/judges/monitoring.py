"""Monitoring: whether what is watched is what happened. Lag by two witnesses, alarms against faults, counters.

Figures are `metric` rows: `lag` (labels group, topic, partition, by), `watch` (under-replicated partitions; label
broker), `rebalances` (labels at: before|after, broker), `MessagesInPerSec` (label topic). What they are held against
is what clients and faults wrote down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from ktrial.judges.claim import Findings, Found
from ktrial.judges.witness import NS, first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from ktrial.judges.case import Case
    from ktrial.judges.witness import Fault

WATCHED: Final = "watch"
LAG, REBALANCES, RECORDS = "lag", "rebalances", "MessagesInPerSec"
OURS, TOOL = "ktrial", "kafka-consumer-groups"
TAKING: Final = frozenset({"kill", "stop", "pause"})
"""Faults that take a broker away from its partitions."""
NOT_TOLD: Final = Doubt(
    Text(ko="비교할 측정값이 없습니다.", en="There is nothing to compare: a figure was not measured.")
)


@dataclass(frozen=True, slots=True)
class LagAgreement:
    """The part that compares a group's lag as two witnesses tell it, reading by reading."""

    def __call__(self, case: Case) -> Findings:
        """Return the partitions whose lag differs; measure the largest, in records and in seconds, and the last."""
        lags = _metrics(case, LAG, "group", "topic", "partition", "by")
        place = ["group", "topic", "partition"]
        pairs = (
            lags.filter(pl.col("by") == OURS)
            .sort("t")
            .join_asof(
                lags.filter(pl.col("by") == TOOL).sort("t").rename({"value": "told", "t": "told_t"}),
                left_on="t",
                right_on="told_t",
                by=place,
                strategy="forward",
                check_sortedness=False,
            )
            .filter(pl.col("told").is_not_null())
            .group_by([*place, "told_t"], maintain_order=True)
            .last()
        )
        wrong = pairs.filter(pl.col("value") != pl.col("told"))
        ours = lags.filter(pl.col("by") == OURS).sort("t")
        last = ours.group_by(place, maintain_order=True).last().sort(place)
        measured = {
            "compared": pairs.height,
            "lag_differs": wrong.height,
            "largest_lag": _whole(ours["value"].max()),
            "largest_lag_s": _oldest_s(case, ours),
            "lag_at_end": {str(row["partition"]): _whole(row["value"]) for row in last.iter_rows(named=True)},
        }
        held = Text(
            ko=f"파티션 {pairs.height}개의 lag이 두 방법에서 같습니다.",
            en=f"Both ways tell the same lag in all {pairs.height} comparisons.",
        )
        return Findings(
            measured, (_lag_found(case, wrong),), doubts=() if pairs.height else (NOT_TOLD,), held=held
        )


def _oldest_s(case: Case, lags: pl.DataFrame) -> float:
    """Return the longest that a record had been waiting, acknowledged and not committed, when the lag was read."""
    acks = case.history.completions.filter(pl.col("outcome").cast(pl.String) == "ok").select(
        topic=pl.col("topic").cast(pl.String),
        partition=pl.col("partition").cast(pl.String),
        offset="offset",
        acked="t",
    )
    waiting = lags.filter((pl.col("value") > 0) & pl.col("committed").is_not_null()).with_columns(
        offset=pl.max_horizontal(pl.col("committed").cast(pl.Int64), pl.lit(0))
    )
    oldest = waiting.join(acks, on=["topic", "partition", "offset"])
    longest = (oldest["t"] - oldest["acked"]).max()
    return round(longest / NS, 3) if isinstance(longest, int) else 0.0


def _lag_found(case: Case, wrong: pl.DataFrame) -> Found:
    examples = tuple(
        {
            "group": row["group"],
            "topic": row["topic"],
            "partition": int(row["partition"]),
            "lag": int(row["value"]),
            "tool_says": int(row["told"]),
            "read_s": case.witness.seconds(row["t"]),
        }
        for row in wrong.head(MAX_EXAMPLES).iter_rows(named=True)
    )
    headline = Text(
        ko=f"{wrong.height}번의 비교에서 lag이 서로 다릅니다.",
        en=f"The lag differs in {wrong.height} {'comparison' if wrong.height == 1 else 'comparisons'}.",
    )
    evidence = None
    if examples:
        one = examples[0]
        evidence = first(
            Text(
                ko=f"파티션 {one['partition']}, 로그 끝 - 커밋 = {one['lag']}, "
                f"kafka-consumer-groups는 {one['tool_says']}",
                en=f"partition {one['partition']}, log end - committed = {one['lag']}, "
                f"kafka-consumer-groups says {one['tool_says']}",
            )
        )
    return Found("lag_differs", wrong.height, examples, headline, evidence)


@dataclass(frozen=True, slots=True)
class Alarm:
    """The part that holds a watch of under-replicated partitions against the faults that there were."""

    within_s: float

    def __call__(self, case: Case) -> Findings:
        """Return alarms that were missed, that stay, and that had no cause."""
        watch = _metrics(case, WATCHED, "broker").sort("t")
        if watch.is_empty():
            return Findings(doubts=(NOT_TOLD,))
        raised = watch.filter(pl.col("value") > 0)
        faults = [fault for fault in case.witness.faults if fault.name in TAKING]
        first_at = [self._raised_after(raised, fault) for fault in faults]
        missed = [fault for fault, at in zip(faults, first_at, strict=True) if at is None]
        began = min((fault.began_ns for fault in faults), default=None)
        groundless = raised if began is None else raised.filter(pl.col("t") < began)
        last = watch.group_by("broker", maintain_order=True).last()
        stays = last.filter(pl.col("value") > 0)
        told = [
            round((at - fault.began_ns) / NS, 3)
            for fault, at in zip(faults, first_at, strict=True)
            if at is not None
        ]
        cleared = raised["t"].max()
        measured = {
            "samples": watch.height,
            "alarm_after_s": told,
            "last_alarm_s": case.witness.seconds(cleared) if isinstance(cleared, int) else None,
        }
        found = (
            _alarm_found("alarm_missed", len(missed), MISSED),
            _alarm_found("alarm_stays", stays.height, STAYS),
            _alarm_found("false_alarm", groundless.height, GROUNDLESS),
        )
        return Findings(measured, found, held=_alarm_held(told))

    def _raised_after(self, raised: pl.DataFrame, fault: Fault) -> int | None:
        """Return when the alarm was raised after a fault, if in time: soon enough, and while the broker was away."""
        latest = fault.began_ns + int(self.within_s * NS)
        latest = min(latest, fault.healed_ns or latest)
        at = raised.filter((pl.col("t") >= fault.began_ns) & (pl.col("t") <= latest))["t"].min()
        return at if isinstance(at, int) else None


MISSED: Final = Text(
    "브로커가 없어졌는데 경보가 제때 울리지 않았습니다.",
    "A broker went away and no alarm was raised in time.",
)
STAYS: Final = Text(
    "복구된 뒤에도 경보가 꺼지지 않았습니다.", "The alarm did not end after everything was healed."
)
GROUNDLESS: Final = Text(
    "아무 일도 없는데 경보가 울렸습니다.", "The alarm was raised although nothing had happened."
)


def _alarm_found(kind: str, count: int, headline: Text) -> Found:
    return Found(kind, count, (), headline)


def _alarm_held(told: list[float]) -> Text:
    if not told:
        return Text(ko="경보는 한 번도 울리지 않았습니다.", en="The watch stayed silent, as it should.")
    return Text(
        ko=f"경보는 장애 {max(told):.1f}초 뒤에 울렸고, 복구된 뒤에 꺼졌습니다.",
        en=f"The alarm was raised {max(told):.1f} s after the fault, and ended once all was healed.",
    )


@dataclass(frozen=True, slots=True)
class CountAgreement:
    """The part that holds counters of the brokers against what clients saw: rebalances, and records."""

    def __call__(self, case: Case) -> Findings:
        """Return the counters that differ."""
        counted = _rebalances_counted(case)
        generations = case.history.members.filter(
            (pl.col("op").cast(pl.String) == "assigned") & pl.col("generation").is_not_null()
        )
        seen = generations.select("group", "generation").unique().height
        acked = (
            case.history.completions.filter(pl.col("outcome").cast(pl.String) == "ok")
            .group_by(pl.col("topic").cast(pl.String))
            .len()
        )
        records = _metrics(case, RECORDS, "topic").sort("t").group_by("topic", maintain_order=True).last()
        sent = acked.join(records, on="topic")
        wrong: list[dict[str, object]] = []
        if counted is not None and counted != seen:
            wrong.append({"of": "rebalances", "by_jmx": counted, "by_clients": seen})
        wrong += [
            {"of": f"records of {row['topic']}", "by_jmx": int(row["value"]), "by_clients": int(row["len"])}
            for row in sent.filter(pl.col("value") != pl.col("len")).iter_rows(named=True)
        ]
        measured = {
            "rebalances_by_jmx": counted,
            "rebalances_by_clients": seen,
            "records_by_jmx": _whole(sent["value"].sum()),
            "records_acknowledged": _whole(sent["len"].sum()),
        }
        doubts = () if counted is not None and seen else (NOT_TOLD,)
        return Findings(measured, (_counts_found(wrong),), doubts, _counts_held(seen))


def _rebalances_counted(case: Case) -> int | None:
    """Return by how much the coordinator's counter grew between the two readings."""
    rows = _metrics(case, REBALANCES, "at").sort("t")
    before, after = (rows.filter(pl.col("at") == at)["value"] for at in ("before", "after"))
    return int(after[-1] - before[0]) if before.len() and after.len() else None


def _counts_held(seen: int) -> Text:
    return Text(
        ko=f"JMX가 센 리밸런스 수와 클라이언트가 본 수가 같습니다({seen}번).",
        en=f"JMX counted the {seen} rebalances that the clients saw, and every record.",
    )


def _counts_found(wrong: list[dict[str, object]]) -> Found:
    headline = Text(
        ko=f"JMX의 카운터 {len(wrong)}개가 클라이언트가 본 것과 다릅니다.",
        en=f"{len(wrong)} {'counter' if len(wrong) == 1 else 'counters'} of JMX differ from what the clients saw.",
    )
    evidence = None
    if wrong:
        one = wrong[0]
        evidence = first(
            Text(
                ko=f"{one['of']}: JMX {one['by_jmx']}, 클라이언트 {one['by_clients']}",
                en=f"{one['of']}, JMX {one['by_jmx']}, clients {one['by_clients']}",
            )
        )
    return Found("count_differs", len(wrong), tuple(wrong), headline, evidence)


def _metrics(case: Case, name: str, *labels: str) -> pl.DataFrame:
    """Return the figures of one name with some of their labels as columns of text (lag: with `committed`)."""
    more = (*labels, "committed") if name == LAG else labels
    told = [pl.col("labels").str.json_path_match(f"$.{label}").alias(label) for label in more]
    rows = case.history.metrics.filter(pl.col("name").cast(pl.String) == name)
    return rows.select("t", "value", *told)


def _whole(value: object) -> int:
    return int(float(str(value))) if value is not None else 0
