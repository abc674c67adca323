"""Generated histories, with everything that can go wrong in them, against the slow and obvious model."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.judges import model
from tests.judges.playing import FINAL, Playing

from ktrial.judges import everything
from ktrial.judges.kinds import KINDS

TOPICS = ("orders", "payments")
WILD = st.integers(-(2**63), 2**63 - 1)
OUTCOMES = ("ok", "ok", "ok", "ok", "failed", "unknown", "unacknowledged", None)
JUDGED = {
    "lost", "lost_tail", "unseen", "overwritten", "duplicate", "phantom", "failed_but_visible", "unknown_tally",
    "unacknowledged_missing", "reordered", "overtaken", "key_split",
    "skipped", "rewound",
}  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> Playing:
    """Return a history of up to a dozen records, in which little is as it should be."""
    playing = Playing()
    records = draw(st.lists(st.integers(0, 30) | WILD, unique=True, min_size=1, max_size=12))
    spread = draw(st.sampled_from([1, 1, 1000, 10**12]))
    keyed = draw(st.booleans())
    topics = TOPICS[: draw(st.integers(1, 2))]
    spots = [(topic, partition) for topic in topics for partition in range(draw(st.integers(1, 2)))]
    keys = {record: draw(st.sampled_from(["a", "b"])) for record in records} if keyed else {}
    for record in records:
        _send(draw, playing, record, spots, spread, keys)
    phantom = draw(st.booleans())
    for topic, partition in spots:
        for reader in draw(st.sampled_from([(FINAL,), (FINAL,), (FINAL, "watcher"), ("watcher",)])):
            offset = draw(st.integers(0, 2)) * spread
            for record in draw(
                st.lists(st.sampled_from(records) | (WILD if phantom else st.nothing()), max_size=8)
            ):
                key = draw(st.sampled_from([keys.get(record, "a"), "b"])) if keyed else None
                playing.read(
                    record, offset, topic=topic, partition=partition, actor=reader, key=key,
                    intact=draw(st.integers(0, 9)) > 0, t=draw(st.integers(2000, 3000)),
                    isolation=draw(st.sampled_from(["read_uncommitted", "read_uncommitted", "read_committed"])),
                    group=draw(st.sampled_from([None, None, "shop"])),
                )  # fmt: skip
                offset += draw(st.sampled_from([1, 1, 1, 2] if reader == FINAL else [0, 1, 2])) * spread
        _end(draw, playing, topic, partition, spread)
    return playing


def _send(
    draw: st.DrawFn,
    playing: Playing,
    record: int,
    spots: list[tuple[str, int]],
    spread: int,
    keys: dict[int, str],
) -> None:
    topic, partition = draw(st.sampled_from(spots))
    at = draw(st.integers(0, 400))
    actor = draw(st.sampled_from(["p", "q"]))
    noted = draw(st.integers(0, 9)) > 0
    if noted:
        playing.called(record, at, actor=actor, topic=topic, key=keys.get(record))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        outcome = draw(st.sampled_from(OUTCOMES))
        later = at + draw(st.integers(0, 400))
        if outcome == "ok":
            offset = (
                draw(st.integers(-1, 8)) * spread if draw(st.booleans()) else draw(st.integers(0, 8)) * spread
            )
            playing.acked(record, max(offset, -1), later, partition=partition, topic=topic, actor=actor)
        elif outcome is not None:
            playing.told(record, outcome, later, actor=actor)


def _end(draw: st.DrawFn, playing: Playing, topic: str, partition: int, spread: int) -> None:
    for isolation in draw(
        st.sampled_from(
            [
                (),
                ("read_uncommitted",),
                ("read_uncommitted",),
                ("read_committed",),
                ("read_uncommitted", "read_committed"),
            ]
        )
    ):
        for t in draw(st.sampled_from([(4000,), (4000,), (2500, 4000)])):
            start, end = draw(st.integers(0, 1)) * spread, draw(st.integers(2, 9)) * spread
            playing.ended(
                end, topic=topic, partition=partition, log_start=start, isolation=isolation, t=t,
                last_stable=draw(st.integers(2, 9)) * spread,
            )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(histories())
def test_counts_what_the_rules_say(playing: Playing) -> None:
    """The fast judges count exactly what the rules, spelt out with sets and loops, count."""
    history = playing.history()
    judgement = everything(["key_split"])(history)
    found = {anomaly.kind: anomaly.count for anomaly in judgement.anomalies if anomaly.kind in JUDGED}
    assert found == model.counts(history)
    for anomaly in judgement.anomalies:
        assert anomaly.kind in KINDS
        assert 0 < len(anomaly.examples) <= min(32, anomaly.count) or anomaly.kind in {
            "unknown_tally",
            "unseen",
        }
