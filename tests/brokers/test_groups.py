"""Groups on real brokers: who owns what, what a crash leaves, and what is written down of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.brokers.conftest import Staged, history_of

from ktrial.errors import StageProblem, WaitTimedOut
from ktrial.judges import everything, kept_partitions_go_on
from ktrial.stage import Commits, Topic, Work
from ktrial.verdict import HELD

if TYPE_CHECKING:
    from pathlib import Path

    from ktrial.history.tables import History
    from ktrial.stage import Stage

pytestmark = pytest.mark.brokers
ORDERS = Topic("orders", partitions=3)
ONE = Topic("single", partitions=1)
SPREAD = {"cycle": 30}
CLASSIC = {"heartbeat.interval.ms": "200", "session.timeout.ms": "3000", "auto.commit.interval.ms": "200"}
PROTOCOLS = {
    "range": {**CLASSIC, "partition.assignment.strategy": "range"},
    "roundrobin": {**CLASSIC, "partition.assignment.strategy": "roundrobin"},
    "cooperative-sticky": {**CLASSIC, "partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer", "auto.commit.interval.ms": "200"},
}


def processed(history: History, actor: str = "") -> list[int]:
    """Return the ids that were processed, by one member or by all, in the order of time."""
    rows = history.processed.sort("t")
    return (rows.filter(pl.col("actor") == actor) if actor else rows)["id"].to_list()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_members_come_and_go_under_every_protocol(staged: Staged, tmp_path: Path, protocol: str) -> None:
    """Each record is processed once, generations are known and grow, and only eager assignors stop what stays."""
    with staged(tmp_path) as stage:
        with stage.producing(ORDERS) as producer:
            with stage.groups.member("shop", ORDERS, config=PROTOCOLS[protocol]) as first:
                stage.groups.await_stable("shop", first)
                producer.sends(60, keys=SPREAD)
                second = stage.groups.join("shop", ORDERS, config=PROTOCOLS[protocol])
                stage.groups.await_stable("shop", first, second)
                producer.sends(60, keys=SPREAD)
                stage.groups.await_processed("shop", 120)
            stage.groups.await_stable("shop", second)
            producer.sends(60, keys=SPREAD)
            stage.groups.await_caught_up("shop", ORDERS)
        stage.read_to_end(ORDERS)
    history = history_of(tmp_path)
    assert sorted(processed(history)) == list(range(180))
    judgement = everything()(history)
    assert judgement.verdict is HELD, judgement.summary
    assert judgement.measured["sizes"] == [[3], [2, 1], [3]]
    given = history.members.filter(pl.col("op") == "assigned").sort("t")
    assert given["generation"].null_count() == 0
    assert given["generation"].is_sorted()
    assert given["generation"].n_unique() >= 3
    eager = protocol in ("range", "roundrobin")
    assert (kept_partitions_go_on()(history).verdict is HELD) is not eager
    held = history.commits.filter(pl.col("actor") == "coordinator")
    sentinels = ORDERS.partitions  # the final reader's, which a member may have met
    assert 180 <= held["offset"].sum() <= 180 + sentinels, "closing committed all that was done"


def logged(history: History) -> str:
    """Return what the coordinator logged about the group, in the order of time."""
    rows = history.others.filter(pl.col("op") == "coordinator").sort("t")
    return "\n".join(json.loads(text)["line"] for text in rows["json"])


def test_a_member_killed_in_the_middle_of_a_batch(staged: Staged, tmp_path: Path) -> None:
    """It has done exactly what was asked, committed every third, and another does the rest again from there."""
    work = Work(batch=50, commits=Commits.every(3))
    with staged(tmp_path) as stage:
        with stage.producing(ONE) as producer:
            producer.sends(50)
        mortal = stage.groups.join("shop", ONE, config=CLASSIC, work=work)
        mortal.halt(after=20)
        mortal.await_halted()
        assert mortal.processed() == 20
        assert stage.groups.committed("shop", ONE) == {0: 18}
        assert stage.groups.lag("shop", ONE) == {0: 32}
        mortal.kill()
        heir = stage.groups.join("shop", ONE, config=CLASSIC, work=work)
        stage.groups.await_committed("shop", ONE, 48)
        stage.groups.await_caught_up("shop", ONE)
        with pytest.raises(StageProblem, match="gone already"):
            mortal.kill()
        assert heir.processed() == 32
    history = history_of(tmp_path)
    assert processed(history, "consumer-1") == list(range(20))
    assert processed(history, "consumer-2") == list(range(18, 50))
    faults = history.faults.select(pl.col("outcome", "fault", "target").cast(pl.String)).rows()
    assert faults == [("injected", "kill", "consumer-1"), ("landed", "kill", "consumer-1")]
    assert history.commits.filter(pl.col("actor") == "coordinator")["offset"].to_list() == [50]
    lines = logged(history)
    assert "Preparing to rebalance" in lines
    assert "failed" in lines, "the coordinator says of the dead member why it removed it"
    judgement = everything()(history)
    assert judgement.measured["unowned_s"]
    assert str(judgement.measured["takeovers"]).count("'how': 'killed'") == 1


def halted_after_ten(stage: Stage, commits: Commits) -> dict[int, int]:
    """Let a member halt after 10 of the 40 records of its first batch; return what is committed a moment later."""
    with stage.producing(ONE) as producer:
        producer.sends(40)
    member = stage.groups.join("shop", ONE, config=CLASSIC, work=Work(batch=40, commits=commits))
    member.halt(after=10)
    member.await_halted()
    if commits == Commits.LIBRARY:
        stage.groups.await_committed("shop", ONE, 40)
    told = stage.groups.committed("shop", ONE)
    member.kill()
    return told


@pytest.mark.parametrize(
    ("commits", "committed"),
    [
        (Commits.JAVA, -1),
        (Commits.LIBRARY, 40),
        (Commits.AFTER_BATCH, -1),
        (Commits.BEFORE_BATCH, 40),
        (Commits.every(4), 8),
        (Commits.NONE, -1),
    ],
)
def test_what_is_committed_in_the_middle_of_a_batch(
    staged: Staged, tmp_path: Path, commits: Commits, committed: int
) -> None:
    """Half-way through a batch the way to commit decides what a crash would skip or repeat."""
    with staged(tmp_path) as stage:
        assert halted_after_ten(stage, commits) == {0: committed}
    assert processed(history_of(tmp_path)) == list(range(10))


def test_a_paused_member_is_told_later_that_it_lost(staged: Staged, tmp_path: Path) -> None:
    """Stopped for longer than its session: lost, not revoked; its late commit is refused; nobody owned twice."""
    config = {**CLASSIC, "session.timeout.ms": "1500"}
    work = Work(each_ms=5, batch=20, commits=Commits.AFTER_BATCH)
    with staged(tmp_path) as stage, stage.producing(ORDERS) as producer:
        with producer.load(per_s=200, keys=SPREAD):
            sleeper = stage.groups.join("shop", ORDERS, config=config, work=work)
            other = stage.groups.join("shop", ORDERS, config=config, work=work)
            stage.groups.await_stable("shop", sleeper, other)
            producer.await_acknowledged(100)
            with sleeper.paused():
                other.await_assigned(3)
            stage.groups.await_stable("shop", sleeper, other)
        stage.groups.await_caught_up("shop", ORDERS)
        stage.read_to_end(ORDERS)
    history = history_of(tmp_path)
    events = history.members.filter(pl.col("actor") == "consumer-1").sort("t")["op"].to_list()
    assert "lost" in events
    faults = history.faults.sort("t").select(pl.col("outcome", "fault").cast(pl.String)).rows()
    assert faults == [("injected", "pause"), ("landed", "pause"), ("healed", "pause")]
    judgement = everything()(history)
    assert judgement.verdict is HELD, judgement.summary
    taken = {each.kind: each.count for each in judgement.anomalies}
    assert 1 <= taken["taken_away"] <= 2


def test_a_wait_says_what_it_saw_last(staged: Staged, tmp_path: Path) -> None:
    """A group that never becomes what is awaited ends the wait with who owns what."""
    with staged(tmp_path) as stage:
        member = stage.groups.join("shop", ORDERS, config=CLASSIC)
        stage.groups.await_stable("shop", member)
        with pytest.raises(WaitTimedOut, match="it owns"):
            member.await_assigned(2, limit_s=0.3)
        with pytest.raises(WaitTimedOut, match="0 processed"):
            stage.groups.await_processed("shop", 1, limit_s=0.3)
        with pytest.raises(WaitTimedOut, match="committed"):
            stage.groups.await_committed("shop", ORDERS, 1, limit_s=0.3)
