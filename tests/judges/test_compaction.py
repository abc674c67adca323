"""What a cleaner may take from a log, and what it may not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.judges.playing import END_T, FINAL, Playing

from ktrial.judges import (
    compacted_truthfully,
    everything,
    nothing_lost,
    nothing_missing,
    reads_on,
    replicas_agree,
)
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Judgement

MS = 1_000_000
CLAIM = compacted_truthfully()
TOMBSTONE = 7
ACTIVE = 10
KEYS = "abcabcabacac"  # by record; of the first ten, which were compacted, 8 and 9 are left, and 7 deletes b


def kinds(judgement: Judgement) -> dict[str, int]:
    """Return the count of each kind of anomaly."""
    return {anomaly.kind: anomaly.count for anomaly in judgement.anomalies}


def set_to(playing: Playing, **more: str) -> Playing:
    """Note the topic's settings: compacted, tombstones stay for a millisecond, and whatever else is said."""
    noted = {"cleanup.policy": "compact", "delete.retention.ms": "1"}
    noted |= {name.replace("_", "."): value for name, value in more.items()}
    return playing.add("topics", t=0, actor="stage", topic="orders", settings=json.dumps(noted))


def cleaned(playing: Playing, t: int, offset: int) -> Playing:
    """Note how far the leader's cleaner has come."""
    labels = json.dumps({"topic": "orders", "partition": 0, "broker": 1})
    return playing.add(
        "metrics", t=t, actor="stage", name="CleanerCheckpoint", value=float(offset), labels=labels
    )


def sent() -> Playing:
    """Return twelve records of three keys on one partition; the last two, of a and c, are in the active segment."""
    playing = Playing()
    for record, key in enumerate(KEYS):
        grave = record == TOMBSTONE or None
        t = 100 * record if record < ACTIVE else 5 * MS + record
        playing.called(record, t, key=key, tombstone=grave).acked(record, record, t + 50)
    for segment, offset in ((0, 0), (ACTIVE, ACTIVE)):
        playing.add(
            "batches", t=END_T - 2, actor="stage", topic="orders", partition=0, broker=1, offset=offset, size=9,
            last_offset=offset + 1, epoch=0, crc=1, records=2, segment=segment, phase="after",
        )  # fmt: skip
    return playing


def read(playing: Playing, *records: int, t: int = 9 * MS, log_end: int = 12) -> Playing:
    """Let the final reader find these records, and come to the end."""
    keys = {row["id"]: row["key"] for row in playing.rows["calls"]}
    for record in records:
        playing.read(record, record, key=keys[record], t=t + record)
    return playing.ended(log_end, t=t + 100)


def compacted(*more: int) -> Playing:
    """Return the run after its cleaner came twice: of each key the latest, no tombstone; and `more` records."""
    playing = set_to(sent())
    cleaned(cleaned(playing, 1 * MS, 9), 8 * MS, ACTIVE)
    return read(playing, *sorted({8, 9, 10, 11, *more}))


BOTH = (CLAIM, everything())


@pytest.mark.parametrize(
    "claim", [*BOTH, nothing_lost(), nothing_missing(), everything(["duplicate", "key_split"])]
)
def test_a_truthful_cleaner_is_held(claim: Callable[..., Judgement]) -> None:
    """Of each key the latest is left, the tombstone's time is up: nothing is lost, nothing is stale."""
    judgement = claim(compacted().history())
    assert (judgement.verdict, kinds(judgement)) == (HELD, {})
    assert judgement.measured["compacted_away"] == 8


def test_the_numbers_of_a_compaction() -> None:
    """Keys, records, tombstones, offsets and each dump of the log are measured."""
    measured = CLAIM(compacted().history()).measured
    assert (measured["keys"], measured["keys_left"]) == (3, 2)
    assert (measured["records_known"], measured["records_left"]) == (12, 4)
    assert (measured["tombstones"], measured["tombstones_seen"], measured["tombstones_left"]) == (1, 0, 0)
    assert measured["moved_offsets"] == 0
    assert measured["boundary"] == {"orders/0": ACTIVE}
    assert measured["log"] == {"after": {"segments": 2, "batches": 2, "records": 4, "bytes": 18}}


@pytest.mark.parametrize("claim", BOTH)
def test_latest_missing(claim: Callable[..., Judgement]) -> None:
    """The last value of a key is gone: the record is named, and it is that and no other kind."""
    judgement = claim(read(cleaned(set_to(sent()), 8 * MS, ACTIVE), 8, 9, 10).history())
    assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"latest_missing": 1})
    assert judgement.anomalies[0].examples[0]["id"] == 11
    assert judgement.measured["lost"] == 1


@pytest.mark.parametrize("claim", BOTH)
def test_stale_survivor(claim: Callable[..., Judgement]) -> None:
    """An older value of a living key is left below the boundary."""
    judgement = claim(compacted(2).history())
    assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"stale_survivor": 1})
    assert "record 2, key c, partition 0, offset 2" in judgement.anomalies[0].sentence.en


@pytest.mark.parametrize("claim", BOTH)
def test_the_value_of_a_deleted_key_comes_back(claim: Callable[..., Judgement]) -> None:
    """The tombstone has gone and an older value of its key is there: resurrected, not merely stale."""
    judgement = claim(compacted(4).history())
    assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"resurrected": 1})


@pytest.mark.parametrize("claim", BOTH)
def test_a_value_that_had_gone_comes_back(claim: Callable[..., Judgement]) -> None:
    """A first reading to the end did not find the old value, the second one does."""
    playing = read(compacted(), 2, 8, 9, 10, 11, t=12 * MS)
    assert kinds(claim(playing.history())) == {"resurrected": 1}


@pytest.mark.parametrize("claim", BOTH)
def test_a_tombstone_that_stays_too_long(claim: Callable[..., Judgement]) -> None:
    """The cleaner saw it, `delete.retention.ms` passed, the cleaner was there again: it should have gone."""
    playing = set_to(sent())
    playing.called(12, 5 * MS + 60, key="d").acked(12, 12, 5 * MS + 70)
    cleaned(cleaned(playing, 1 * MS, 9), 8 * MS, 13)
    playing = read(playing, TOMBSTONE, 10, 11, 12, log_end=13)
    assert kinds(claim(playing.history())) == {"stale_survivor": 1}


def test_a_tombstone_may_stay_until_the_next_visit() -> None:
    """One visit of the cleaner only marks it, and a second one must have begun late enough."""
    playing = read(cleaned(set_to(sent()), 1 * MS, 9), TOMBSTONE, 8, 9, 10, 11)
    assert kinds(everything()(playing.history())) == {}
    assert kinds(everything()(cleaned(playing, 8 * MS, ACTIVE).history())) == {}


def test_a_tombstone_that_goes_too_early() -> None:
    """Before `delete.retention.ms` has passed nobody may forget that the key was deleted."""
    playing = read(set_to(sent(), delete_retention_ms="60000"), 8, 9, 10, 11)
    assert kinds(everything()(playing.history())) == {"latest_missing": 1}


def test_nobody_knows_how_long_tombstones_stay() -> None:
    """Where the setting was not noted a tombstone may be gone at any time."""
    playing = sent().add(
        "topics", t=0, actor="s", topic="orders", settings='{"cleanup.policy": "compact,delete"}'
    )
    assert kinds(everything()(read(playing, 8, 9, 10, 11).history())) == {}


def test_a_topic_that_is_not_compacted_has_no_excuse() -> None:
    """The same log is full of losses when nobody says that the topic was compacted, or it was not."""
    for noted in (sent(), set_to(sent(), cleanup_policy="delete")):
        assert kinds(everything()(read(noted, 8, 9, 10, 11).history())) == {"lost": 8}


def test_an_uncompacted_log_breaks_the_claim() -> None:
    """With cleanup.policy=delete all is there, and that is what the claim says it is not."""
    playing = read(set_to(sent(), cleanup_policy="delete"), *range(12))
    judgement = CLAIM(playing.history())
    assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"stale_survivor": 7})
    assert kinds(everything()(playing.history())) == {}


def test_without_the_active_segment_there_is_a_doubt() -> None:
    """Nobody can say what should have gone when nobody noted how far the log was to be compacted."""
    playing = compacted()
    playing.rows["batches"] = []
    assert CLAIM(playing.history()).verdict == INCONCLUSIVE


def test_a_cleaner_does_not_know_what_lies_above_it() -> None:
    """A record with a successor in the active segment only is no stale one; c's record 9 and a's record 8 stay."""
    assert kinds(CLAIM(compacted().history())) == {}


def test_records_beyond_the_end_were_not_compacted() -> None:
    """A log that ends too early has lost its tail, successors or not."""
    playing = set_to(sent())
    for record in (5, 6):
        playing.read(record, record, key=KEYS[record], t=9 * MS + record)
    playing.ended(7, t=10 * MS)
    found = kinds(everything()(playing.history()))
    assert found["lost_tail"] == 5
    assert "latest_missing" not in found


def test_unacknowledged_records_may_have_been_compacted() -> None:
    """Sent with acks=0 and not in the log: missing only when no other record of its key is known."""
    playing = compacted()
    for record, key in ((20, "a"), (21, "z")):
        playing.called(record, 300, key=key).told(record, "unacknowledged", 310)
    judgement = nothing_missing()(playing.history())
    assert kinds(judgement) == {"unacknowledged_missing": 1}
    assert judgement.anomalies[0].examples[0]["id"] == 21


def test_a_tombstone_that_may_be_there_is_a_doubt() -> None:
    """The latest known value is gone, and a deletion of its key has an unknown outcome: nobody can tell."""
    playing = read(set_to(sent()), 8, 9, 10).called(20, 7 * MS, key="c", tombstone=True)
    judgement = nothing_lost()(playing.told(20, "unknown", 8 * MS).history())
    assert (judgement.verdict, judgement.measured["lost"]) == (INCONCLUSIVE, 0)


def test_a_watcher_from_before_makes_no_gap() -> None:
    """Records that a watcher read before they were compacted away are not skipped by those who come later."""
    playing = compacted()
    for record in range(12):
        playing.read(
            record, record, actor="watcher", key=playing.rows["calls"][record]["key"], t=6 * MS + record
        )
    assert reads_on()(playing.history()).verdict == HELD
    for record in (8, 9, 11):
        playing.read(
            record, record, actor="hasty", key=playing.rows["calls"][record]["key"], t=7 * MS + record
        )
    assert kinds(reads_on()(playing.history())) == {"skipped": 1}


def test_replicas_are_compacted_each_on_its_own() -> None:
    """Batches of a compacted topic and of a named phase are not compared; those of another topic are."""
    playing = compacted()
    playing.rows["batches"] = []
    for topic, crcs in (("orders", (1, 2)), ("payments", (3, 3))):
        for broker, crc in enumerate(crcs):
            playing.add(
                "batches", t=END_T, actor="stage", topic=topic, partition=0, broker=broker, offset=0, last_offset=1,
                epoch=0, crc=crc, size=9, records=2,
            )  # fmt: skip
    playing.rows["batches"].append({**playing.rows["batches"][-1], "phase": "before", "crc": 4})
    judgement = replicas_agree()(playing.history())
    assert (judgement.verdict, judgement.measured["batches_compared"]) == (HELD, 2)


@st.composite
def logs(draw: st.DrawFn) -> Playing:
    """Return a compacted run in which any record may be gone, and any may be a tombstone."""
    playing = set_to(Playing(), delete_retention_ms=draw(st.sampled_from(["0", "1", "100000"])))
    count = draw(st.integers(1, 8))
    for record in range(count):
        grave = draw(st.integers(0, 3)) == 0 or None
        playing.called(
            record, 100 * record, key=draw(st.sampled_from(["a", "b", "c", None])), tombstone=grave
        )
        if draw(st.integers(0, 5)):
            playing.acked(record, record, 100 * record + 50)
    bound = draw(st.integers(0, count))
    cleaned(playing, 1 * MS, bound)
    calls = playing.rows["calls"]
    for turn in range(draw(st.integers(1, 2))):
        t = (2 + 4 * turn) * MS
        for record in range(count):
            if draw(st.booleans()):
                playing.read(record, record, key=calls[record]["key"], t=t + record)
        playing.ended(count, t=t + 100)
    return playing


def slow(playing: Playing) -> dict[str, int]:
    """Return the counts by the rules, with loops over records; offsets are ids here."""
    calls = playing.rows["calls"]
    acked = {row["id"] for row in playing.rows["completions"]}
    ends = sorted(row["t"] for row in playing.rows["ends"])
    passes = [{row["id"] for row in playing.rows["reads"] if end - 100 <= row["t"] <= end} for end in ends]
    there = passes[-1]
    known = acked | there
    bound = int(playing.rows["metrics"][0]["value"])
    stays = int(json.loads(playing.rows["topics"][0]["settings"])["delete.retention.ms"]) * MS
    settled = known | {row["id"] for row in playing.rows["completions"]}
    found = {"latest_missing": 0, "stale_survivor": 0, "resurrected": 0, "lost": 0}

    def later(record: int, below: int) -> list[int]:
        key = calls[record]["key"]
        return [other for other in known if record < other < below and key and calls[other]["key"] == key]

    for record in range(len(calls)):
        key, grave = calls[record]["key"], calls[record].get("tombstone")
        others = later(record, len(calls))
        if record in acked and record not in there and not others:
            ripe = grave and key and calls[record]["t"] + stays <= ends[-1]
            loose = [
                other for other, call in enumerate(calls)
                if call.get("tombstone") and call["key"] == key and other not in settled
            ]  # fmt: skip
            if not key:
                found["lost"] += 1
            elif not ripe and not loose:
                found["latest_missing"] += 1
        if record in there and others:
            newest = max(others)
            deleted = calls[newest].get("tombstone") and newest not in there
            if deleted or (len(passes) > 1 and record not in passes[0]):
                found["resurrected"] += 1
            elif later(record, bound):
                found["stale_survivor"] += 1
    return {kind: count for kind, count in found.items() if count}


@settings(max_examples=80, deadline=None)
@given(logs())
def test_counts_what_the_rules_say(playing: Playing) -> None:
    """The fast judges count exactly what loops over all records count."""
    judgement = everything()(playing.history())
    wanted = {"latest_missing", "stale_survivor", "resurrected", "lost"}
    assert {kind: count for kind, count in kinds(judgement).items() if kind in wanted} == slow(playing)
    assert FINAL in {row["actor"] for row in playing.rows["ends"]}
