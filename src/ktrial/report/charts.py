"""Charts of what was measured: a number per name as bars, two numbers per name as points, a number over time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ktrial.report.svg import Drawing, ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, LEFT, ROW = 820.0, 330.0, 22.0
HEIGHT, PAD = 300.0, 60.0


def bars(title: str, unit: str, values: Mapping[str, float]) -> str:
    """Return one bar per name, its value written behind it."""
    drawing = Drawing(WIDTH, title)
    drawing.text(4, 16, f"{title} ({unit})", "heading")
    most = max(values.values(), default=0.0) or 1.0
    for place, (name, value) in enumerate(values.items()):
        y = 28 + place * ROW
        width = (WIDTH - LEFT - 90) * value / most
        drawing.text(LEFT - 8, y + 14, name[:52], "small", "end")
        drawing.rect(LEFT, y + 2, width, ROW - 6, "ok", f"{name}: {value:g} {unit}")
        drawing.text(LEFT + width + 6, y + 14, f"{value:,.6g}", "small")
    return drawing.svg()


def points(title: str, across: str, up: str, values: Mapping[str, tuple[float, float]]) -> str:
    """Return one labelled point per name: across and up, each with its unit in its name."""
    drawing = Drawing(WIDTH, title)
    drawing.text(4, 16, title, "heading")
    x_of, y_of = _axes(drawing, across, up, list(values.values()))
    for place, (name, (x, y)) in enumerate(values.items()):
        drawing.dot(x_of(x), y_of(y), f"point{place % 4}", f"{name}: {x:g}, {y:g}")
        drawing.text(x_of(x) + 8, y_of(y) + (4 if place % 2 else -6), name, "small")
    return drawing.svg()


def lines(title: str, unit: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return one line per name over time in seconds; each is named at its first point."""
    drawing = Drawing(WIDTH, title)
    drawing.text(4, 16, f"{title} ({unit})", "heading")
    every = [point for points_ in series.values() for point in points_]
    x_of, y_of = _axes(drawing, "s", unit, every)
    for place, (name, told) in enumerate(series.items()):
        for (x1, y1), (x2, y2) in pairwise(told):
            drawing.line(x_of(x1), y_of(y1), x_of(x2), y_of(y2), f"line{place % 4}")
        if told:
            drawing.text(x_of(told[0][0]) + 4, y_of(told[0][1]) - 4 - 12 * (place % 3), name, "small")
    return drawing.svg()


class _Axis:
    """Where a value lies on the page."""

    def __init__(self, at_zero: float, per_unit: float) -> None:
        self._at_zero, self._per_unit = at_zero, per_unit

    def __call__(self, value: float) -> float:
        return self._at_zero + value * self._per_unit


def _axes(drawing: Drawing, across: str, up: str, told: Sequence[tuple[float, float]]) -> tuple[_Axis, _Axis]:
    widest = max((x for x, _ in told), default=1.0) or 1.0
    highest = max((y for _, y in told), default=1.0) or 1.0
    x_of = _Axis(PAD, (WIDTH - PAD - 250) / widest)
    y_of = _Axis(HEIGHT, -(HEIGHT - 40) / highest)
    drawing.line(PAD, HEIGHT, WIDTH - 240, HEIGHT)
    drawing.line(PAD, 30, PAD, HEIGHT)
    for tick in ticks(widest):
        drawing.text(x_of(tick), HEIGHT + 16, f"{tick:,.6g}", "small", "middle")
    for tick in ticks(highest):
        drawing.line(PAD, y_of(tick), WIDTH - 240, y_of(tick), "grid")
        drawing.text(PAD - 6, y_of(tick) + 4, f"{tick:,.6g}", "small", "end")
    drawing.text(WIDTH - 236, HEIGHT + 4, across, "small")
    drawing.text(PAD + 4, 34, up, "small")
    return x_of, y_of
