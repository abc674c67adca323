"""From journals to one history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ktrial.history.collect import read_journals
from ktrial.history.journal import ACK, CALL, READ, Journal

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path) -> None:
    """Write a producer's and a reader's journal by hand."""
    producer = Journal(folder, "p1")
    calls = np.zeros(3, dtype=CALL)
    calls["t"], calls["id"], calls["txn"] = [10, 10, 11], [0, 1, 2], -1
    calls["topic"] = producer.name("orders")
    calls["key"] = producer.names(["key-0", None, "ok"])
    producer.calls(calls)
    acks = np.zeros(2, dtype=ACK)
    acks["t"], acks["id"], acks["offset"], acks["partition"] = 20, [0, 1], [5, -1], [2, -1]
    acks["topic"] = producer.name("orders")
    acks["outcome"] = producer.names(["ok", "unknown"])
    acks["error"] = producer.names([None, "_MSG_TIMED_OUT"])
    producer.acks(acks)
    producer.close()
    reader = Journal(folder, "final-reader")
    reads = np.zeros(2, dtype=READ)
    reads["t"], reads["id"], reads["offset"], reads["key"], reads["intact"] = 30, [0, 1], [5, 6], -1, [1, 0]
    reads["topic"] = reader.name("orders")
    reads["context"] = reader.names(["read_uncommitted\t", "read_committed\tbilling"])
    reader.reads(reads)
    reader.note(
        "end", "ok", t=31, topic="orders", partition=0, log_start=0, log_end=7, last_stable=7,
        isolation="read_uncommitted",
    )  # fmt: skip
    reader.done(1, "orders", 0, 6, "billing")
    reader.note("foreign", "ok", t=32, topic="orders", partition=0, offset=3)
    reader.close()


def test_all_families_arrive(tmp_path: Path) -> None:
    """Calls, completions, reads, ends and notes come back with names, nulls and the actor of their files."""
    written(tmp_path)
    history = read_journals(tmp_path)
    assert history.calls.rows() == [
        (10, "p1", 0, "orders", "key-0", None, None),
        (10, "p1", 1, "orders", None, None, None),
        (11, "p1", 2, "orders", "ok", None, None),
    ]
    assert history.completions.rows() == [
        (20, "p1", 0, "ok", "orders", 2, 5, None),
        (20, "p1", 1, "unknown", "orders", None, None, "_MSG_TIMED_OUT"),
    ]
    assert history.reads.rows() == [
        (30, "final-reader", 0, "orders", 0, 5, None, "read_uncommitted", None, True),
        (30, "final-reader", 1, "orders", 0, 6, None, "read_committed", "billing", False),
    ]
    assert history.ends["log_end"].to_list() == [7]
    assert history.processed.drop("t").rows() == [("final-reader", "billing", 1, "orders", 0, 6)]
    assert history.others["op"].to_list() == ["foreign"]


def test_call_without_completion_stays_so(tmp_path: Path) -> None:
    """Record 2 was called and nothing is known of it: there is no completion for it."""
    written(tmp_path)
    history = read_journals(tmp_path)
    assert set(history.calls["id"]) - set(history.completions["id"]) == {2}


def test_torn_note_is_left_out(tmp_path: Path) -> None:
    """A line that its process could not finish is left out and does no harm to the rest."""
    written(tmp_path)
    with (tmp_path / "final-reader.ndjson").open("ab") as file:
        file.write(b'{"t": 33, "actor": "final-rea')
    assert read_journals(tmp_path).others.height == 1


def test_empty_folder_is_an_empty_history(tmp_path: Path) -> None:
    """No journals: nothing happened."""
    assert all(table.is_empty() for table in read_journals(tmp_path).tables().values())
