"""How long records stay: gone too early, still there too late, and what of it others must not take for a loss."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.judges.playing import Playing

from ktrial.judges import everything, expires_after, nothing_lost, nothing_missing, reads_on
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Judgement

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
CLAIM = expires_after(60, 5)
MINUTE_LONG = {
    "cleanup.policy": "delete",
    "retention.ms": "60000",
    "retention.bytes": "-1",
    "segment.ms": "10000",
    "log.retention.check.interval.ms": "1000",
    "file.delete.delay.ms": "1000",
}


def kinds(judgement: Judgement) -> dict[str, int]:
    """Return the count of each kind of anomaly."""
    return {anomaly.kind: anomaly.count for anomaly in judgement.anomalies}


def looked(playing: Playing, t: int, start: int, *, partition: int = 0) -> Playing:
    """Note where a log starts, as its leader's JMX tells."""
    labels = json.dumps({"topic": "orders", "partition": partition, "broker": 1})
    return playing.add(
        "metrics", t=t, actor="stage", name="LogStartOffset", value=float(start), labels=labels
    )


def a_minute(start: int = 4, gone: int = 62 * SECOND) -> Playing:
    """Return four records of the beginning and two of half a minute later; at `gone` the log starts at `start`."""
    playing = Playing()
    for record in range(6):
        t = record * 1000 + (30 * SECOND if record >= 4 else 0)
        playing.called(record, t).acked(record, record, t + 500)
    looked(looked(playing, SECOND, 0), 59 * SECOND, 0)
    looked(playing, gone, start)
    for record in range(start, 6):
        playing.read(record, record, t=70 * SECOND + record)
    return playing.ended(6, log_start=start, t=71 * SECOND)


def set_to(playing: Playing, **more: str) -> Playing:
    """Note the topic's settings: one minute, and whatever else is said."""
    settings = {**MINUTE_LONG, **{name.replace("_", "."): value for name, value in more.items()}}
    return playing.add("topics", t=0, actor="stage", topic="orders", settings=json.dumps(settings))


def test_gone_in_time_is_held() -> None:
    """What went after its minute, and what is not yet that old, is as it should be; nothing is lost."""
    for claim in (CLAIM, nothing_lost(), nothing_missing(), everything()):
        assert (claim(a_minute().history()).verdict, kinds(claim(a_minute().history()))) == (HELD, {})
    measured = CLAIM(a_minute().history()).measured
    assert (measured["expired"], measured["kept"], measured["youngest_gone_s"]) == (4, 2, 62.0)
    assert measured["log_starts"] == {"orders/0": [[62.0, 4]]}


@pytest.mark.parametrize("claim", [CLAIM, everything()])
def test_gone_too_early(claim: object) -> None:
    """A log that starts above records that are not a minute old has lost them early, each of them."""
    playing = set_to(a_minute(start=5))
    judgement = claim(playing.history())  # type: ignore[operator]
    assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"expired_early": 1})
    assert judgement.anomalies[0].examples[0]["id"] == 4
    assert "32.0 s after it was sent" in judgement.anomalies[0].sentence.en


def test_gone_just_before_the_minute_is_early() -> None:
    """Half a second too soon is too soon; the rounding of timestamps to milliseconds is not."""
    assert kinds(CLAIM(a_minute(gone=59_500_000_000).history())) == {"expired_early": 4}
    assert kinds(CLAIM(a_minute(gone=MINUTE + 2000).history())) == {}
    assert kinds(CLAIM(a_minute(gone=MINUTE - 1_000_000).history())) == {}


def test_still_there_too_late() -> None:
    """Records that are there a minute and the grace after they were sent have not expired."""
    judgement = CLAIM(a_minute(start=0).history())
    assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"not_expired": 4})
    assert expires_after(60, 20)(a_minute(start=0).history()).verdict == HELD


def test_the_last_look_decides() -> None:
    """Whether a record is overdue is a matter of when it was last seen, not of when the run ended."""
    playing = a_minute(start=0)
    playing.rows["metrics"] = []
    playing.rows["ends"][0]["t"] = 64 * SECOND
    assert CLAIM(playing.history()).verdict == HELD


def test_settings_are_judged_by_everything() -> None:
    """Overdue by the topic's own settings, with time for the checks, the files, and the final read."""
    overdue = set_to(a_minute(start=0))
    overdue.rows["ends"][0]["t"] = 200 * SECOND
    assert kinds(everything()(overdue.history())) == {"not_expired": 6}
    assert kinds(everything()(set_to(a_minute(start=0)).history())) == {}


def test_forever_is_forever() -> None:
    """With retention.ms=-1 nothing may go by age."""
    assert kinds(everything()(set_to(a_minute(), retention_ms="-1").history())) == {"expired_early": 4}


@pytest.mark.parametrize(
    "more", [{"retention_bytes": "1000"}, {"cleanup_policy": "compact"}, {"retention_ms": "soon"}]
)
def test_no_verdict_where_other_reasons_may_be(more: dict[str, str]) -> None:
    """Where the size counts too, or nothing is deleted by age, or nobody knows, an early end proves nothing."""
    playing = set_to(a_minute(start=5), **more)
    assert everything()(playing.history()).verdict == HELD


def test_settings_that_changed_all_count() -> None:
    """Where retention.ms was shortened, the shorter one excuses; where it was lengthened, nothing is overdue."""
    shortened = set_to(set_to(a_minute(start=5)), retention_ms="1000")
    overdue = set_to(set_to(a_minute(start=0)), retention_ms="1000")
    overdue.rows["ends"][0]["t"] = 200 * SECOND
    for playing in (shortened, overdue):
        assert kinds(everything()(playing.history())) == {}


def test_busy_segments_keep_their_records() -> None:
    """A record is overdue only once all that may share its segment are too old."""
    playing = set_to(a_minute(start=0), segment_ms="604800000")
    playing.rows["ends"][0]["t"] = 115 * SECOND
    assert kinds(everything()(playing.history())) == {}
    playing.rows["ends"][0]["t"] = 130 * SECOND
    assert kinds(everything()(playing.history())) == {"not_expired": 6}


def test_without_the_call_nobody_knows_the_age() -> None:
    """A record whose call nobody wrote down may have been sent long before its acknowledgement."""
    playing = a_minute(start=5)
    playing.rows["calls"].pop(4)
    assert kinds(CLAIM(playing.history())) == {}


def test_nobody_looked() -> None:
    """A claim about expiry is not held by a history that never saw where a log starts."""
    playing = a_minute()
    playing.rows["ends"], playing.rows["metrics"] = [], []
    judgement = CLAIM(playing.history())
    assert judgement.verdict == INCONCLUSIVE
    assert any("where the logs start" in doubt.en for doubt in judgement.doubts)


def test_a_reader_that_was_overtaken_by_retention_skips_nothing() -> None:
    """A reader that is sent to the log's new start missed records, but jumped over none that were there."""
    playing = a_minute()
    for record, t in ((0, SECOND), (1, SECOND + 1), (4, 65 * SECOND)):
        playing.read(record, record, actor="slow", t=t)
    playing.read(2, 2, actor="quick", t=2 * SECOND)
    assert reads_on()(playing.history()).verdict == HELD


def test_a_reader_that_jumps_before_the_log_moved_skips() -> None:
    """The same jump is one over records that were there, when the log was seen to start below them afterwards."""
    playing = a_minute()
    for record, t in ((0, SECOND), (1, SECOND + 1), (4, 40 * SECOND)):
        playing.read(record, record, actor="slow", t=t)
    playing.read(2, 2, actor="quick", t=2 * SECOND)
    assert kinds(reads_on()(playing.history())) == {"skipped": 1}


def test_a_group_that_was_behind_is_named() -> None:
    """The measured numbers tell which group found the log starting above where it wanted to go on."""
    playing = a_minute()
    for record, t in ((0, SECOND), (1, SECOND + 1), (4, 65 * SECOND), (5, 65 * SECOND + 1)):
        playing.read(record, record, actor="slow", group="billing", t=t)
    assert CLAIM(playing.history()).measured["resets"] == {
        "billing orders/0": {"wanted_offset": 2, "found_offset": 4, "never_read": 2}
    }


@st.composite
def lives(draw: st.DrawFn) -> Playing:
    """Return records of any age in partitions whose starts were seen at any time."""
    playing = Playing()
    for partition in range(draw(st.integers(1, 2))):
        t = 0
        for offset in range(draw(st.integers(1, 6))):
            t += draw(st.integers(0, 50)) * SECOND
            record = 10 * partition + offset
            if draw(st.integers(0, 4)):
                playing.called(record, t)
            playing.acked(record, offset, t + draw(st.integers(0, 3)) * SECOND, partition=partition)
        for _ in range(draw(st.integers(0, 4))):
            looked(playing, draw(st.integers(0, 200)) * SECOND, draw(st.integers(0, 6)), partition=partition)
        playing.ended(
            6, partition=partition, log_start=draw(st.integers(0, 6)), t=draw(st.integers(0, 200)) * SECOND
        )
    return playing


def slow(playing: Playing, retention_s: int, grace_s: int) -> dict[str, int]:
    """Return the counts by the rules, with loops: what was gone too soon, what was still there too late."""
    found = {"expired_early": 0, "not_expired": 0}
    looks = [(row["t"], row["partition"], row["log_start"]) for row in playing.rows["ends"]]
    looks += [
        (row["t"], json.loads(row["labels"])["partition"], int(row["value"]))
        for row in playing.rows["metrics"]
    ]
    calls = {row["id"]: row["t"] for row in playing.rows["calls"]}
    for row in playing.rows["completions"]:
        gone = still = None
        top = 0
        for t, partition, start in sorted(looks):
            if partition == row["partition"]:
                top = max(top, start)
                if top > row["offset"]:
                    gone = t if gone is None else gone
                else:
                    still = t
        called = calls.get(row["id"])
        if gone is not None and called is not None and gone < called + retention_s * SECOND - 2_000_000:
            found["expired_early"] += 1
        if still is not None and still > row["t"] + (retention_s + grace_s) * SECOND:
            found["not_expired"] += 1
    return {kind: count for kind, count in found.items() if count}


@settings(max_examples=150, deadline=None)
@given(lives(), st.integers(0, 100), st.integers(0, 50))
def test_counts_what_the_rules_say(playing: Playing, retention_s: int, grace_s: int) -> None:
    """The fast judge counts exactly what loops over all looks count."""
    judgement = expires_after(retention_s, grace_s)(playing.history())
    found = {
        kind: count for kind, count in kinds(judgement).items() if kind in {"expired_early", "not_expired"}
    }
    assert found == slow(playing, retention_s, grace_s)
