"""Client processes without any broker: what they promise even then."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from ktrial.history.collect import read_journals

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.conftest import Starter

NOBODY = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


def producer_specification(folder: Path, **settings: object) -> dict[str, Any]:
    """Return the specification of a producer that reaches nobody."""
    return {"actor": "p1", "journal": str(folder), "config": {**NOBODY, **settings}, "seed": 1}


SEND = {"do": "send", "topic": "orders", "first_id": 0, "count": 250, "n": 1}


def test_killed_producer_leaves_its_calls(start: Starter, tmp_path: Path) -> None:
    """After kill -9 every record handed over is known, and none has an outcome."""
    producer = start("producer", producer_specification(tmp_path))
    assert producer.hear() == {"event": "ready"}
    producer.say(SEND)
    assert producer.hear() == {"n": 1, "did": "send", "called": 250}
    producer.process.kill()
    producer.process.wait()
    history = read_journals(tmp_path)
    assert history.calls["id"].to_list() == list(range(250))
    assert history.completions.is_empty()


def test_closing_leaves_the_outstanding_unknown(start: Starter, tmp_path: Path) -> None:
    """A close with its limit reached says how many are outstanding and writes no outcome for them."""
    producer = start("producer", producer_specification(tmp_path))
    producer.hear()
    producer.say(SEND)
    producer.hear()
    assert producer.ask("tally")["called"] == 250
    assert producer.ask("flush", limit_s=0.05)["outstanding"] == 250
    assert producer.ask("close", limit_s=0.1, n=9) == {"n": 9, "did": "close", "outstanding": 250}
    assert producer.process.wait(5) == 0
    assert read_journals(tmp_path).completions.is_empty()


def test_full_queue_is_waited_out_and_stopped(start: Starter, tmp_path: Path) -> None:
    """A full queue holds a send up without failing it; a stop ends it, and what was never queued has failed."""
    producer = start("producer", producer_specification(tmp_path, **{"queue.buffering.max.messages": 100}))
    producer.hear()
    producer.say(SEND)
    deadline = time.monotonic() + 10
    while producer.ask("tally")["called"] < 250:
        assert time.monotonic() < deadline
    assert producer.ask("tally")["failed"] == 0
    assert {producer.ask("stop_sending").get("did"), producer.hear().get("did")} == {"stop_sending", "send"}
    producer.ask("close", limit_s=0)
    completions = read_journals(tmp_path).completions
    assert completions.select("id", "outcome", "error").rows() == [
        (record_id, "failed", "_QUEUE_FULL") for record_id in range(100, 250)
    ]


def test_paced_send_is_interrupted(start: Starter, tmp_path: Path) -> None:
    """A slow send answers to stop_sending at once, and says how far it came."""
    producer = start("producer", producer_specification(tmp_path))
    producer.hear()
    producer.say({**SEND, "per_s": 1})
    while producer.ask("tally")["called"] < 1:
        pass
    answers = [producer.ask("stop_sending"), producer.hear()]
    assert {"n": 1, "did": "send", "called": 1, "stopped": True} in answers
    assert read_journals(tmp_path).calls.height == 1


def test_time_out_is_unknown(start: Starter, tmp_path: Path) -> None:
    """A record that timed out is unknown; a record too large for the client itself is failed."""
    producer = start(
        "producer", producer_specification(tmp_path, **{"delivery.timeout.ms": 300, "linger.ms": 0})
    )
    producer.hear()
    producer.say({**SEND, "count": 1, "size": 2_000_000})
    producer.say({**SEND, "first_id": 1, "count": 2})
    producer.hear()
    producer.hear()
    assert producer.ask("flush", limit_s=10)["outstanding"] == 0
    producer.ask("close")
    completions = read_journals(tmp_path).completions
    assert completions.select("id", "outcome", "error").sort("id").rows() == [
        (0, "failed", "MSG_SIZE_TOO_LARGE"),
        (1, "unknown", "_MSG_TIMED_OUT"),
        (2, "unknown", "_MSG_TIMED_OUT"),
    ]


def test_nonsense_is_answered(start: Starter, tmp_path: Path) -> None:
    """Lines that are no commands, and commands that make no sense, are answered, and the process lives on."""
    producer = start("producer", producer_specification(tmp_path))
    producer.hear()
    producer.say("{")
    assert "no JSON" in producer.hear()["error"]
    producer.say("[]")
    assert "no JSON object" in producer.hear()["error"]
    assert "cannot 'dance'" in producer.ask("dance")["error"]
    assert "cannot be sent" in producer.ask("send", topic="orders")["error"]
    assert producer.ask("tally")["called"] == 0


@pytest.mark.parametrize("module", ["producer", "consumer"])
def test_refused_settings_end_the_process(start: Starter, tmp_path: Path, module: str) -> None:
    """An unknown setting ends the process with the usage status and a sentence with the nearest name."""
    specification = producer_specification(tmp_path, **{"client.idd": "x"})
    client = start(module, {**specification, "topics": ["orders"], "group": "g"})
    event = client.hear()
    assert event["event"] == "failed"
    assert "client.id" in event["error"]
    assert client.process.wait(5) == 64


@pytest.mark.parametrize("module", ["producer", "consumer"])
def test_interrupt_is_ignored_and_end_of_input_ends(start: Starter, tmp_path: Path, module: str) -> None:
    """SIGINT is for the parent; the end of standard input ends a client cleanly and soon."""
    client = start(module, {**producer_specification(tmp_path), "topics": ["orders"], "group": "g"})
    assert client.hear() == {"event": "ready"}
    os.kill(client.process.pid, signal.SIGINT)
    assert client.ask("tally")["did"] == "tally"
    assert client.end() == 0


def test_consumer_needs_something_to_read(start: Starter, tmp_path: Path) -> None:
    """Topics without a group, or nothing at all, are refused."""
    specification = producer_specification(tmp_path)
    client = start("consumer", {**specification, "topics": ["orders"]})
    assert client.hear()["event"] == "failed"
    assert client.process.wait(5) == 64


def test_reader_names_what_it_waits_for(start: Starter, tmp_path: Path) -> None:
    """A final reader that reaches nobody says which partition, and claims no end."""
    reader = start(
        "reader",
        {
            "actor": "final-reader",
            "journal": str(tmp_path),
            "bootstrap": "127.0.0.1:1",
            "config": {"log_level": 0},
            "topics": [{"topic": "orders", "partitions": 2}],
            "limit_s": 0.5,
            "n": 3,
        },
    )
    answer = reader.hear()
    assert answer["n"] == 3
    assert "orders [0], orders [1]" in answer["error"]
    assert answer["waiting"][1] == ["orders", 1, "read_uncommitted", -1, -1]
    assert reader.process.wait(5) == 2
    assert read_journals(tmp_path).ends.is_empty()


def member_specification(folder: Path) -> dict[str, Any]:
    """Return the specification of a group's member that reaches nobody."""
    more = {"topics": ["orders"], "group": "shop", "process": {"each_ms": 1, "batch": 10}}
    return {**producer_specification(folder), **more, "commit": {"when": "after", "every": 3}}


def test_member_is_halted_and_goes_on(start: Starter, tmp_path: Path) -> None:
    """A halt at what is done already holds at once, is said once, leaves it answering, and ends when told so."""
    member = start("consumer", member_specification(tmp_path))
    assert member.hear() == {"event": "ready"}
    assert member.ask("halt", after=0)["did"] == "halt"
    assert member.hear() == {"event": "halted", "processed": 0}
    assert member.ask("tally", n=7) == {
        "n": 7, "did": "tally", "read": 0, "processed": 0, "positions": [], "owned": [],
    }  # fmt: skip
    assert member.ask("go_on")["did"] == "go_on"
    assert member.ask("busy", ms=5)["did"] == "busy"
    assert "cannot do this" in member.ask("halt")["error"]
    assert "dance" in member.ask("dance")["error"]
    assert member.end() == 0


def test_halted_member_ends_when_told_so(start: Starter, tmp_path: Path) -> None:
    """A halt does not keep it from closing."""
    member = start("consumer", member_specification(tmp_path))
    member.hear()
    member.ask("halt", after=0)
    member.hear()
    assert member.end() == 0


def test_unknown_way_to_commit_ends_the_process(start: Starter, tmp_path: Path) -> None:
    """A way that does not exist is refused with those that do."""
    member = start("consumer", {**member_specification(tmp_path), "commit": {"when": "later"}})
    event = member.hear()
    assert event["event"] == "failed"
    assert "handed-out" in event["error"]
    assert member.process.wait(5) == 64
