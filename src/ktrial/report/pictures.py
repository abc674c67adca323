"""Which pictures a trial gets: chosen by what was measured and written down, not by which trial it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from ktrial.report.charts import bars, lines, points
from ktrial.report.timeline import NS, timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ktrial.history.tables import History

Json = dict[str, Any]


def of_trial(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the pictures that compare the settings of a trial."""
    made = []
    pauses = {
        f"{setting['setting']}, p{partition}": float(seconds)
        for setting in settings
        for partition, seconds in (setting["measured"].get("pause_s") or {}).items()
    }
    if pauses:
        made.append(bars("longest pause per partition", "s", pauses))
    again = {
        str(setting["setting"]): float(setting["measured"]["processed_again"])
        for setting in settings
        if "processed_again" in setting["measured"]
    }
    if any(again.values()):
        made.append(bars("processed again after the crash", "records", again))
    return made


def of_setting(measured: Mapping[str, Any], history: History | None) -> list[str]:
    """Return the pictures of one run: its timeline, and what its numbers allow."""
    made = [timeline(history)] if history is not None else []
    if isinstance(measured.get("cells"), dict):
        made += _cells(measured["cells"])
    if isinstance(measured.get("latency_ms"), dict) and isinstance(measured.get("records_per_s"), dict):
        made.append(_trade_off(measured))
    if isinstance(measured.get("log"), dict):
        made += _log(measured["log"])
    if history is not None:
        made += _lag(history)
    return [picture for picture in made if picture]


def _cells(cells: Mapping[str, Json]) -> list[str]:
    told = {
        name: (float(row["p50_ms"] or 0), float(row["records_per_s"] or 0))
        for name, row in cells.items()
        if row.get("p50_ms") is not None
    }
    sent = {name: float(row["bytes"]) for name, row in cells.items() if row.get("bytes")}
    asked = {
        name: float(row["requests_when_paced"])
        for name, row in cells.items()
        if row.get("requests_when_paced")
    }
    made = [points("throughput against latency", "p50 ms", "records/s", told)]
    if sent:
        made.append(bars("bytes sent for the same records", "bytes", sent))
    return [*made, bars("requests at a steady pace", "requests", asked)] if asked else made


def _trade_off(measured: Mapping[str, Any]) -> str:
    rates = {name.removeprefix("bursts-"): sorted(told) for name, told in measured["records_per_s"].items()}
    told = {
        name: (float(row["p50"] or 0), float(rates[name][len(rates[name]) // 2]))
        for name, row in measured["latency_ms"].items()
        if rates.get(name)
    }
    return points("what an acknowledgement costs", "p50 ms", "records/s", told)


def _log(phases: Mapping[str, Json]) -> list[str]:
    """Return what a log held before and after compaction, number by number."""
    names = dict.fromkeys(name for told in phases.values() for name, value in told.items() if _plain(value))
    return [
        bars(
            f"log: {name}", name, {phase: float(told[name]) for phase, told in phases.items() if name in told}
        )
        for name in names
    ]


def _plain(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lag(history: History) -> list[str]:
    """Return the lag over time per partition, where it was watched."""
    rows = history.metrics.filter(pl.col("name").cast(pl.String) == "lag").sort("t")
    series: dict[str, list[tuple[float, float]]] = {}
    began = history.began_ns()
    for t, value, labels in rows.select("t", "value", "labels").iter_rows():
        told = json.loads(labels or "{}")
        if told.get("by") == "ktrial":
            series.setdefault(f"p{told.get('partition')}", []).append(((t - began) / NS, value))
    return (
        [lines("lag over time", "records", series)] if any(len(some) > 1 for some in series.values()) else []
    )
