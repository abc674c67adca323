"""The swimlane timeline of one run: faults, leaders, ISR, assignments, outcomes, effects, on one clock in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from ktrial.report.svg import Drawing, ticks

if TYPE_CHECKING:
    from ktrial.history.tables import History

NS = 1_000_000_000
WIDTH, LEFT, LANE, BIN_NS = 1000.0, 190.0, 22.0, 100_000_000
MOST_LANES = 24


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: from and to in ns, what, and how it looks."""

    began: int
    ended: int
    text: str
    style: str


@dataclass(slots=True)
class Lane:
    """One row: spans, or heights of bars by bin."""

    name: str
    spans: list[Span] = field(default_factory=list)
    bars: dict[int, int] = field(default_factory=dict)
    style: str = "ok"


def timeline(history: History) -> str:
    """Return the picture of one run, or nothing for a run in which nothing was written down."""
    began, ended = history.began_ns(), _ended(history)
    if ended <= began:
        return ""
    lanes = [*_faults(history, ended), *_leaders(history, ended), *_members(history, ended), *_bars(history)]
    lanes = [lane for lane in lanes if lane.spans or lane.bars][:MOST_LANES]
    drawing = Drawing(WIDTH, "timeline")
    scale = (WIDTH - LEFT - 10) / (ended - began)
    for place, lane in enumerate(lanes):
        _draw(drawing, lane, 4 + place * LANE, began, scale)
    bottom = 6 + len(lanes) * LANE
    drawing.line(LEFT, bottom, WIDTH - 10, bottom)
    for second in ticks((ended - began) / NS, 10):
        x = LEFT + second * NS * scale
        drawing.line(x, 4, x, bottom, "grid")
        drawing.text(x, bottom + 14, f"{second:g} s", "small", "middle")
    return drawing.svg()


def _ended(history: History) -> int:
    """Return when the run ended, in ns: at the last end of the final reader, or the last thing that happened."""
    last = [
        history.table(name)["t"].max()
        for name in ("ends", "completions", "faults", "members", "processed", "leaders")
    ]
    return max((value for value in last if isinstance(value, int)), default=0)


def _draw(drawing: Drawing, lane: Lane, y: float, began: int, scale: float) -> None:
    drawing.text(LEFT - 8, y + 14, lane.name[:30], "small", "end")
    for span in lane.spans:
        x, width = LEFT + (span.began - began) * scale, (span.ended - span.began) * scale
        seconds = f"{(span.began - began) / NS:.2f} - {(span.ended - began) / NS:.2f} s"
        drawing.rect(x, y + 2, width, LANE - 5, span.style, f"{span.text} ({seconds})")
        if width > 6.5 * len(span.text):
            drawing.text(x + 4, y + 14, span.text, "inside")
    most = max(lane.bars.values(), default=0)
    for at, count in lane.bars.items():
        height = max(1.5, (LANE - 5) * count / most)
        x = LEFT + (at * BIN_NS) * scale
        drawing.rect(x, y + LANE - 3 - height, max(1.0, BIN_NS * scale - 0.4), height, lane.style, f"{count}")


def _faults(history: History, ended: int) -> list[Lane]:
    lanes: dict[str, Lane] = {}
    opened: dict[tuple[str, str], int] = {}
    for row in history.faults.sort("t").iter_rows(named=True):
        key = (str(row["fault"]), str(row["target"]))
        lane = lanes.setdefault(" ".join(key), Lane(" ".join(key)))
        if row["outcome"] == "injected":
            opened[key] = row["t"]
        elif row["outcome"] == "healed" and key in opened:
            lane.spans.append(Span(opened.pop(key), row["t"], key[0], "fault"))
    for key, t in opened.items():
        lanes[" ".join(key)].spans.append(Span(t, ended, key[0], "fault"))
    return list(lanes.values())


def _leaders(history: History, ended: int) -> list[Lane]:
    """Return, per partition, who led it, with the ISR as text."""
    isrs = history.isrs.select("t", "topic", "partition", "isr")
    rows = pl.concat(
        [history.leaders.select("t", "topic", "partition", "leader"), isrs], how="diagonal"
    ).sort("t")
    lanes: list[Lane] = []
    for (topic, partition), some in rows.group_by("topic", "partition", maintain_order=True):
        lane = Lane(f"{str(topic).removeprefix('ktrial-')}/{partition}")
        told = some.with_columns(pl.col("leader").forward_fill(), pl.col("isr").forward_fill())
        changes = list(told.iter_rows(named=True))
        for row, following in zip(changes, [*changes[1:], None], strict=True):
            if row["leader"] is None:
                continue
            isr = ",".join(map(str, row["isr"] or ()))
            style = "offline" if row["leader"] < 0 else f"broker{row['leader'] % 4}"
            until = following["t"] if following else ended
            lane.spans.append(Span(row["t"], until, f"leader {row['leader']}, ISR {isr}", style))
        lanes.append(lane)
    return lanes


def _members(history: History, ended: int) -> list[Lane]:
    """Return, per consumer, which partitions it owned from when to when."""
    lanes: list[Lane] = []
    for (actor,), some in history.members.sort("t").group_by("actor", maintain_order=True):
        lane, owned, since = Lane(str(actor)), set[str](), 0
        for row in some.iter_rows(named=True):
            places = {str(place["partition"]) for place in row["partitions"]}
            if owned:
                lane.spans.append(Span(since, row["t"], f"p{','.join(sorted(owned))}", "owned"))
            owned = owned | places if row["op"] == "assigned" else owned - places
            since = row["t"]
        if owned:
            lane.spans.append(Span(since, ended, f"p{','.join(sorted(owned))}", "owned"))
        lanes.append(lane)
    return lanes


def _bars(history: History) -> list[Lane]:
    """Return outcomes of sends and effects per 100 ms."""
    began = history.began_ns()
    at = ((pl.col("t") - began) // BIN_NS).alias("at")
    lanes = []
    outcomes = (
        history.completions.select(at, pl.col("outcome").cast(pl.String)).group_by("outcome", "at").len()
    )
    for outcome, style in (
        ("ok", "ok"),
        ("unacknowledged", "ok"),
        ("unknown", "unknown"),
        ("failed", "failed"),
    ):
        some = outcomes.filter(pl.col("outcome") == outcome)
        lanes.append(
            Lane(f"{outcome} / 100 ms", bars=dict(some.select("at", "len").iter_rows()), style=style)
        )
    done = history.processed.select(at).group_by("at").len()
    lanes.append(Lane("processed / 100 ms", bars=dict(done.select("at", "len").iter_rows()), style="done"))
    return lanes
