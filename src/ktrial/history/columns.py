"""The columns of a history's tables and their types: the one place that says how an operation is kept in memory.

A record of a run costs three rows (called, acknowledged, read), so words that repeat are category numbers and not
text. All names share one set of categories, all keys another: their numbers may be compared across tables and files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polars._typing import PolarsDataType

NAME: Final = pl.Categorical(pl.Categories("ktrial.name"))
KEY: Final = pl.Categorical(pl.Categories("ktrial.key"))
OUTCOMES: Final = ("ok", "failed", "unknown", "unacknowledged")
OUTCOME: Final = pl.Enum(OUTCOMES)
ISOLATIONS: Final = ("read_uncommitted", "read_committed")
ISOLATION: Final = pl.Enum(ISOLATIONS)
TIME: Final = pl.Int64()
PARTITION: Final = pl.Int32()
OFFSET: Final = pl.Int64()

_PLACE: Final[Mapping[str, PolarsDataType]] = {"topic": NAME, "partition": PARTITION}
_HEAD: Final[Mapping[str, PolarsDataType]] = {"t": TIME, "actor": NAME}

TABLES: Final[Mapping[str, Mapping[str, PolarsDataType]]] = {
    "calls": {**_HEAD, "id": pl.Int64(), "topic": NAME, "key": KEY, "txn": NAME, "tombstone": pl.Boolean()},
    "completions": {
        **_HEAD, "id": pl.Int64(), "outcome": OUTCOME, **_PLACE, "offset": OFFSET, "error": NAME,
    },
    "reads": {
        **_HEAD, "id": pl.Int64(), **_PLACE, "offset": OFFSET, "key": KEY, "isolation": ISOLATION,
        "group": NAME, "intact": pl.Boolean(),
    },
    "ends": {
        **_HEAD, **_PLACE, "log_start": OFFSET, "log_end": OFFSET, "last_stable": OFFSET, "isolation": ISOLATION,
    },
    "members": {
        **_HEAD, "op": NAME, "outcome": NAME, "group": NAME,
        "partitions": pl.List(pl.Struct({"topic": pl.String(), "partition": PARTITION})), "generation": pl.Int64(),
    },
    "processed": {**_HEAD, "group": NAME, "id": pl.Int64(), **_PLACE, "offset": OFFSET},
    "commits": {**_HEAD, "outcome": NAME, "group": NAME, **_PLACE, "offset": OFFSET, "error": NAME},
    "txns": {**_HEAD, "outcome": NAME, "txn": NAME, "transactional_id": NAME},
    "faults": {**_HEAD, "outcome": NAME, "fault": NAME, "target": NAME, "detail": pl.String()},
    "brokers": {**_HEAD, "broker": pl.Int32(), "state": NAME},
    "leaders": {**_HEAD, **_PLACE, "leader": pl.Int32(), "epoch": pl.Int32()},
    "isrs": {**_HEAD, **_PLACE, "isr": pl.List(pl.Int32())},
    "metrics": {**_HEAD, "name": NAME, "value": pl.Float64(), "labels": pl.String()},
    "batches": {
        **_HEAD, **_PLACE, "broker": pl.Int32(), "offset": OFFSET, "last_offset": OFFSET, "epoch": pl.Int32(),
        "crc": pl.Int64(), "size": pl.Int64(), "records": pl.Int64(), "segment": OFFSET, "control": pl.Boolean(),
        "phase": NAME,
    },
    "topics": {**_HEAD, "topic": NAME, "settings": pl.String()},
    "others": {**_HEAD, "op": NAME, "outcome": NAME, "json": pl.String()},
}  # fmt: skip

WHERE_ABSENT: Final[Mapping[str, object]] = {"intact": True}  # what a column holds where nothing was said


def conform(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with exactly the columns and types of table `name`, in one chunk; absent columns become null.

    Raises polars' own errors when a value does not fit its column: the caller made the frame and knows its source.
    """
    columns: list[pl.Expr] = []
    for column, kind in TABLES[name].items():
        value = pl.col(column) if column in frame.columns else pl.lit(None)
        value = value.cast(kind)
        if column in WHERE_ABSENT:
            value = value.fill_null(WHERE_ABSENT[column])
        columns.append(value.alias(column))
    told = all(
        not frame[column].null_count()
        for column in WHERE_ABSENT
        if column in TABLES[name] and column in frame
    )
    if told and frame.schema == pl.Schema(TABLES[name]):
        return frame.rechunk()
    if frame.is_empty():
        return pl.DataFrame(schema=dict(TABLES[name]))
    return frame.select(columns).rechunk()
