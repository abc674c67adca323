"""Commits and effects: what a group skipped, repeated, took back, and did out of order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.judges.playing import Playing, clean

from ktrial.judges import effects_in_order, everything, none_processed_twice, none_skipped
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Judgement

GROUP = "workers"
RECORDS = 12
CLEAN = [(n, 5000 + 10 * n) for n in range(RECORDS)]


def _kinds(judgement: Judgement, *, all_of_them: bool = False) -> dict[str, int]:
    return {each.kind: each.count for each in judgement.anomalies if each.breaks or all_of_them}


def _place(record: int) -> dict[str, object]:
    return {"topic": "orders", "partition": record % 2, "offset": record // 2}


def _worked(done: list[tuple[int, int]], *commits: tuple[int, int, str, int], keys: int = 0) -> Playing:
    """Return 12 records on 2 partitions, processed as (record, t), committed as (partition, offset, actor, t)."""
    playing = clean(RECORDS, 2, keys=keys)
    for record, t in done:
        playing.add("processed", t=t, actor="worker-1", group=GROUP, id=record, **_place(record))
    for partition, offset, actor, t in commits:
        place = {"topic": "orders", "partition": partition, "offset": offset}
        playing.add("commits", t=t, actor=actor, outcome="ok", group=GROUP, **place)
    return playing


BOTH = ((0, 6, "worker-1", 6000), (1, 6, "worker-1", 6001))


def test_a_group_that_did_all_it_committed_is_held() -> None:
    """Nothing skipped, nothing twice, and all judges together find nothing either."""
    history = _worked(CLEAN, *BOTH).history()
    assert none_skipped()(history).verdict is HELD
    assert none_processed_twice()(history).verdict is HELD
    assert _kinds(everything()(history), all_of_them=True) == {}


def test_a_commit_beyond_what_was_processed_is_named() -> None:
    """Record 4 was never processed, and the offset behind it is committed."""
    done = [each for each in CLEAN if each[0] != 4]
    judgement = none_skipped()(_worked(done, *BOTH).history())
    assert _kinds(judgement) == {"committed_too_far": 1}
    example = judgement.anomalies[0].examples[0]
    assert (example["id"], example["partition"], example["offset"], example["committed"]) == (4, 0, 2, 6)


def test_what_lies_at_or_behind_the_committed_offset_is_still_to_come() -> None:
    """Not processed and not committed: no fault."""
    done = [each for each in CLEAN if each[0] != 10]
    assert none_skipped()(_worked(done, (0, 5, "w", 6000), (1, 6, "w", 6001)).history()).verdict is HELD


def test_what_lies_before_the_groups_start_was_never_meant_for_it() -> None:
    """A group that begins at the end of the log skips nothing."""
    done = [each for each in CLEAN if each[0] >= 6]
    assert none_skipped()(_worked(done, *BOTH).history()).verdict is HELD


def test_a_commit_that_failed_commits_nothing() -> None:
    """Refused and unknown ones do not count."""
    done = [each for each in CLEAN if each[0] != 10]
    playing = _worked(done, (0, 5, "w", 6000), (1, 6, "w", 6001))
    for outcome in ("failed", "unknown"):
        place = {"topic": "orders", "partition": 0, "offset": 6}
        playing.add("commits", t=7000, actor="w", outcome=outcome, group=GROUP, **place)
    assert none_skipped()(playing.history()).verdict is HELD


def test_a_gap_of_offsets_is_no_record() -> None:
    """Markers and aborted records occupy offsets that nobody processes."""
    playing = _worked(CLEAN, (0, 9, "worker-1", 6000), (1, 6, "worker-1", 6001))
    playing.rows["ends"][0] |= {"log_end": 9, "last_stable": 9}
    assert none_skipped()(playing.history()).verdict is HELD


def test_repeats_are_counted_with_the_longest_rewind() -> None:
    """A number, unless it is claimed that nothing is done twice."""
    again = [(record, 7000 + record) for record in (6, 8, 10)]
    history = _worked([*CLEAN, *again], *BOTH).history()
    judgement = none_processed_twice()(history)
    assert _kinds(judgement) == {"reprocessed": 3}
    assert judgement.measured["longest_rewind"] == 3
    assert none_skipped()(history).verdict is HELD
    assert everything()(history).verdict is HELD
    assert everything(["reprocessed"])(history).verdict is BROKEN


def test_an_offset_that_goes_back_is_named() -> None:
    """By the same member, without a reset."""
    judgement = none_skipped()(_worked(CLEAN, *BOTH, (0, 4, "worker-1", 6500)).history())
    assert _kinds(judgement) == {"offset_regressed": 1}
    assert judgement.anomalies[0].examples[0]["before"] == 6


def test_anothers_late_answer_is_no_step_back() -> None:
    """A paused member notes the answer to its last commit long after its successor has gone on."""
    judgement = none_skipped()(_worked(CLEAN, *BOTH, (0, 4, "worker-0", 6500)).history())
    assert judgement.verdict is HELD


def test_a_member_that_came_later_and_commits_less_goes_back() -> None:
    """It was given the partition after the higher offset had been committed, so it cannot have been first."""
    playing = _worked(CLEAN, *BOTH, (0, 4, "worker-2", 6500))
    places = [{"topic": "orders", "partition": 0}]
    playing.add(
        "members", t=6400, actor="worker-2", op="assigned", outcome="ok", group=GROUP, partitions=places
    )
    assert _kinds(none_skipped()(playing.history())) == {"offset_regressed": 1}


def test_without_processed_records_nothing_is_concluded() -> None:
    """A history that does not tell of processing says nothing of skipping."""
    assert none_skipped()(_worked([], *BOTH).history()).verdict is INCONCLUSIVE
    assert effects_in_order()(_worked(CLEAN).history()).verdict is INCONCLUSIVE


def test_effects_out_of_order_are_named_with_key_and_times() -> None:
    """Record 6 (key-0) takes effect before record 4 (key-0), which was sent earlier."""
    times = dict(CLEAN) | {4: 5065, 6: 5045}
    history = _worked(list(times.items()), *BOTH, keys=2).history()
    judgement = effects_in_order()(history)
    assert _kinds(judgement) == {"out_of_order_effect": 1}
    example = judgement.anomalies[0].examples[0]
    assert (example["key"], example["id"]) == ("key-0", 6)
    assert everything()(history).verdict is HELD


def test_a_rewind_is_no_disorder() -> None:
    """Records 6 and 8 again after 10: their first effects were in order."""
    again = [(record, 7000 + record) for record in (6, 8, 10)]
    assert effects_in_order()(_worked([*CLEAN, *again], *BOTH, keys=2).history()).verdict is HELD


def test_two_producers_have_no_order_between_them() -> None:
    """What another producer sent earlier with the same key may take effect later."""
    times = dict(CLEAN) | {4: 5065, 6: 5045}
    playing = _worked(list(times.items()), *BOTH, keys=2)
    for row in (*playing.rows["calls"], *playing.rows["completions"]):
        if row["id"] == 6:
            row["actor"] = "another"
    assert _kinds(effects_in_order()(playing.history())) == {}


@pytest.mark.parametrize("keys", [2])
@given(order=st.permutations(range(RECORDS)), again=st.lists(st.integers(0, RECORDS - 1), max_size=4))
def test_against_a_slow_model(keys: int, order: list[int], again: list[int]) -> None:
    """Whatever the order of processing: disorder and repetition are what loops over lists make of them."""
    done = [(record, 5000 + 10 * turn) for turn, record in enumerate([*order, *again])]
    history = _worked(done, *BOTH, keys=keys).history()
    wrong = 0
    for key in range(keys):
        turns = [order.index(record) for record in range(RECORDS) if record % keys == key]
        wrong += sum(turn < max(turns[:place]) for place, turn in enumerate(turns) if place)
    assert _kinds(effects_in_order()(history)) == ({"out_of_order_effect": wrong} if wrong else {})
    repeated = len(set(again))
    assert _kinds(none_processed_twice()(history)) == ({"reprocessed": repeated} if repeated else {})
    rewinds = [0]
    for partition in range(2):
        offsets = [record // 2 for record, _ in done if record % 2 == partition]
        rewinds += [max(offsets[: n + 1]) - after + 1 for n, (_, after) in enumerate(pairwise(offsets))]
    assert none_processed_twice()(history).measured["longest_rewind"] == max(0, *rewinds)
