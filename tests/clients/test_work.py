"""A member's work: what it writes down, where it halts, and what it gives up."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import Message

from ktrial.clients.channel import Channel
from ktrial.clients.work import Work
from ktrial.history.collect import read_journals
from ktrial.history.journal import Journal
from ktrial.history.payload import SENTINEL, encode

if TYPE_CHECKING:
    from pathlib import Path


class Bench:
    """A member's work with its journal, and what it says."""

    def __init__(self, folder: Path, each_ms: float | None = 0.0) -> None:
        """Begin without anything to do."""
        self.folder = folder
        self.said = io.BytesIO()
        self.closing = threading.Event()
        self.after: list[int] = []
        journal = Journal(folder, "consumer-1")
        self.work = Work(journal, Channel(io.BytesIO(), self.said), "shop", each_ms, self.closing)

    def does(self, *messages: Message) -> bool:
        """Do them; each time a record is through, remember how many were done."""
        return self.work.do(messages, lambda: self.after.append(self.work.done))

    def events(self) -> list[dict[str, Any]]:
        """Return what it has said."""
        return [json.loads(line) for line in self.said.getvalue().splitlines()]

    def processed(self) -> list[tuple[int, int, int]]:
        """Return (id, partition, offset) of what was written down as processed."""
        return read_journals(self.folder).processed.select("id", "partition", "offset").rows()

    def await_event(self, name: str) -> None:
        """Wait until it has said something."""
        deadline = time.monotonic() + 10
        while not any(event["event"] == name for event in self.events()):
            assert time.monotonic() < deadline
            time.sleep(0.005)


def message(record: int, partition: int = 0, value: bytes | None = None) -> Message:
    """Return a record as the library hands it out."""
    payload = encode(record, b"k", 40) if value is None else value
    return Message(topic="orders", partition=partition, offset=10 + record, key=b"k", value=payload)


def test_each_effect_is_written_down_in_order(tmp_path: Path) -> None:
    """One row per record with group, place and a time of its own; what is not ours moves the position only."""
    bench = Bench(tmp_path)
    assert bench.does(message(0), message(1, 1), message(2, value=SENTINEL), message(3, value=b"foreign"))
    history = read_journals(tmp_path).processed
    assert history.select("actor", "group", "id", "topic", "partition", "offset").rows() == [
        ("consumer-1", "shop", 0, "orders", 0, 10),
        ("consumer-1", "shop", 1, "orders", 1, 11),
    ]
    assert history["t"].is_sorted()
    assert bench.work.positions == {("orders", 0): 14, ("orders", 1): 12}
    assert bench.after == [1, 2, 3, 4]


def test_it_halts_after_exactly_so_many(tmp_path: Path) -> None:
    """The effect of the last one is written down, whatever follows it is not done, and then it goes on."""
    bench = Bench(tmp_path)
    bench.work.halt(2)
    batch = [message(number) for number in range(4)]
    thread = threading.Thread(target=bench.does, args=batch)
    thread.start()
    bench.await_event("halted")
    assert bench.events() == [{"event": "halted", "processed": 2}]
    assert [record for record, _, _ in bench.processed()] == [0, 1]
    assert bench.after == [1], "what comes after a record (a commit) has not come after the one it halted at"
    bench.work.go_on()
    thread.join(10)
    assert [record for record, _, _ in bench.processed()] == [0, 1, 2, 3]
    assert bench.after == [1, 2, 3, 4]


def test_closing_a_halted_one_leaves_the_rest_undone(tmp_path: Path) -> None:
    """It says that not all was done, and does nothing more."""
    bench = Bench(tmp_path)
    bench.work.halt(1)
    bench.closing.set()
    assert not bench.does(message(0), message(1))
    assert [record for record, _, _ in bench.processed()] == [0]
    assert bench.after == []
    assert not bench.work.rest()


def test_one_that_is_halted_already_does_nothing(tmp_path: Path) -> None:
    """A halt after no more than is done holds before the next record."""
    bench = Bench(tmp_path)
    bench.does(message(0))
    bench.work.halt(0)
    bench.closing.set()
    assert not bench.does(message(1))
    assert [record for record, _, _ in bench.processed()] == [0]


def test_a_record_takes_its_time_and_a_long_one_longer(tmp_path: Path) -> None:
    """Each record takes what was asked; a busy one is announced at both ends, and is the only one."""
    bench = Bench(tmp_path, each_ms=5.0)
    began = time.monotonic()
    bench.does(*(message(number) for number in range(4)))
    assert time.monotonic() - began >= 0.02
    bench.work.make_busy(60)
    began = time.monotonic()
    bench.does(message(4), message(5))
    assert time.monotonic() - began >= 0.065
    assert [event["event"] for event in bench.events()] == ["busy", "idle"]


def test_what_was_given_up_has_no_position(tmp_path: Path) -> None:
    """Nothing of a partition that is gone is left to be committed."""
    bench = Bench(tmp_path)
    bench.does(message(0, 0), message(1, 1))
    bench.work.give_up([("orders", 1), ("orders", 2)])
    assert bench.work.positions == {("orders", 0): 11}


def test_reading_alone_processes_nothing(tmp_path: Path) -> None:
    """Without work positions move, and nothing is written down as processed."""
    bench = Bench(tmp_path, None)
    assert bench.does(message(0), message(1))
    assert bench.work.positions == {("orders", 0): 12}
    assert bench.work.done == 0
    assert bench.processed() == []
