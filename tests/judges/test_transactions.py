"""Transactions and copies: aborted, torn, hanging; missing, repeated, wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.judges.playing import END_T, FINAL, Playing

from ktrial.judges import copied_exactly_once, everything, sees_no_aborted
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Judgement

LEVELS = ("read_uncommitted", "read_committed")
SIZE = 3


def _kinds(judgement: Judgement) -> dict[str, int]:
    return {each.kind: each.count for each in judgement.anomalies if each.breaks}


def _transactions(*outcomes: str) -> Playing:
    """Return a run with a transaction of 3 records per outcome, read to the end at both isolation levels."""
    playing = Playing()
    offset = 0
    for turn, outcome in enumerate(outcomes):
        name, t = f"txn-{turn}", 1000 * turn
        playing.add("txns", t=t, actor="producer", outcome="began", txn=name, transactional_id="orders")
        for record in range(SIZE * turn, SIZE * turn + SIZE):
            playing.called(record, t + 10 + record % SIZE, txn=name).acked(
                record, offset, t + 100 + record % SIZE
            )
            for level in LEVELS:
                if level == LEVELS[0] or outcome == "committed":
                    playing.read(record, offset, isolation=level)
            offset += 1
        if outcome != "began":
            playing.add(
                "txns", t=t + 500, actor="producer", outcome=outcome, txn=name, transactional_id="orders"
            )
        offset += 1  # the marker
    for level in LEVELS:
        playing.ended(offset, isolation=level)
    return playing


def test_whole_transactions_are_held() -> None:
    """Committed ones are seen, aborted ones are not, with read_committed; and all judges together agree."""
    history = _transactions("committed", "aborted", "committed").history()
    assert sees_no_aborted("read_committed")(history).verdict is HELD
    assert _kinds(everything()(history)) == {}


def test_read_uncommitted_sees_what_was_aborted() -> None:
    """Each read of each aborted record counts; `ktrial judge` does not mind, because nobody promised otherwise."""
    history = _transactions("committed", "aborted").history()
    assert _kinds(sees_no_aborted("read_uncommitted")(history)) == {"aborted_visible": SIZE}
    assert _kinds(everything()(history)) == {}


def test_an_aborted_record_that_read_committed_sees_is_named() -> None:
    """One record of the aborted transaction."""
    playing = _transactions("committed", "aborted").read(4, 5, isolation="read_committed")
    assert _kinds(everything()(playing.history())) == {"aborted_visible": 1}


@pytest.mark.parametrize("outcome", ["committed", "unknown", "began"])
def test_a_transaction_seen_in_part_is_torn(outcome: str) -> None:
    """Whatever became of it: all or none of it may be seen."""
    playing = _transactions("committed", outcome)
    playing.rows["reads"] = [
        row for row in playing.rows["reads"] if row["id"] < SIZE or row["isolation"] == "read_uncommitted"
    ]
    playing.read(3, 4, isolation="read_committed")
    assert _kinds(everything()(playing.history())) == {"torn": 1}


@pytest.mark.parametrize("outcome", ["unknown", "began"])
def test_of_an_unknown_outcome_all_or_nothing_is_fine(outcome: str) -> None:
    """Nothing of it was seen, and then all of it."""
    playing = _transactions("committed", outcome, "aborted")
    assert _kinds(everything()(playing.history())) == {}
    for record in range(SIZE, 2 * SIZE):
        playing.read(record, record + 1, isolation="read_committed")
    assert _kinds(everything()(playing.history())) == {}


@pytest.mark.parametrize("limits", [{"log_start": 4}, {"log_end": 4, "last_stable": 4}])
def test_what_the_reader_could_not_meet_is_not_missed(limits: dict[str, int]) -> None:
    """Records below the log's start are gone by right, and beyond the end that was read nothing is known."""
    playing = _transactions("committed", "committed")
    gone = range(SIZE) if "log_start" in limits else range(SIZE, 2 * SIZE)
    playing.rows["reads"] = [row for row in playing.rows["reads"] if row["id"] not in gone]
    for row in playing.rows["ends"]:
        row.update(limits)
    assert "torn" not in _kinds(everything()(playing.history()))


def test_a_partition_that_was_not_read_says_nothing_of_a_transaction() -> None:
    """One of its records lies where the final reader never was."""
    playing = _transactions("committed")
    playing.called(50, 20, txn="txn-0", topic="other").acked(50, 0, 120, topic="other")
    assert "torn" not in _kinds(everything()(playing.history()))


def test_a_log_whose_stable_end_lags_behind_has_a_hanging_transaction() -> None:
    """Taken after every transactional.id was fenced."""
    playing = _transactions("committed", "aborted")
    for row in playing.rows["ends"]:
        row["last_stable"] = 4
    assert _kinds(everything()(playing.history())) == {"hanging_transaction": 1}


def test_without_an_aborted_transaction_nothing_was_tried() -> None:
    """Isolation cannot be judged where nothing was to be hidden."""
    assert sees_no_aborted("read_committed")(_transactions("committed").history()).verdict is INCONCLUSIVE


INPUTS = 6


def _copied(outputs: list[int]) -> Playing:
    """Return a run in which 6 inputs lie on partition 0, and these inputs' ids were put out, in this order."""
    playing = Playing()
    for record in range(INPUTS):
        playing.called(record, record, topic="input").acked(record, record, 100 + record, topic="input")
        playing.read(record, record, topic="input")
    for offset, source in enumerate(outputs):
        record, key = 100 + offset, str(source)
        playing.called(record, 1000 + offset, topic="output", key=key)
        playing.acked(record, offset, 2000 + offset, topic="output")
        playing.read(record, offset, topic="output", key=key)
    return playing.ended(INPUTS, topic="input").ended(len(outputs), topic="output")


def _judged(outputs: list[int]) -> Judgement:
    return copied_exactly_once("input", "output", "read_uncommitted")(_copied(outputs).history())


@pytest.mark.parametrize(
    ("outputs", "kinds"),
    [
        ([0, 1, 2, 3, 4, 5], {}),
        ([0, 1, 3, 4, 5], {"copy_missing": 1}),
        ([0, 1, 2, 2, 3, 4, 5], {"copy_repeated": 1}),
        ([0, 1, 2, 3, 2, 3, 4, 5], {"copy_repeated": 2}),
        ([0, 1, 2, 9, 3, 4, 5], {"copy_wrong": 1}),
        ([0, 2, 1, 3, 4, 5], {"copy_wrong": 1}),
    ],
)
def test_an_output_is_exactly_f_of_its_input(outputs: list[int], kinds: dict[str, int]) -> None:
    """Missing, again, of no input, out of order: each by its name."""
    judgement = _judged(outputs)
    assert _kinds(judgement) == kinds
    assert judgement.verdict is (BROKEN if kinds else HELD)


def test_an_output_on_another_partition_is_wrong() -> None:
    """The copier keeps the partition, so order per partition carries over."""
    playing = _copied([0, 1, 2, 3, 4, 5])
    for row in playing.rows["reads"]:
        if row["id"] == 105:
            row |= {"partition": 1, "offset": 0}
    playing.rows["completions"][-1] |= {"partition": 1, "offset": 0}
    playing.add("ends", t=END_T, actor=FINAL, topic="output", partition=1, log_start=0, log_end=1, last_stable=1,
                isolation="read_uncommitted")  # fmt: skip
    judge = copied_exactly_once("input", "output", "read_uncommitted")
    assert _kinds(judge(playing.history())) == {"copy_wrong": 1}


@given(outputs=st.lists(st.integers(0, INPUTS + 1), min_size=1, max_size=12))
def test_copies_against_a_slow_model(outputs: list[int]) -> None:
    """Whatever was put out: sets and loops say the same."""
    expected = {
        "copy_missing": len(set(range(INPUTS)) - set(outputs)),
        "copy_repeated": sum(outputs.count(source) > 1 for source in set(outputs)),
    }
    wrong = 0
    seen: list[int] = []
    for place, source in enumerate(outputs):
        if source >= INPUTS:
            wrong += 1
        elif source not in outputs[:place]:
            wrong += any(source < earlier for earlier in seen)
            seen.append(source)
    expected["copy_wrong"] = wrong
    assert _kinds(_judged(outputs)) == {kind: count for kind, count in expected.items() if count}
