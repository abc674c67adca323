"""The exchange format: a history as NDJSON, one operation per line (design: "Contract: the history").

Sends, reads, effects and commits come by the million and are read by polars' strict parser; everything else, and any
file in which something looks odd, goes through the exact reader of `ktrial.history.contract`.
"""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from ktrial.errors import MachineProblem, UsageProblem
from ktrial.history.columns import ISOLATIONS, OUTCOMES, TABLES
from ktrial.history.contract import CONTRACT, BrokenLine, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from polars._typing import PolarsDataType

Tables = dict[str, pl.DataFrame]

BULK: Final = {"send": "", "read": "reads", "processed": "processed", "committed": "commits"}
BULK_LINE: Final = r'"op"\s*:\s*"(?:send|read|processed|committed)"'
BULK_FIELDS: Final[Mapping[str, PolarsDataType]] = {
    **dict.fromkeys(("t", "id", "offset"), pl.Int64()),
    "partition": pl.Int32(),
    **dict.fromkeys(
        ("actor", "op", "outcome", "topic", "key", "txn", "error", "isolation", "group"), pl.String()
    ),
    **dict.fromkeys(("intact", "tombstone"), pl.Boolean()),
}
# The fast parser turns a number or an object into text without a word, so such a line takes the exact way.
NOT_TEXT: Final = r'"(?:actor|op|outcome|topic|key|txn|error|isolation|group)"\s*:\s*[^"n\s]'
ROWS_AT_ONCE: Final = 100_000
NULL_FIELD: Final = re.compile(rb',"\w+":null')
SMALLEST: Final = {"partition": 0, "offset": -1}


def read(path: Path) -> Tables:
    """Return the tables of a history file; raises UsageProblem that names the file, the line and the reason.

    Blank lines are allowed, and the order of lines carries no meaning.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageProblem(
            f"The history {path} cannot be read: {error.strerror}.", mend="Name an NDJSON file."
        ) from error
    fast = _read_fast(data)
    if fast is not None:
        bulk, rest = fast
        return _merge(bulk, _read_exact(path, rest))
    return _read_exact(path, enumerate(data.split(b"\n"), start=1))


def _read_fast(data: bytes) -> tuple[Tables, Iterable[tuple[int, bytes]]] | None:
    """Return the bulk tables and the numbered lines that are left over, or None when something looks odd."""
    try:
        lines = pl.read_lines(data, row_index_name="number", row_index_offset=1)
        line = pl.col("line")
        plain = line.str.contains(BULK_LINE) & ~line.str.contains(NOT_TEXT)
        lines = lines.with_columns(plain=plain)
        bulk = lines.lazy().filter("plain").select("line").collect()["line"]
        rest = lines.filter(~pl.col("plain") & (line.str.strip_chars() != ""))
        if bulk.is_empty():
            return {}, _numbered(rest)
        text = io.BytesIO()
        bulk.to_frame().write_csv(text, include_header=False, quote_style="never")
        del bulk, lines
        rows = pl.read_ndjson(text.getvalue(), schema=dict(BULK_FIELDS))
    except pl.exceptions.PolarsError:
        return None
    tables = _split(rows)
    return None if tables is None else (tables, _numbered(rest))


def _numbered(lines: pl.DataFrame) -> Iterator[tuple[int, bytes]]:
    for number, line in lines.select("number", "line").iter_rows():
        yield number, line.encode()


def _split(rows: pl.DataFrame) -> Tables | None:
    """Return the rows of each bulk table, or None when a row breaks the contract."""
    send = pl.col("op") == "send"
    wanted = {
        "calls": send & (pl.col("outcome") == "called"),
        "completions": send & (pl.col("outcome") != "called"),
        **{table: pl.col("op") == op for op, table in BULK.items() if table},
    }
    tables = {name: rows.filter(which) for name, which in wanted.items()}
    if sum(frame.height for frame in tables.values()) != rows.height:
        return None
    if not all(_sound(name, frame) for name, frame in tables.items() if frame.height):
        return None
    return {
        name: frame.select(column for column in TABLES[name] if column in frame.columns)
        for name, frame in tables.items()
        if frame.height
    }


def _sound(name: str, frame: pl.DataFrame) -> bool:
    """Return whether every row of a bulk table obeys the contract."""
    must = {"t", "actor", "op", "outcome"}
    shapes = [
        (op, outcome, shape) for op in BULK for outcome, shape in CONTRACT[op].items() if shape.table == name
    ]
    must |= set.intersection(*(set(shape.must) for _, _, shape in shapes))
    checks = [pl.col(column).null_count() == 0 for column in sorted(must)]
    checks += [(pl.col(column) >= least).all() for column, least in SMALLEST.items()]
    checks.append(pl.col("outcome").is_in([outcome for _, outcome, _ in shapes]).all())
    if name == "completions":
        placed = (
            pl.col("topic").is_not_null() & pl.col("partition").is_not_null() & pl.col("offset").is_not_null()
        )
        checks.append((placed | (pl.col("outcome") != OUTCOMES[0])).all())
    if name == "reads":
        checks.append(pl.col("isolation").is_in(ISOLATIONS).all())
    return all(frame.select(check.alias(str(n)) for n, check in enumerate(checks)).row(0))


def _read_exact(path: Path, lines: Iterable[tuple[int, bytes]]) -> Tables:
    """Read numbered lines one by one; raises UsageProblem for the first that is broken."""
    rows: dict[str, list[dict[str, object]]] = {}
    for number, line in lines:
        if not line.strip():
            continue
        try:
            table, row = parse(line)
        except BrokenLine as error:
            raise UsageProblem(
                f"{path}, line {number}: {error.what}.", mend="No verdict is given; mend or remove the line."
            ) from error
        rows.setdefault(table, []).append(row)
    return {name: _frame(name, found) for name, found in rows.items()}


def _frame(name: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(
        {column: [row.get(column) for row in rows] for column in TABLES[name]}, schema=dict(TABLES[name])
    )


def _merge(bulk: Tables, rest: Tables) -> Tables:
    """Return the rows of both readers; the fast one's text columns take the types of the tables."""
    merged = {**rest}
    for name, frame in bulk.items():
        typed = frame.cast({column: TABLES[name][column] for column in frame.columns})
        merged[name] = pl.concat([typed, rest[name]], how="diagonal") if name in rest else typed
    return merged


def write(tables: Mapping[str, pl.DataFrame], target: Path | BinaryIO) -> None:
    """Write all operations, one JSON object per line; raises MachineProblem when the disk refuses."""
    try:
        if isinstance(target, io.IOBase):
            _write_all(tables, target)
        else:
            with target.open("wb") as file:  # type: ignore[union-attr]
                _write_all(tables, file)
    except OSError as error:
        raise MachineProblem(
            f"The history could not be written: {error}.", mend="Make room there, or name another file."
        ) from error


def _write_all(tables: Mapping[str, pl.DataFrame], file: Any) -> None:
    for name, frame in tables.items():
        for part in frame.iter_slices(ROWS_AT_ONCE):
            file.write(_bulk_lines(name, part) if name in _BULK_WORDS else _other_lines(name, part))


_BULK_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "calls": {"op": "send", "outcome": "called"},
    "completions": {"op": "send"},
    "reads": {"op": "read", "outcome": "ok"},
    "ends": {"op": "end", "outcome": "ok"},
    "processed": {"op": "processed", "outcome": "ok"},
    "commits": {"op": "committed"},
    "txns": {"op": "txn"},
    "brokers": {"op": "broker", "outcome": "ok"},
    "leaders": {"op": "leader", "outcome": "ok"},
    "isrs": {"op": "isr", "outcome": "ok"},
    "batches": {"op": "batch", "outcome": "ok"},
}


def _bulk_lines(name: str, part: pl.DataFrame) -> bytes:
    words = _BULK_WORDS[name]
    part = part.with_columns(pl.lit(word).alias(column) for column, word in words.items())
    if name == "reads":  # intact is the rule; only its absence is worth a field
        part = part.with_columns(intact=pl.when(~pl.col("intact")).then(pl.lit(value=False)))
    head = ["t", "actor", "op", "outcome"]
    buffer = io.BytesIO()
    part.select(*head, pl.exclude(head)).write_ndjson(buffer)
    return NULL_FIELD.sub(b"", buffer.getvalue())


def _other_lines(name: str, part: pl.DataFrame) -> bytes:
    lines = [_other_line(name, row) for row in part.iter_rows(named=True)]
    return "".join(f"{line}\n" for line in lines).encode()


def _other_line(name: str, row: dict[str, Any]) -> str:
    if name == "others":
        return str(row["json"])
    if name == "members":
        row["partitions"] = [[place["topic"], place["partition"]] for place in row["partitions"]]
    for column in ("detail", "labels", "settings"):
        if row.get(column) is not None:
            row[column] = json.loads(row[column])
    words = {} if name == "members" else {"op": name.removesuffix("s"), "outcome": "ok"}
    line = {field: value for field, value in {**words, **row}.items() if value is not None}
    return json.dumps(line, ensure_ascii=False)
