"""Every fault lands, proves it, and undoes itself, on real brokers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.brokers.conftest import Staged, history_of

from ktrial.errors import StageProblem
from ktrial.faults import Cut, Fault, Hold, Kill, Pause, Slow, Stop
from ktrial.judges import no_duplicates, nothing_lost
from ktrial.stage import NOTHING, Stage, Topic
from ktrial.verdict import HELD

pytestmark = pytest.mark.brokers

ORDERS = Topic("orders", partitions=1, replicas=3, min_in_sync=2)


def _outcomes(folder: Path, fault: str) -> list[str]:
    faults = history_of(folder).faults
    return [str(row["outcome"]) for row in faults.sort("t").iter_rows(named=True) if row["fault"] == fault]


@pytest.mark.parametrize("kind", [Kill, Stop, Pause])
def test_a_fault_of_the_leader_moves_the_leadership_and_is_undone(
    staged: Staged, tmp_path: Path, kind: type[Kill]
) -> None:
    """Another replica leads while the fault is in force; afterwards all three are in sync and nothing is lost."""
    with staged(tmp_path) as stage:
        leader = stage.leader_of(ORDERS)
        with stage.producing(ORDERS) as producer:
            producer.sends(50)
            with stage.fault(kind(leader)):
                assert stage.wait_for_leader(ORDERS, other_than=leader) != leader
                producer.sends(50)
        stage.heal()
        assert len(stage.in_sync(ORDERS)) == 3
        stage.read_to_end(ORDERS)
    assert _outcomes(tmp_path, kind.__name__.lower()) == ["injected", "landed", "healed"]
    assert nothing_lost()(history_of(tmp_path)).verdict is HELD


def test_a_leader_cut_off_from_its_peers_is_replaced(staged: Staged, tmp_path: Path) -> None:
    """Followers and controller lose a leader that clients still reach; acks=all loses nothing by it."""
    with staged(tmp_path) as stage:
        leader = stage.leader_of(ORDERS)
        with stage.producing(ORDERS) as producer:
            producer.sends(50)
            cut = stage.inject(Cut(leader))
            assert stage.wait_for_leader(ORDERS, other_than=leader) != leader
            producer.sends(50, then=NOTHING)  # to a leader that does not know of its successor
            stage.undo(cut)
            producer.await_outcomes()
        stage.heal()
        stage.read_to_end(ORDERS)
    assert _outcomes(tmp_path, "cut") == ["injected", "landed", "healed"]
    assert nothing_lost()(history_of(tmp_path)).verdict is HELD


def test_a_follower_cut_one_way_falls_out_of_the_isr(staged: Staged, tmp_path: Path) -> None:
    """A follower that may not fetch from the leader is out of sync, though it is alive and registered."""
    with staged(tmp_path) as stage:
        leader, follower = stage.leader_of(ORDERS), stage.followers_of(ORDERS)[0]
        with stage.producing(ORDERS) as producer, producer.load(per_s=50, at_most=5000):
            producer.await_acknowledged(5)
            cut = stage.inject(Cut(follower, peers=(leader,), incoming=False), lands=False)
            stage.await_landed(cut)
            stage.wait_for_in_sync(ORDERS, 2)
            assert follower not in stage.in_sync(ORDERS)
            stage.undo(cut)
            stage.wait_for_in_sync(ORDERS, 3)
        stage.read_to_end(ORDERS)
    assert nothing_lost()(history_of(tmp_path)).verdict is HELD


@pytest.mark.parametrize("fault", [Hold((1, 2, 3)), Slow((1, 2, 3), delay_ms=50)], ids=["hold", "slow"])
def test_responses_held_or_slowed_between_client_and_brokers_arrive_in_the_end(
    staged: Staged, tmp_path: Path, fault: Fault
) -> None:
    """What is sent meanwhile through a link is acknowledged once the fault is undone, each record once."""
    with staged(tmp_path) as stage:
        with stage.producing(ORDERS, linked=True) as producer:
            producer.sends(20)
            injected = stage.inject(fault, lands=False)
            producer.sends(20, then=NOTHING)
            stage.await_landed(injected)
            stage.undo(injected)
            producer.await_outcomes()
        stage.read_to_end(ORDERS)
    judgement = no_duplicates()(history_of(tmp_path))
    assert judgement.verdict is HELD
    assert judgement.measured["acknowledged"] == 40


def test_all_brokers_die_and_come_back_with_everything(staged: Staged, tmp_path: Path) -> None:
    """Three kills at once end the service, not the data: the page cache outlives the processes."""
    with staged(tmp_path) as stage:
        with stage.producing(ORDERS) as producer:
            producer.sends(50)
            with stage.fault(Kill(*stage.brokers)):
                producer.sends(20, then=NOTHING)
            stage.heal()
            producer.await_outcomes()
        stage.read_to_end(ORDERS)
    judgement = nothing_lost()(history_of(tmp_path))
    assert judgement.verdict is HELD
    assert judgement.measured["acknowledged"] == 70


def test_writes_go_on_while_the_controller_is_paused(staged: Staged, tmp_path: Path) -> None:
    """Leaders lead without their controller; it is missed only when something changes."""
    with staged(tmp_path) as stage:
        with stage.producing(ORDERS) as producer:
            producer.sends(10)
            with stage.fault(Pause(stage.controller)):
                producer.sends(50)
        stage.heal()
        stage.read_to_end(ORDERS)
    assert nothing_lost()(history_of(tmp_path)).measured["acknowledged"] == 60


def test_a_group_survives_the_death_of_its_coordinator(staged: Staged, tmp_path: Path) -> None:
    """The coordinator of a group is found, killed, and replaced; the member reads on."""
    with staged(tmp_path) as stage:
        with stage.producing(ORDERS) as producer, stage.consuming(ORDERS, group="readers") as consumer:
            producer.sends(20)
            consumer.await_read(20)
            coordinator = stage.coordinator_of("readers")
            assert coordinator in stage.brokers
            with stage.fault(Kill(coordinator)):
                producer.sends(20)
                consumer.await_read(40)
        stage.heal()
        stage.read_to_end(ORDERS)
    assert nothing_lost()(history_of(tmp_path)).verdict is HELD


def test_no_final_read_while_a_fault_is_in_force(staged: Staged, tmp_path: Path) -> None:
    """The final reader refuses to read a cluster that is not healed."""
    with staged(tmp_path) as stage:
        _reads_too_early(stage)


def _reads_too_early(stage: Stage) -> None:
    with (
        stage.fault(Pause(stage.followers_of(ORDERS)[0])),
        pytest.raises(StageProblem, match="healed cluster"),
    ):
        stage.read_to_end(ORDERS)
