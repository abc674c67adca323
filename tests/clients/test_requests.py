"""Requests to send: keys, pace, and what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from ktrial.clients.requests import CHUNK_BYTES, LARGEST_CHUNK, Send
from ktrial.errors import UsageProblem


def send(**fields: Any) -> Send:
    """Return a request with defaults for what is not given."""
    return Send.of({"do": "send", "topic": "orders", "first_id": 10, "count": 100, **fields})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (None, None),
        ("id", ["12", "13", "14"]),
        ({"cycle": 3}, ["key-0", "key-1", "key-2"]),
        (["a", None], ["a", None, "a"]),
    ],
)
def test_keys(keys: object, expected: list[str | None] | None) -> None:
    """Keys are absent, the id, a cycle by id, or a list that is repeated."""
    assert send(keys=keys).keys(2, 3) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"count": -1},
        {"count": None},
        {"first_id": "x"},
        {"size": 23},
        {"per_s": 0},
        {"keys": {"cycle": 0}},
        {"keys": []},
        {"keys": "name"},
        {"partition": "x"},
    ],
)
def test_nonsense_is_refused(fields: dict[str, Any]) -> None:
    """A request that makes no sense is refused before anything is called."""
    with pytest.raises(UsageProblem, match="This cannot be sent"):
        send(**fields)


def test_chunks_are_bounded_in_records_and_bytes() -> None:
    """Small records go by the thousand, large ones by the mebibyte."""
    assert send(count=10**6).due(0, 0.0) == LARGEST_CHUNK
    assert send(count=10**6, size=CHUNK_BYTES // 4).due(0, 0.0) == 4
    assert send(count=10**6, size=CHUNK_BYTES * 2).due(0, 0.0) == 1
    assert send(count=5).due(3, 0.0) == 2


def test_pace() -> None:
    """At 10 per second the first goes at once, the second after 100 ms; what is late is caught up."""
    paced = send(per_s=10)
    assert [paced.due(0, 0.0), paced.due(1, 0.05), paced.due(1, 0.1)] == [1, 0, 1]
    assert paced.due(1, 1.0) == 10
    assert paced.next_due_s(7) == pytest.approx(0.7)


def test_one_by_one() -> None:
    """One at a time, paced or not."""
    assert send(one_by_one=True).due(0, 99.0) == 1
    assert send(one_by_one=True, per_s=10).due(0, 99.0) == 1
