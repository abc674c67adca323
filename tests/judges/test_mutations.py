"""A clean history with one planted change gives exactly the kind that the change is, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.judges.playing import END_T, FINAL, Playing, clean

from ktrial.judges import (
    all_of,
    all_read_by,
    costs_in_order,
    everything,
    in_order,
    keys_together,
    no_duplicates,
    nothing_lost,
    nothing_missing,
    read_in_send_order,
    reads_on,
    replicas_agree,
    stays_in_sync,
    writes_continue,
)
from ktrial.judges.kinds import KINDS
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Judgement

SECOND = 1_000_000_000


def kinds(judgement: Judgement) -> dict[str, int]:
    """Return the count of each kind of anomaly."""
    return {anomaly.kind: anomaly.count for anomaly in judgement.anomalies}


def forget(playing: Playing, record: int, *readers: str) -> None:
    """Take a record out of what the readers read."""
    playing.rows["reads"] = [
        row for row in playing.rows["reads"] if not (row["id"] == record and row["actor"] in readers)
    ]


def one(playing: Playing, table: str, record: int) -> dict[str, object]:
    """Return the first row of a record in a table."""
    found: dict[str, object] = next(row for row in playing.rows[table] if row["id"] == record)
    return found


def lost(playing: Playing) -> None:
    """Nobody ever reads record 4."""
    forget(playing, 4, FINAL, "watcher")


def lost_tail(playing: Playing) -> None:
    """The log of partition 1 ends before the last acknowledged record."""
    forget(playing, 11, FINAL, "watcher")
    playing.rows["ends"][1] |= {"log_end": 5, "last_stable": 5}


def overwritten(playing: Playing) -> None:
    """Another reader found a second record, known and in its place as well, where record 4 lies."""
    playing.called(99, 5000).acked(99, 2, 5001, partition=0).read(99, 6, partition=0).read(
        99, 6, partition=0, actor="watcher"
    )
    playing.rows["ends"][0] |= {"log_end": 7, "last_stable": 7}


def unseen(playing: Playing) -> None:
    """The final read was of committed records only, and stopped below the last one."""
    forget(playing, 11, FINAL, "watcher")
    for row in (*playing.rows["reads"], *playing.rows["ends"]):
        row["isolation"] = "read_committed"
    playing.rows["ends"][1] |= {"last_stable": 5}


def duplicate(playing: Playing) -> None:
    """Record 4 is in the log a second time."""
    for reader in (FINAL, "watcher"):
        playing.read(4, 6, partition=0, actor=reader)
    playing.rows["ends"][0] |= {"log_end": 7, "last_stable": 7}


def phantom_never_sent(playing: Playing) -> None:
    """A record that nobody sent."""
    for reader in (FINAL, "watcher"):
        playing.read(99, 6, partition=0, actor=reader)


def phantom_elsewhere(playing: Playing) -> None:
    """Record 4 lies on a partition where it was not acknowledged."""
    for row in playing.rows["reads"]:
        if row["id"] == 4:
            row |= {"partition": 1, "offset": 7, "t": row["t"] + 100}


def phantom_key(playing: Playing) -> None:
    """The watcher finds another key on record 4 (its own key is on the same partition)."""
    for row in (*playing.rows["calls"], *playing.rows["reads"]):
        row["key"] = "a" if row["id"] % 2 == 0 else "b"
    for row in playing.rows["reads"]:
        if row["id"] == 4:
            row["key"] = "c"


def phantom_damaged(playing: Playing) -> None:
    """Record 4's payload has a wrong checksum."""
    for row in playing.rows["reads"]:
        if row["id"] == 4:
            row["intact"] = False


def failed_but_visible(playing: Playing) -> None:
    """Record 4 was reported as failed."""
    one(playing, "completions", 4).update(outcome="failed", topic=None, partition=None, offset=None)


def unknown_tally(playing: Playing) -> None:
    """Nobody knows what became of record 4."""
    playing.rows["completions"] = [row for row in playing.rows["completions"] if row["id"] != 4]


def unacknowledged_missing(playing: Playing) -> None:
    """Record 4 was sent with acks=0 and is not there."""
    one(playing, "completions", 4).update(outcome="unacknowledged", partition=None, offset=None)
    forget(playing, 4, FINAL, "watcher")


def reordered(playing: Playing) -> None:
    """Records 4 and 6, in flight together on partition 0, change places."""
    swap = {4: 3, 6: 2}
    for table in ("completions", "reads"):
        for row in playing.rows[table]:
            row["offset"] = swap.get(row["id"], row["offset"])
    # The reads keep the order of time that their offsets have.
    rows = [row for row in playing.rows["reads"] if row["id"] in swap]
    for four, six in zip(rows[::2], rows[1::2], strict=True):
        four["t"], six["t"] = six["t"], four["t"]


def overtaken(playing: Playing) -> None:
    """Record 6, of another producer, is called long after record 4 was acknowledged, and lies below it."""
    reordered(playing)
    one(playing, "calls", 6)["actor"] = "another"
    one(playing, "completions", 4)["t"] = 450


def key_split(playing: Playing) -> None:
    """One key on two partitions."""
    for record in (4, 5):
        one(playing, "calls", record)["key"] = "a"


def skipped(playing: Playing) -> None:
    """The watcher jumps over record 4."""
    forget(playing, 4, "watcher")


def rewound(playing: Playing) -> None:
    """The watcher reads record 4 again after record 10."""
    playing.read(4, 2, partition=0, actor="watcher")


def isr_shrank(playing: Playing) -> None:
    """One replica leaves the ISR and comes back."""
    for t, isr in enumerate(([1, 2, 3], [1, 3], [1, 2, 3])):
        playing.add("isrs", t=t, actor="observer", topic="orders", partition=0, isr=isr)


def replicas_differ(playing: Playing) -> None:
    """Broker 2 has another batch at offset 3; what only broker 1 has above the common end does not count."""
    for broker, crcs in ((1, (7, 8, 9)), (2, (7, 6))):
        for number, crc in enumerate(crcs):
            playing.add(
                "batches", t=broker, actor="stage", topic="orders", partition=0, broker=broker, offset=3 * number,
                last_offset=3 * number + 2, epoch=0, crc=crc, size=100, records=3,
            )  # fmt: skip


def refused(playing: Playing) -> None:
    """A write is refused for want of replicas."""
    playing.called(99, 5000).told(99, "failed", 5001, error="NOT_ENOUGH_REPLICAS")


def stalled(playing: Playing) -> None:
    """After a fault that was healed, no send is acknowledged any more."""
    playing.fault("kill", "broker-1", injected=5000, landed=5001, healed=9000)
    playing.called(99, 6000).told(99, "failed", 8000, error="_MSG_TIMED_OUT")


MUTATIONS: dict[str, tuple[Callable[[Playing], None], ...]] = {
    "lost": (lost,),
    "lost_tail": (lost_tail,),
    "overwritten": (overwritten,),
    "unseen": (unseen,),
    "duplicate": (duplicate,),
    "phantom": (phantom_never_sent, phantom_elsewhere, phantom_key, phantom_damaged),
    "failed_but_visible": (failed_but_visible,),
    "unknown_tally": (unknown_tally,),
    "unacknowledged_missing": (unacknowledged_missing,),
    "reordered": (reordered,),
    "overtaken": (overtaken,),
    "key_split": (key_split,),
    "skipped": (skipped,),
    "rewound": (rewound,),
    "isr_shrank": (isr_shrank,),
    "replicas_differ": (replicas_differ,),
    "refused": (refused,),
    "stalled": (stalled,),
}
ELSEWHERE = {
    "out_of_order_read", "unread", "cheaper_than_claimed", "expired_early", "not_expired", "latest_missing",
    "stale_survivor", "resurrected",
    "double_owned", "unassigned", "unowned", "idle_member", "taken_away", "stopped_needlessly", "rebalanced",
    "aborted_visible", "torn", "hanging_transaction", "copy_missing", "copy_repeated", "copy_wrong",
    "committed_too_far", "offset_regressed", "reprocessed", "out_of_order_effect",
    "not_fewer", "lag_differs", "count_differs", "alarm_missed", "alarm_stays", "false_alarm",
}  # fmt: skip
PLANTED = [(kind, plant) for kind, plants in MUTATIONS.items() for plant in plants]


def test_every_kind_has_a_mutation() -> None:
    """No kind is without a proof that it is found; those that need a claim have tests of their own below."""
    assert set(MUTATIONS) | ELSEWHERE == set(KINDS)


@pytest.mark.parametrize(("partitions", "keys"), [(1, 0), (2, 0), (2, 1), (3, 1)])
def test_a_clean_history_is_held(partitions: int, keys: int) -> None:
    """A clean history has no anomaly, whatever is claimed about it, and the verdict is held."""
    judgement = everything(["duplicate", "key_split", "unread"] if keys else ["duplicate"])(
        clean(partitions=partitions, keys=keys).history()
    )
    assert (judgement.verdict, kinds(judgement), judgement.doubts) == (HELD, {}, ())


@pytest.mark.parametrize(("kind", "plant"), PLANTED)
def test_one_change_gives_exactly_its_kind(kind: str, plant: Callable[[Playing], None]) -> None:
    """The planted kind is found once, nothing else is found, and it breaks the verdict just where it should."""
    playing = clean()
    plant(playing)
    judgement = everything()(playing.history())
    assert kinds(judgement) == {kind: 1}
    anomaly = judgement.anomalies[0]
    weight = KINDS[kind].weight.name
    assert anomaly.breaks == (weight == "ALWAYS")
    assert anomaly.sentence.ko != anomaly.sentence.en
    assert judgement.verdict == {"ALWAYS": BROKEN, "NUMBER": HELD, "NEVER": HELD}[weight] or kind == "unseen"
    if weight == "NUMBER":
        claimed = everything([kind])(playing.history())
        assert (claimed.verdict, claimed.anomalies[0].breaks) == (BROKEN, True)


def test_unseen_is_a_doubt() -> None:
    """A record that the final reader could not reach makes the verdict inconclusive, never broken."""
    playing = clean()
    unseen(playing)
    judgement = nothing_lost()(playing.history())
    assert judgement.verdict == INCONCLUSIVE
    assert judgement.measured["lost"] == 0


def test_claims_break_on_what_they_claim() -> None:
    """The same number kind leaves one claim held and breaks the other."""
    twice, missing = clean(), clean()
    duplicate(twice)
    unacknowledged_missing(missing)
    assert nothing_lost()(twice.history()).verdict == HELD
    assert no_duplicates()(twice.history()).verdict == BROKEN
    assert nothing_lost()(missing.history()).verdict == HELD
    assert nothing_missing()(missing.history()).verdict == BROKEN
    assert all_of(nothing_lost(), no_duplicates())(twice.history()).verdict == BROKEN


def test_a_loss_breaks_every_claim_about_delivery() -> None:
    """No claim about delivery is held while acknowledged records are gone."""
    playing = clean()
    lost(playing)
    for claim in (nothing_lost(), nothing_missing(), no_duplicates(), all_of(in_order(), nothing_lost())):
        assert claim(playing.history()).verdict == BROKEN


def test_unread_names_the_reader() -> None:
    """A reader, by its name or its group, read all of the log or did not."""
    playing = clean()
    forget(playing, 4, "watcher")
    for row in playing.rows["reads"]:
        row["group"] = "shop" if row["actor"] == "watcher" else None
    for reader in ("watcher", "shop"):
        judgement = all_read_by(reader)(playing.history())
        assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"unread": 1})
        assert judgement.anomalies[0].examples[0]["id"] == 4
    assert all_read_by("nobody")(playing.history()).measured["unread"] == 12
    assert kinds(everything(["unread"])(playing.history())) == {"unread": 1}
    assert all_read_by("watcher")(clean().history()).verdict == HELD


def test_reading_partition_by_partition_is_out_of_order() -> None:
    """A reader that meets one partition after the other has one neighbour the wrong way round."""
    judgement = read_in_send_order()(clean(partitions=2).history())
    assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"out_of_order_read": 1})
    assert read_in_send_order()(clean(partitions=1).history()).verdict == HELD
    assert kinds(everything()(clean(partitions=2).history())) == {}


def test_reads_at_one_time_have_no_order() -> None:
    """Records that were handed over at the same t count neither as out of order nor as a jump back."""
    playing = clean(partitions=2)
    for row in playing.rows["reads"]:
        row["t"] = END_T - 1
    history = playing.history()
    assert read_in_send_order()(history).verdict == HELD
    assert reads_on()(history).verdict == HELD


def test_costs_are_compared_outside_the_noise_only() -> None:
    """Dearer is slower, or not, or nobody can tell: held, broken, inconclusive."""

    def rounds(cheap_ms: int, dear_ms: int, *, spread: int = 0) -> Playing:
        playing = Playing()
        for turn in range(3):
            for number, (actor, ms) in enumerate((("acks-1", cheap_ms), ("acks-all", dear_ms))):
                record, t = 10 * turn + number, (10 * turn + number) * SECOND
                playing.called(record, t, actor=actor)
                playing.acked(record, record, t + (ms + spread * turn) * 1_000_000, actor=actor)
        return playing

    claim = costs_in_order(("acks-1", "acks-all"))
    assert claim(rounds(2, 9).history()).verdict == HELD
    broken = claim(rounds(9, 2).history())
    assert (broken.verdict, kinds(broken)) == (BROKEN, {"cheaper_than_claimed": 1})
    assert claim(rounds(2, 3, spread=2).history()).verdict == INCONCLUSIVE


def test_a_gap_counts_only_while_someone_waits() -> None:
    """A pause in sending is no stall; a send that waits longer than the limit is one."""
    playing = clean()
    playing.called(90, 60 * SECOND).acked(90, 6, 61 * SECOND)
    assert writes_continue(limit_s=2.0)(playing.history()).measured["longest_gap_s"] == 1.0
    assert writes_continue(limit_s=2.0)(playing.history()).verdict == HELD
    judgement = writes_continue(limit_s=0.5)(playing.history())
    assert (judgement.verdict, kinds(judgement)) == (BROKEN, {"stalled": 1})


def test_claims_without_their_records_are_doubts() -> None:
    """A claim about ISR, keys or replicas is not held by a history that knows nothing of them."""
    for claim in (stays_in_sync(), keys_together(), replicas_agree()):
        assert claim(clean().history()).verdict == INCONCLUSIVE
