"""What was measured, as a few lines for people: plain numbers in one line, each table of numbers row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping


def measured_lines(measured: Mapping[str, object]) -> list[str]:
    """Return the numbers that are not zero or empty; report.json has them all."""
    plain = [f"{name} {_shown(value)}" for name, value in measured.items() if value and not _is_table(value)]
    lines = [", ".join(plain)] if plain else []
    for name, value in measured.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{name} {row}: {_shown(cells)}" for row, cells in value.items()]
    return lines


def _is_table(value: object) -> bool:
    """Whether a value is worth lines of its own, or (a list of objects) too much for one."""
    return isinstance(value, Mapping) or (
        isinstance(value, list) and any(isinstance(each, Mapping) for each in value)
    )


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(_shown(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
