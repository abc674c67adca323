"""Hand-written histories: a few rows at a time, with sensible defaults."""

from __future__ import annotations

from typing import Any, Self

import polars as pl

from ktrial.history.columns import TABLES
from ktrial.history.tables import History

Row = dict[str, Any]
FINAL = "final-reader"
ACK_AFTER = 250  # ns; calls are 100 ns apart, so three of a producer's sends are in flight
FINAL_T = 1_000_000
END_T = 2_000_000


class Playing:
    """Rows of a history that is being written."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.rows: dict[str, list[Row]] = {name: [] for name in TABLES}

    def __repr__(self) -> str:
        """Show all rows, for a failed test."""
        return "\n".join(f"{name}: {row}" for name, rows in self.rows.items() for row in rows)

    def add(self, table: str, **row: object) -> Self:
        """Write one row."""
        self.rows[table].append(row)
        return self

    def called(
        self, record: int, t: int, *, actor: str = "producer", topic: str = "orders", **more: object
    ) -> Self:
        """Write a call."""
        return self.add("calls", id=record, t=t, actor=actor, topic=topic, **more)

    def told(self, record: int, outcome: str, t: int, *, actor: str = "producer", **more: object) -> Self:
        """Write an outcome other than ok."""
        return self.add("completions", id=record, t=t, actor=actor, outcome=outcome, **more)

    def acked(
        self, record: int, offset: int, t: int, *, partition: int = 0, topic: str = "orders", **more: object
    ) -> Self:
        """Write an acknowledgement."""
        place = {"topic": topic, "partition": partition, "offset": offset}
        return self.add(
            "completions", id=record, t=t, **{"actor": "producer", "outcome": "ok", **place, **more}
        )

    def read(
        self, record: int, offset: int, *, partition: int = 0, topic: str = "orders", **more: object
    ) -> Self:
        """Write a read, by default of the final reader."""
        place = {"topic": topic, "partition": partition, "offset": offset}
        reader = {
            "actor": FINAL,
            "isolation": "read_uncommitted",
            "t": FINAL_T + len(self.rows["reads"]),
            "intact": True,
        }
        return self.add("reads", id=record, **{**reader, **place, **more})

    def ended(self, log_end: int, *, partition: int = 0, topic: str = "orders", **more: object) -> Self:
        """Write the final reader's end of a partition."""
        log = {"log_start": 0, "log_end": log_end, "last_stable": log_end, "isolation": "read_uncommitted"}
        place = {"topic": topic, "partition": partition}
        return self.add("ends", **{"t": END_T, "actor": FINAL, **place, **log, **more})

    def fault(self, fault: str, target: str, **times: int) -> Self:
        """Write a fault's injected, landed and healed."""
        for outcome, t in times.items():
            self.add("faults", t=t, actor="stage", outcome=outcome, fault=fault, target=target)
        return self

    def history(self) -> History:
        """Return what was written."""
        return History.of(
            **{
                name: pl.DataFrame(rows, schema=dict(TABLES[name]))
                for name, rows in self.rows.items()
                if rows
            }
        )


def clean(records: int = 12, partitions: int = 2, keys: int = 0) -> Playing:
    """Return a run without a flaw: one producer, everything acknowledged and read; a second reader saw all, too.

    Record n has offset n // partitions on partition n % partitions; with `keys`, key n % partitions.
    """
    playing = Playing()
    for record in range(records):
        key = {"key": f"key-{record % partitions}"} if keys else {}
        playing.called(record, 100 * record, **key)
        playing.acked(record, record // partitions, 100 * record + ACK_AFTER, partition=record % partitions)
    for reader in (FINAL, "watcher"):
        for partition in range(partitions):
            for record in range(partition, records, partitions):
                key = {"key": f"key-{partition}"} if keys else {}
                playing.read(record, record // partitions, partition=partition, actor=reader, **key)
    for partition in range(partitions):
        playing.ended(len(range(partition, records, partitions)), partition=partition)
    return playing
