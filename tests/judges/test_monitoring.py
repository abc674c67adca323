"""Monitoring: lag by two witnesses, an alarm against the faults, counters against the clients; and tuning's savings."""

from __future__ import annotations

import json

import pytest
from tests.judges.playing import Playing, clean

from ktrial.judges import alarms_truthfully, counts_agree, lag_agrees, saves
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Judgement

SECOND = 1_000_000_000


def _kinds(judgement: Judgement) -> dict[str, int]:
    return {anomaly.kind: anomaly.count for anomaly in judgement.anomalies if anomaly.breaks}


def _metric(playing: Playing, name: str, value: float, t: int, **labels: object) -> None:
    playing.add("metrics", t=t, actor="stage", name=name, value=value, labels=json.dumps(labels))


def _lags(*told: tuple[str, int, int]) -> Playing:
    """Return a run in which witnesses told the lag of two partitions: (who, partition, lag)."""
    playing = clean()
    for turn, (by, partition, lag) in enumerate(told):
        place = {"group": "readers", "topic": "orders", "partition": partition}
        _metric(playing, "lag", lag, 10_000 + turn, by=by, committed=2, **place)
    return playing


OURS, TOOL = "ktrial", "kafka-consumer-groups"


def test_the_same_lag_from_both_sides_is_held() -> None:
    """Each partition is compared with what the tool told next; the oldest record's wait is measured."""
    judgement = lag_agrees()(_lags((OURS, 0, 4), (OURS, 1, 0), (TOOL, 0, 4), (TOOL, 1, 0)).history())
    assert (judgement.verdict, judgement.measured["compared"]) == (HELD, 2)
    assert judgement.measured["largest_lag"] == 4
    assert judgement.measured["lag_at_end"] == {"0": 4, "1": 0}


def test_a_lag_that_differs_is_named_with_both_figures() -> None:
    """Partition, ours and the tool's."""
    judgement = lag_agrees()(_lags((OURS, 0, 4), (OURS, 1, 0), (TOOL, 0, 5), (TOOL, 1, 0)).history())
    assert _kinds(judgement) == {"lag_differs": 1}
    assert (judgement.anomalies[0].examples[0]["lag"], judgement.anomalies[0].examples[0]["tool_says"]) == (
        4,
        5,
    )


def test_the_reading_next_before_the_tools_counts() -> None:
    """A group that has moved on since an earlier reading of ours does not differ."""
    judgement = lag_agrees()(_lags((OURS, 0, 9), (OURS, 0, 4), (TOOL, 0, 4)).history())
    assert judgement.verdict is HELD


def test_without_a_comparison_nothing_is_concluded() -> None:
    """Lags of one witness only."""
    assert lag_agrees()(_lags((OURS, 0, 4)).history()).verdict is INCONCLUSIVE


def _watched(*values: tuple[int, int, float], fault: bool = True) -> Playing:
    """Return a run with a kill from 10 s to 16 s, and samples of the watch: (second, broker, value)."""
    playing = clean()
    for row in (*playing.rows["reads"], *playing.rows["ends"]):
        row["t"] += 60 * SECOND
    if fault:
        playing.fault("kill", "broker-1", injected=10 * SECOND, landed=10 * SECOND + 1, healed=16 * SECOND)
    for second, broker, value in values:
        _metric(playing, "watch", value, second * SECOND, broker=broker)
    return playing


QUIET = ((5, 1, 0), (5, 2, 0))


@pytest.mark.parametrize(
    ("samples", "fault", "kinds"),
    [
        ((*QUIET, (12, 2, 3), (20, 2, 0)), True, {}),
        (QUIET, False, {}),
        ((*QUIET, (12, 2, 0), (20, 2, 0)), True, {"alarm_missed": 1}),
        ((*QUIET, (17, 2, 3), (20, 2, 0)), True, {"alarm_missed": 1}),
        ((*QUIET, (12, 2, 3), (20, 2, 3)), True, {"alarm_stays": 1}),
        (((5, 1, 0), (6, 2, 1), (12, 2, 3), (20, 2, 0)), True, {"false_alarm": 1}),
        (((5, 1, 0), (6, 2, 1), (20, 2, 0)), False, {"false_alarm": 1}),
    ],
)
def test_an_alarm_comes_with_the_fault_and_goes_with_it(
    *, samples: tuple[tuple[int, int, float], ...], fault: bool, kinds: dict[str, int]
) -> None:
    """Missed when it comes after the broker is back; false when nothing had happened; it must end."""
    judgement = alarms_truthfully(5.0)(_watched(*samples, fault=fault).history())
    assert _kinds(judgement) == kinds
    assert judgement.verdict is (BROKEN if kinds else HELD)


def test_an_alarm_that_comes_too_late_is_missed() -> None:
    """The limit counts from the fault, also while the broker is still away."""
    judgement = alarms_truthfully(1.0)(_watched(*QUIET, (12, 2, 3), (20, 2, 0)).history())
    assert _kinds(judgement) == {"alarm_missed": 1}


def test_a_watch_that_told_nothing_is_no_silence() -> None:
    """No sample, no verdict."""
    assert alarms_truthfully(5.0)(_watched().history()).verdict is INCONCLUSIVE


def _counted(after: int, records: int = 12) -> Playing:
    """Return a run with two generations of a group, a counter that stood at 5 before, and a topic's counter."""
    playing = clean()
    for turn, generation in enumerate((1, 2, 2)):
        places = [{"topic": "orders", "partition": turn % 2}]
        member = {"group": "readers", "partitions": places, "generation": generation}
        playing.add("members", t=2000 + turn, actor=f"m{turn}", op="assigned", outcome="ok", **member)
    _metric(playing, "rebalances", 5, 1000, at="before", broker=1)
    _metric(playing, "rebalances", after, 9000, at="after", broker=1)
    _metric(playing, "MessagesInPerSec", records, 9001, topic="orders")
    return playing


@pytest.mark.parametrize(
    ("after", "records", "kinds"),
    [
        (7, 12, {}),
        (8, 12, {"count_differs": 1}),
        (5, 12, {"count_differs": 1}),
        (7, 11, {"count_differs": 1}),
    ],
)
def test_counters_are_held_against_the_clients(after: int, records: int, kinds: dict[str, int]) -> None:
    """A rebalance is a generation, however many members were told of it; a record is one that was acknowledged."""
    assert _kinds(counts_agree()(_counted(after, records).history())) == kinds


def _grid(requests: tuple[float, float], sent: tuple[float, float], records: float = 100.0) -> Playing:
    """Return a run of two cells, a and b, with their counters."""
    playing = clean()
    for turn, cell in enumerate("ab"):
        playing.called(100 + turn, 5000 + 10 * turn, actor=f"burst-{cell}")
        playing.acked(100 + turn, 6 + turn, 5005 + 10 * turn, partition=0, actor=f"burst-{cell}")
        playing.read(100 + turn, 6 + turn, partition=0).read(
            100 + turn, 6 + turn, partition=0, actor="watcher"
        )
        for of, name, value in (
            ("pace", "TotalProduceRequestsPerSec", requests[turn]),
            ("pace", "MessagesInPerSec", 50.0),
            ("burst", "BytesInPerSec", sent[turn]),
            ("burst", "MessagesInPerSec", records if turn else 100.0),
        ):
            _metric(playing, name, value, 8000 + turn, cell=cell, of=of)
    playing.rows["ends"][0] |= {"log_end": 8, "last_stable": 8}
    return playing


@pytest.mark.parametrize(
    ("requests", "sent", "kinds"),
    [
        ((3, 9), (500, 900), {}),
        ((9, 9), (500, 900), {"not_fewer": 1}),
        ((3, 9), (901, 900), {"not_fewer": 1}),
    ],
)
def test_what_must_be_fewer_is_compared(
    requests: tuple[float, float], sent: tuple[float, float], kinds: dict[str, int]
) -> None:
    """Requests at a pace, bytes in bursts; equal is not fewer."""
    judge = saves(("a", "b"), 500, requests=(("a", "b"),), sent=(("a", "b"),))
    judgement = judge(_grid(requests, sent).history())
    assert _kinds(judgement) == kinds
    assert judgement.verdict is (BROKEN if kinds else HELD)


def test_cells_of_unequal_numbers_of_records_are_not_compared() -> None:
    """Fewer bytes for fewer records say nothing."""
    judgement = saves(("a", "b"), 500, sent=(("a", "b"),))(_grid((3, 9), (500, 900), records=99.0).history())
    assert judgement.verdict is INCONCLUSIVE
