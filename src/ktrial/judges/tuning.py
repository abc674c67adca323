"""Tuning: what a setting costs and saves, cell by cell of a grid, and whether it saves what it must.

Each cell plays in rounds that take turns, by two actors: `burst-CELL` sends as fast as it can (records/s and latency
under load), `pace-CELL` at a steady pace (how many requests that makes). Counters come from the brokers' own JMX and
carry their cell as a label. Numbers of time are told as median and range over the rounds, never judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from ktrial.judges.claim import Findings, Found
from ktrial.judges.cost import turn
from ktrial.judges.witness import NS, first
from ktrial.verdict import Doubt, Text

if TYPE_CHECKING:
    from ktrial.judges.case import Case

BURST, PACE = "burst", "pace"
FIGURES: Final = ("records_per_s", "mb_per_s", "avg_ms", "max_ms", "p50_ms", "p95_ms", "p99_ms")
BYTES, RECORDS, REQUESTS = "BytesInPerSec", "MessagesInPerSec", "TotalProduceRequestsPerSec"
MS: Final = 1_000_000
MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Fewer:
    """The part that judges that in each pair the first cell has less of a counter than the second, for equal records.

    `counter` is a name of Kafka's BrokerTopicMetrics, `of` the load (burst or pace) that it counted.
    """

    counter: str
    of: str
    pairs: tuple[tuple[str, str], ...]

    def __call__(self, case: Case) -> Findings:
        """Return the pairs that are the other way round; doubt a run in which a cell was not counted."""
        counted = {name: _counted(case, name, self.of) for name in (self.counter, RECORDS)}
        doubts: list[Doubt] = []
        wrong: list[dict[str, object]] = []
        for less, more in self.pairs:
            values, records = ([counted[name].get(cell) for cell in (less, more)] for name in counted)
            if None in values or None in records or records[0] != records[1]:
                doubts.append(_uncounted(less, more))
            elif (values[0] or 0) >= (values[1] or 0):
                wrong.append({"counter": self.counter, less: values[0], more: values[1]})
        held = Text(
            ko=f"{len(self.pairs)}쌍 모두 앞의 설정이 {_what(self.counter).ko} 더 적습니다.",
            en=f"In all {len(self.pairs)} pairs the first setting makes fewer {_what(self.counter).en}.",
        )
        return Findings(found=(_found(self.counter, wrong),), doubts=tuple(doubts), held=held)


@dataclass(frozen=True, slots=True)
class Cells:
    """The part that measures each cell of a grid: throughput, latency, batches, requests, bytes, processor time."""

    cells: tuple[str, ...]
    record_bytes: int

    def __call__(self, case: Case) -> Findings:
        """Return the table {cell: numbers}."""
        rounds = _rounds(case)
        counters = {
            (name, of): _counted(case, name, of)
            for name in (BYTES, RECORDS, REQUESTS)
            for of in (BURST, PACE)
        }
        cpu = _processor_time(case)
        table: dict[str, dict[str, object]] = {}
        for cell in self.cells:
            ours = rounds.filter(pl.col("cell") == cell)
            if ours.is_empty():
                continue
            rates = ours["per_s"]
            sent, records = counters[BYTES, BURST].get(cell, 0.0), counters[RECORDS, BURST].get(cell, 0.0)
            requests = counters[REQUESTS, BURST].get(cell, 0.0)
            table[cell] = {
                "records_per_s": _number(rates.median()),
                "records_per_s_range": [_number(rates.min()), _number(rates.max())],
                "mb_per_s": round(float(str(rates.median())) * self.record_bytes / MB, 2),
                **_latencies(case, cell),
                "bytes": int(sent),
                "bytes_per_record": round(sent / records, 1) if records else None,
                "compression_ratio": round(records * self.record_bytes / sent, 2) if sent else None,
                "batch_bytes": round(sent / requests) if requests else None,
                "requests": int(requests),
                "requests_when_paced": int(counters[REQUESTS, PACE].get(cell, 0.0)),
                "client_cpu_s": round(cpu.get((cell, "client"), 0.0), 2),
                "broker_cpu_s": round(cpu.get((cell, "brokers"), 0.0), 2),
            }
        for cell, figures in _told_by_tool(case).items():
            table[cell] = {**figures, "bytes": int(counters[BYTES, BURST].get(cell, 0.0))}
        doubts = tuple(_unmeasured(cell) for cell in self.cells if cell not in table)
        return Findings({"cells": table, "tool_lines": _tool_lines(table)}, doubts=doubts)


def _rounds(case: Case) -> pl.DataFrame:
    """Return cell and records/s of each burst: from its first call to its last outcome."""
    done = case.history.completions.select("id", done="t")
    calls = case.history.calls.select("t", "id", pl.col("actor").cast(pl.String))
    return (
        calls.filter(pl.col("actor").str.starts_with(f"{BURST}-"))
        .join(done, on="id")
        .sort("t")
        .with_columns(turn=turn())
        .group_by("actor", "turn", maintain_order=True)
        .agg(per_s=pl.len().cast(pl.Float64) * NS / (pl.col("done").max() - pl.col("t").min()))
        .select(pl.col("actor").str.strip_prefix(f"{BURST}-").alias("cell"), "per_s")
    )


def _latencies(case: Case, cell: str) -> dict[str, object]:
    """Return the latency of a cell's paced records, from call to outcome, in ms, as the tool of Kafka tells it."""
    done = case.history.completions.select("id", done="t")
    calls = case.history.calls.filter(pl.col("actor").cast(pl.String) == f"{PACE}-{cell}").select("id", "t")
    ms = calls.join(done, on="id").select(ms=(pl.col("done") - pl.col("t")) / MS)["ms"]
    named = (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))
    told: dict[str, object] = {name: _number(ms.quantile(share), 2) for name, share in named}
    return {"avg_ms": _number(ms.mean(), 2), **told, "max_ms": _number(ms.max(), 2)}


def _counted(case: Case, name: str, of: str) -> dict[str, float]:
    """Return what a counter of one load came to in the end, by cell."""
    labels = pl.col("labels").str
    rows = (
        case.history.metrics.filter(pl.col("name").cast(pl.String) == name)
        .sort("t")
        .select(cell=labels.json_path_match("$.cell"), of=labels.json_path_match("$.of"), value="value")
        .filter(pl.col("cell").is_not_null() & (pl.col("of") == of))
        .group_by("cell", maintain_order=True)
        .agg(pl.col("value").last())
    )
    return {str(cell): float(value) for cell, value in rows.iter_rows()}


def _processor_time(case: Case) -> dict[tuple[str, str], float]:
    labels = pl.col("labels").str
    rows = (
        case.history.metrics.filter(pl.col("name").cast(pl.String) == "cpu_s")
        .select(cell=labels.json_path_match("$.cell"), of=labels.json_path_match("$.of"), value="value")
        .group_by("cell", "of")
        .agg(pl.col("value").sum())
    )
    return {(str(cell), str(of)): float(value) for cell, of, value in rows.iter_rows()}


def _told_by_tool(case: Case) -> dict[str, dict[str, object]]:
    """Return the figures that kafka-producer-perf-test printed, by cell."""
    told: dict[str, dict[str, object]] = {}
    labels = pl.col("labels").str
    rows = case.history.metrics.filter(pl.col("name").cast(pl.String).is_in(FIGURES)).select(
        "value", name=pl.col("name").cast(pl.String), cell=labels.json_path_match("$.cell")
    )
    for value, name, cell in rows.iter_rows():
        told.setdefault(cell, {})[name] = _number(value, 2)
    return told


def _tool_lines(table: dict[str, dict[str, object]]) -> dict[str, str]:
    """Return each cell in the words of `kafka-producer-perf-test`."""
    return {
        cell: f"{row['records_per_s']} records/sec ({row['mb_per_s']} MB/sec), {row['avg_ms']} ms avg latency, "
        f"{row['max_ms']} ms max latency, {row['p50_ms']} ms 50th, {row['p95_ms']} ms 95th, {row['p99_ms']} ms 99th."
        for cell, row in table.items()
    }


def _number(value: object, digits: int = 0) -> float | int | None:
    if value is None:
        return None
    rounded = round(float(str(value)), digits)
    return rounded if digits else int(rounded)


def _what(counter: str) -> Text:
    return {
        BYTES: Text("바이트를", "bytes"),
        REQUESTS: Text("요청을", "requests"),
    }.get(counter, Text(f"{counter}를", counter))


def _unmeasured(cell: str) -> Doubt:
    return Doubt(Text(ko=f"{cell}의 측정값이 없습니다.", en=f"{cell} was not measured."))


def _uncounted(less: str, more: str) -> Doubt:
    return Doubt(
        Text(
            ko=f"{less}와(과) {more}를 같은 수의 메시지로 비교할 수 없습니다.",
            en=f"{less} and {more} were not counted over the same number of records.",
        )
    )


def _found(counter: str, wrong: list[dict[str, object]]) -> Found:
    what = _what(counter)
    headline = Text(
        ko=f"{len(wrong)}쌍에서 {what.ko} 줄이지 못했습니다.",
        en=f"In {len(wrong)} {'pair' if len(wrong) == 1 else 'pairs'} there were no fewer {what.en}.",
    )
    evidence = None
    if wrong:
        (less, fewer), (more, others) = [item for item in wrong[0].items() if item[0] != "counter"]
        evidence = first(
            Text(
                ko=f"{less} {fewer:,.0f}, {more} {others:,.0f}",
                en=f"{less} {fewer:,.0f}, {more} {others:,.0f}",
            )
        )
    return Found("not_fewer", len(wrong), tuple(wrong), headline, evidence)
