"""The history contract, line by line: which fields an operation has, and what is wrong with a line that lacks them.

This is the exact reader. `ktrial.history.ndjson` has a faster one for the operations that come by the million, and
falls back on this one whenever something looks odd, so that every complaint names its line and reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ktrial.errors import KtrialError
from ktrial.history.columns import ISOLATIONS, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

I32_END: Final = 2**31
I64_END: Final = 2**63
JSON_KINDS: Final = {
    dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number",
    type(None): "null",
}  # fmt: skip


class BrokenLine(KtrialError):
    """One line cannot be read; whoever knows the file and the line's number says so in a UsageProblem."""


def _integer(value: object, low: int, end: int) -> object:
    if type(value) is not int:
        raise BrokenLine(f"an integer was expected, not {JSON_KINDS[type(value)]}")
    if not low <= value < end:
        raise BrokenLine(f"{value} is out of range")
    return value


def _i64(value: object) -> object:
    return _integer(value, -I64_END, I64_END)


def _i32(value: object) -> object:
    return _integer(value, -I32_END, I32_END)


def _partition(value: object) -> object:
    return _integer(value, 0, I32_END)


def _offset(value: object) -> object:
    return _integer(value, -1, I64_END)


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise BrokenLine(f"text was expected, not {JSON_KINDS[type(value)]}")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BrokenLine(f"a number was expected, not {JSON_KINDS[type(value)]}")
    return float(value)


def _truth(value: object) -> object:
    if not isinstance(value, bool):
        raise BrokenLine(f"true or false was expected, not {JSON_KINDS[type(value)]}")
    return value


def _isolation(value: object) -> object:
    if value not in ISOLATIONS:
        raise BrokenLine(f"{value!r} is none of {', '.join(ISOLATIONS)}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise BrokenLine(f"a list was expected, not {JSON_KINDS[type(value)]}")
    return value


def _places(value: object) -> object:
    places = []
    for pair in _list(value):
        if len(_list(pair)) != len(("topic", "partition")):
            raise BrokenLine("each partition is written [topic, partition]")
        places.append({"topic": _text(pair[0]), "partition": _partition(pair[1])})
    return places


def _brokers(value: object) -> object:
    return [_i32(broker) for broker in _list(value)]


def _any_json(value: object) -> object:
    return json.dumps(value, ensure_ascii=False)


def _texts_by_name(value: object) -> object:
    if not isinstance(value, dict):
        raise BrokenLine(f"an object was expected, not {JSON_KINDS[type(value)]}")
    for text in value.values():
        _text(text)
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """Where an operation is kept, and the fields it must and may have."""

    table: str
    must: Mapping[str, Callable[[object], object]]
    may: Mapping[str, Callable[[object], object]] = field(default_factory=dict)


_HEAD = {"t": _i64, "actor": _text, "op": _text, "outcome": _text}
_PLACE = {"topic": _text, "partition": _partition}
_SPOT = {**_PLACE, "offset": _offset}
_ENDED = Shape("completions", {"id": _i64}, {**_SPOT, "error": _text})
_MEMBER = Shape("members", {"group": _text, "partitions": _places}, {"generation": _i64})
_TXN = Shape("txns", {"txn": _text, "transactional_id": _text})
_FAULT = Shape("faults", {"fault": _text, "target": _text}, {"detail": _any_json})
_COMMIT = Shape("commits", {"group": _text, **_SPOT}, {"error": _text})
_LOG = {"log_start": _offset, "log_end": _offset, "last_stable": _offset}
_BATCH = {
    **_SPOT, "broker": _i32, "last_offset": _offset, "epoch": _i32, "crc": _i64, "size": _i64, "records": _i64,
}  # fmt: skip

CONTRACT: Final[Mapping[str, Mapping[str, Shape]]] = {
    "send": {
        "called": Shape(
            "calls", {"id": _i64, "topic": _text}, {"key": _text, "txn": _text, "tombstone": _truth}
        ),
        "ok": Shape("completions", {"id": _i64, **_SPOT}, {"error": _text}),
        **dict.fromkeys(OUTCOMES[1:], _ENDED),
    },
    "read": {
        "ok": Shape(
            "reads",
            {"id": _i64, **_SPOT, "isolation": _isolation},
            {"key": _text, "group": _text, "intact": _truth},
        )
    },
    "end": {"ok": Shape("ends", {**_PLACE, **_LOG, "isolation": _isolation})},
    **{op: {"ok": _MEMBER} for op in ("assigned", "revoked", "lost")},
    "processed": {"ok": Shape("processed", {"group": _text, "id": _i64, **_SPOT})},
    "committed": dict.fromkeys(("ok", "failed", "unknown"), _COMMIT),
    "txn": dict.fromkeys(("began", "committed", "aborted", "unknown"), _TXN),
    "fault": dict.fromkeys(("injected", "landed", "healed"), _FAULT),
    "broker": {"ok": Shape("brokers", {"broker": _i32, "state": _text})},
    "leader": {"ok": Shape("leaders", {**_PLACE, "leader": _i32, "epoch": _i32})},
    "isr": {"ok": Shape("isrs", {**_PLACE, "isr": _brokers})},
    "metric": {"ok": Shape("metrics", {"name": _text, "value": _number}, {"labels": _any_json})},
    "batch": {"ok": Shape("batches", _BATCH, {"segment": _offset, "control": _truth, "phase": _text})},
    "topic": {"ok": Shape("topics", {"topic": _text, "settings": _texts_by_name})},
}


def parse(line: bytes) -> tuple[str, dict[str, object]]:
    """Return the table that a line belongs to, and its row; raises BrokenLine with the reason.

    An operation that is not in the contract is kept whole in the table `others`; a field that is not is ignored.
    """
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenLine(f"it is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise BrokenLine(f"it is {JSON_KINDS[type(said)]}, not an object")
    row = _fields(said, _HEAD, {})
    shapes = CONTRACT.get(str(row["op"]))
    if shapes is None:
        return "others", {**row, "json": json.dumps(said, ensure_ascii=False)}
    shape = shapes.get(str(row["outcome"]))
    if shape is None:
        known = ", ".join(shapes)
        raise BrokenLine(f"the outcome of {row['op']} is one of {known}, not {row['outcome']!r}")
    return shape.table, row | _fields(said, shape.must, shape.may)


def _fields(
    said: Mapping[str, object],
    must: Mapping[str, Callable[[object], object]],
    may: Mapping[str, Callable[[object], object]],
) -> dict[str, object]:
    row: dict[str, object] = {}
    for name, read in (must | may if may else must).items():  # type: ignore[operator]
        value = said.get(name)
        if value is None:
            if name in must:
                raise BrokenLine(f"the field {name!r} is missing")
            continue
        try:
            row[name] = read(value)
        except BrokenLine as error:
            raise BrokenLine(f"the field {name!r} is wrong: {error.what}") from error
    return row
