"""What all benchmarks share: two sides in turns, medians, their ratio, one table.

A number alone says little on a machine that does other things: a second run of the same differs by 30 %.
So each benchmark measures ours and a baseline in one run, in turns, and the ratio is what counts.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Row(TypedDict):
    """One comparison: medians of both sides in `unit`, ours / baseline, and its range over the rounds."""

    name: str
    unit: str
    ours: float
    baseline: float
    ratio: float
    range: tuple[float, float]
    bound: NotRequired[str]  # what is demanded of it, as a person would say it: "ratio <= 0.35"
    note: NotRequired[str]


def in_turns(
    ours: Callable[[], float], baseline: Callable[[], float], rounds: int
) -> tuple[list[float], list[float]]:
    """Measure both sides `rounds` times; who goes first changes with each round."""
    measured: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            measured[side].append((ours, baseline)[side]())
    return measured


def compared(name: str, unit: str, ours: Sequence[float], baseline: Sequence[float]) -> Row:
    """Return the row of two sides that were measured in the same rounds."""
    ratios = [mine / theirs for mine, theirs in zip(ours, baseline, strict=True)]
    middle, middle_baseline = statistics.median(ours), statistics.median(baseline)
    return Row(
        name=name,
        unit=unit,
        ours=round(middle, 3),
        baseline=round(middle_baseline, 3),
        ratio=round(middle / middle_baseline, 3),
        range=(round(min(ratios), 3), round(max(ratios), 3)),
    )


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the rows as text, one column per key, in the order in which keys first appear."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [keys, *([_cell(row.get(key, "")) for key in keys] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(keys))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    """Return a number with thousands parted, a range as 'low to high', the rest as it is."""
    if isinstance(value, tuple | list):
        return " to ".join(_cell(part) for part in value)
    return f"{value:,}" if isinstance(value, int | float) else str(value)
