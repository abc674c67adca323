"""A history with a row of every kind, and a comparison that does not mind the order of rows."""

from __future__ import annotations

import polars as pl

from ktrial.history.columns import TABLES
from ktrial.history.tables import History

HEAD = {"t": 5, "actor": "someone"}
PLACE = {"topic": "orders", "partition": 2}
ROWS: dict[str, list[dict[str, object]]] = {
    "calls": [
        {"id": -(2**63), "topic": "orders", "key": "é\n", "txn": "t-1"},
        {"id": 2**63 - 1, "topic": "orders"},
        {"id": 4, "topic": "orders", "key": "k", "tombstone": True},
    ],
    "completions": [
        {"id": 1, "outcome": "ok", **PLACE, "offset": 9},
        {"id": 2, "outcome": "failed", "error": "_QUEUE_FULL"},
        {"id": 3, "outcome": "unknown", "error": "_MSG_TIMED_OUT", "topic": "orders"},
        {"id": 4, "outcome": "unacknowledged"},
    ],
    "reads": [
        {"id": 1, **PLACE, "offset": 9, "isolation": "read_uncommitted", "intact": True, "key": "k"},
        {"id": 1, **PLACE, "offset": 9, "isolation": "read_committed", "intact": False, "group": "g"},
    ],
    "ends": [{**PLACE, "log_start": 0, "log_end": 10, "last_stable": 10, "isolation": "read_committed"}],
    "members": [
        {"op": "assigned", "outcome": "ok", "group": "g", "partitions": [PLACE], "generation": 3},
        {"op": "lost", "outcome": "ok", "group": "g", "partitions": []},
    ],
    "processed": [{"group": "g", "id": 1, **PLACE, "offset": 9}],
    "commits": [{"outcome": "ok", "group": "g", **PLACE, "offset": 10}],
    "txns": [{"outcome": "aborted", "txn": "t-1", "transactional_id": "shop"}],
    "faults": [
        {
            "outcome": "injected",
            "fault": "kill",
            "target": "broker-1",
            "detail": '{"pid": 7, "more": [1, null]}',
        },
        {"outcome": "healed", "fault": "kill", "target": "broker-1"},
    ],
    "brokers": [{"broker": 1, "state": "died"}],
    "leaders": [{**PLACE, "leader": -1, "epoch": 4}],
    "isrs": [{**PLACE, "isr": [1, 2]}, {**PLACE, "isr": []}],
    "metrics": [{"name": "m", "value": 2.5, "labels": '{"broker": "1"}'}, {"name": "m", "value": 3.0}],
    "batches": [
        {
            **PLACE,
            "broker": 1,
            "offset": 0,
            "last_offset": 4,
            "epoch": 1,
            "crc": 2**32 - 1,
            "size": 9,
            "records": 5,
        },
        {
            **PLACE,
            "broker": 1,
            "offset": 5,
            "last_offset": 5,
            "epoch": 1,
            "crc": 7,
            "size": 8,
            "records": 1,
            "segment": 5,
            "control": True,
            "phase": "after",
        },
    ],
    "topics": [{"topic": "orders", "settings": '{"cleanup.policy": "compact"}'}],
    "others": [
        {
            "op": "run",
            "outcome": "ok",
            "json": '{"t": 5, "actor": "someone", "op": "run", "outcome": "ok", "replicas": 3}',
        }
    ],
}


def full_history() -> History:
    """Return a history with rows in every table."""
    return History.of(
        **{
            name: pl.DataFrame([{**HEAD, **row} for row in rows], schema=dict(TABLES[name]))
            for name, rows in ROWS.items()
        }
    )


def same(one: History, other: History) -> bool:
    """Return whether two histories have the same rows, in whatever order."""
    return all(
        sorted(map(repr, frame.rows())) == sorted(map(repr, other.table(name).rows()))
        and frame.schema == other.table(name).schema
        for name, frame in one.tables().items()
    )
