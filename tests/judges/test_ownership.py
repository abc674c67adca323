"""Ownership in groups: a clean group with one planted change gives exactly that kind; traps give none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.judges.gathering import GROUP, Gathering, gathering

from ktrial.judges import (
    everyone_has_work,
    everything,
    keeps_its_partitions,
    kept_partitions_go_on,
    no_rebalance,
    taken_over_within,
)
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Judgement

OURS = {"double_owned", "unassigned", "idle_member", "taken_away", "rebalanced"}
"""Kinds about ownership, without the numbers that an eager group has at each rebalance."""


def kinds(judgement: Judgement) -> dict[str, int]:
    """Return the count of each kind of anomaly about ownership that an eager group does not have anyway."""
    return {each.kind: each.count for each in judgement.anomalies if each.kind in OURS}


def takeovers_of(judgement: Judgement) -> list[dict[str, object]]:
    """Return the changes of owner that were measured."""
    takeovers = judgement.measured["takeovers"]
    assert isinstance(takeovers, list)
    return takeovers


def drop(play: Gathering, op: str, actor: str, at_s: float) -> None:
    """Take one event of a member out."""
    gone = int(at_s * 1_000_000_000)
    play.rows["members"] = [
        row for row in play.rows["members"] if (row["op"], row["actor"], row["t"]) != (op, actor, gone)
    ]


def test_a_clean_group_is_held() -> None:
    """One owner at a time, everything assigned, nothing taken: nothing but the numbers of eager rebalances."""
    judgement = everything()(gathering().history())
    assert judgement.verdict is HELD
    assert kinds(judgement) == {}
    assert judgement.measured["sizes"] == [[2], [1, 1], [2]]
    assert judgement.measured["unowned_s"] == {"0": 0.3, "1": 0.2}
    assert judgement.measured["pause_s"] == {"0": 1.1, "1": 1.1}
    assert judgement.measured["kept_pause_s"] == {"0": 1.1, "1": 1.1}
    assert judgement.measured["moved_pause_s"] == {"0": 1.0, "1": 1.0}
    assert judgement.measured["generations"] == 3
    assert judgement.measured["revoked"] == 6
    assert judgement.measured["stopped_needlessly"] == 2
    assert judgement.measured["stopped_s"] == 0.1
    takeovers = takeovers_of(judgement)
    assert takeovers[0] == {
        "partition": "0", "from": "a", "to": "b", "how": "revoked", "owned_s": 0.2, "processed_s": 0.4,
    }  # fmt: skip
    assert takeovers[1]["partition"] == "1"
    assert judgement.measured["takeover_s"] == {"revoked": {"owned_s": 0.2, "processed_s": 0.4}}


def never_revoked(play: Gathering) -> None:
    """A keeps partition 0 when B gets it."""
    drop(play, "revoked", "a", 3.0)


def revoked_too_late(play: Gathering) -> None:
    """B has partition 0 a moment before A gives it up."""
    for row in play.rows["members"]:
        if row["op"] == "revoked" and row["actor"] == "a" and row["generation"] == 2:
            row["t"] += 300_000_000


def one_generation_two_owners(play: Gathering) -> None:
    """The same generation gives partition 1 to both."""
    for row in play.rows["members"]:
        if row["op"] == "assigned" and row["actor"] == "a" and row["generation"] == 2:
            row["partitions"] = [{"topic": "orders", "partition": partition} for partition in (0, 1)]
    drop(play, "revoked", "a", 3.0)
    play.member("revoked", "a", 3.0, 0, 1, generation=2)


@pytest.mark.parametrize("plant", [never_revoked, revoked_too_late, one_generation_two_owners])
def test_two_owners_are_found(plant: Callable[[Gathering], None]) -> None:
    """Two members that own one partition at once break any claim, with the moment as evidence."""
    play = gathering()
    plant(play)
    judgement = everything()(play.history())
    assert judgement.verdict is BROKEN
    assert kinds(judgement) == {"double_owned": 1}
    found = next(each for each in judgement.anomalies if each.kind == "double_owned")
    assert found.examples[0]["owner"] == "a"
    assert found.examples[0]["other"] == "b"
    assert "partition" in found.sentence.en


def taken(fault: str, *, told: bool) -> Gathering:
    """Return a group in which A was out of reach from 2.5 to 4 s, and B got its partition at 3.2 s."""
    play = gathering()
    drop(play, "revoked", "a", 3.0)
    play.rows["commits"] = [row for row in play.rows["commits"] if row["offset"] != 3 or row["actor"] != "a"]
    play.struck(fault, "a", 2.5, 4.0)
    drop(play, "revoked", "b", 4.0)
    play.member("revoked", "b", 5.0, 0, 1, generation=3)
    if told:
        play.member("lost", "a", 4.1, 0)
    return play


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("fault", ["pause", "busy"])
def test_a_member_out_of_reach_is_no_second_owner(fault: str, *, told: bool) -> None:
    """It cannot know that its partition is another's: taken away, not owned twice, whether it is told later or not."""
    judgement = everything()(taken(fault, told=told).history())
    assert judgement.verdict is HELD
    assert kinds(judgement) == {"taken_away": 1}
    takeover = next(each for each in takeovers_of(judgement) if each["partition"] == "0")
    assert takeover["how"] == ("lost" if told else "taken")
    assert takeover["owned_s"] == 0.7, "from the fault on, not from the news of it"


def test_lost_without_a_fault_is_no_second_owner() -> None:
    """`lost` is told when it is long over: what was lost ended when the next owner began."""
    play = gathering()
    drop(play, "revoked", "a", 3.0)
    play.member("lost", "a", 3.9, 0)
    assert kinds(everything()(play.history())) == {"taken_away": 1}
    assert keeps_its_partitions()(play.history()).verdict is BROKEN


def test_revoked_after_a_pause_is_no_second_owner() -> None:
    """A member that was paused when its partition went may call it `revoked` when it wakes up."""
    play = taken("pause", told=False).member("revoked", "a", 4.1, 0)
    assert kinds(everything()(play.history())) == {"taken_away": 1}


def test_a_killed_member_owns_nothing() -> None:
    """Death ends ownership: no second owner, nothing taken away, and unowned from the kill on; nobody heals it."""
    play = gathering()
    drop(play, "revoked", "a", 3.0)
    play.struck("kill", "a", 2.5)
    judgement = everything()(play.history())
    assert kinds(judgement) == {}
    assert judgement.verdict is HELD
    assert judgement.measured["unowned_s"] == {"0": 0.8, "1": 0.2}
    assert taken_over_within(0.6)(play.history()).verdict is BROKEN
    assert taken_over_within(0.8)(play.history()).verdict is HELD


def test_a_fault_on_somebody_else_excuses_nobody() -> None:
    """A paused producer, or a member that was paused before it owned anything, is no excuse for two owners."""
    for target, at_s, healed_s in (("producer", 2.5, 3.5), ("a", 0.1, 0.9), ("a", 3.5, 3.6)):
        play = gathering()
        never_revoked(play)
        play.struck("pause", target, at_s, healed_s)
        assert kinds(everything()(play.history())) == {"double_owned": 1}, (target, at_s)


def test_a_cooperative_revocation_is_a_change_not_the_whole() -> None:
    """What is not named stays; an assignment names only what is new; empty ones change nothing."""
    play = Gathering().sent(4)
    play.member("assigned", "a", 1.0, 0, 1, generation=1)
    play.member("revoked", "a", 2.0, 1, generation=2).member("assigned", "a", 2.1, generation=2)
    play.member("assigned", "b", 2.1, generation=2).member("assigned", "b", 2.5, 1, generation=3)
    play.member("assigned", "a", 2.5, generation=3).stable(2.6, "a", "b")
    play.member("revoked", "a", 3.0, 0).member("revoked", "b", 3.0, 1)
    judgement = everything()(play.history())
    assert judgement.verdict is HELD
    assert {each.kind for each in judgement.anomalies} == {"unowned"}
    assert judgement.measured["unowned_s"] == {"1": 0.5}
    assert kept_partitions_go_on()(play.history()).verdict is HELD


def test_what_is_given_up_and_got_back_was_stopped_needlessly() -> None:
    """Eager members stop partitions that they keep."""
    judgement = kept_partitions_go_on()(gathering().history())
    assert judgement.verdict is BROKEN
    found = next(each for each in judgement.anomalies if each.kind == "stopped_needlessly")
    assert [(each["member"], each["partition"]) for each in found.examples] == [("a", "0"), ("b", "1")]


def test_given_to_another_in_between_is_not_needless() -> None:
    """Given up, owned by another, got back: the partition moved twice."""
    play = Gathering().sent(2)
    play.member("assigned", "a", 1.0, 0).member("revoked", "a", 2.0, 0)
    play.member("assigned", "b", 2.0, 0).member("revoked", "b", 3.0, 0).member("assigned", "a", 3.0, 0)
    play.member("revoked", "a", 4.0, 0)
    assert kept_partitions_go_on()(play.history()).verdict is HELD


def zombie(outcome: str) -> Gathering:
    """Return a group whose paused member goes on with its batch, and commits it with this outcome."""
    play = taken("pause", told=False)
    return play.did("a", 4.05, 6, 0, 3).committed("a", 4.06, 0, 4, outcome).member("lost", "a", 4.1, 0)


def test_an_accepted_commit_of_a_former_owner_is_a_second_owner() -> None:
    """What it processed as somebody else's must be refused; where it is not, the partition had two owners."""
    assert kinds(everything()(zombie("ok").history())) == {"double_owned": 1, "taken_away": 1}
    for refused in ("unknown", "failed"):
        judgement = everything()(zombie(refused).history())
        assert kinds(judgement) == {"taken_away": 1}
        assert judgement.measured["processed_by_two"] == 1


def test_a_late_note_of_an_old_commit_is_not_one_of_a_former_owner() -> None:
    """A commit of what was processed while it was the owner may be noted late."""
    play = taken("pause", told=True).committed("a", 4.05, 0, 3)
    assert kinds(everything()(play.history())) == {"taken_away": 1}


def test_a_commit_after_giving_up_is_a_second_owner() -> None:
    """Who gave a partition up and commits it while it is another's has no excuse, whatever it had processed."""
    play = gathering().committed("a", 3.4, 0, 3)
    assert kinds(everything()(play.history())) == {"double_owned": 1}
    for harmless in (
        gathering().committed("a", 3.15, 0, 3),
        gathering().committed("a", 3.4, 0, 3, "unknown"),
    ):
        assert kinds(everything()(harmless.history())) == {}, "nobody owned it then; or it was refused"


def test_a_commit_of_a_partition_that_was_never_its_own() -> None:
    """A member may commit what it owns; a tool that is no member may set offsets."""
    play = gathering().committed("b", 1.5, 0, 1)
    assert kinds(everything()(play.history())) == {"double_owned": 1}
    assert kinds(everything()(gathering().committed("coordinator", 1.5, 0, 1).history())) == {}


def test_a_former_owner_that_owns_again_commits_rightly() -> None:
    """It lost the partition, went on for a moment, got it back, did the rest, and committed: one owner at a time."""
    play = zombie("unknown")
    drop(play, "revoked", "b", 5.0)
    play.member("revoked", "b", 4.2, 0, 1).member("assigned", "a", 4.5, 0)
    play.did("a", 4.6, 6, 0, 3).committed("a", 4.7, 0, 4).member("revoked", "a", 5.0, 0)
    assert "double_owned" not in kinds(everything()(play.history()))


def test_a_partition_without_an_owner_though_the_group_is_stable() -> None:
    """At a moment that was called stable every partition has an owner, or the assignment is not whole."""
    play = gathering().stable(2.2, "a", "b", partitions=3)
    judgement = everything()(play.history())
    assert judgement.verdict is BROKEN
    assert kinds(judgement) == {"unassigned": 1}


def test_a_member_without_work() -> None:
    """Idle is who has nothing when last the group was stable; earlier moments do not count."""
    play = gathering().stable(3.35, "b", "c")
    judgement = everyone_has_work()(play.history())
    assert judgement.verdict is BROKEN
    assert kinds(judgement) == {"idle_member": 1}
    assert everything()(play.history()).verdict is HELD
    assert everything(["idle_member"])(play.history()).verdict is BROKEN
    assert everyone_has_work()(gathering().history()).verdict is HELD


def test_never_taken_over() -> None:
    """A partition that nobody gets while the group lives on is unowned until the group's last event."""
    play = Gathering().sent(2)
    play.member("assigned", "a", 1.0, 0).member("assigned", "b", 1.0, 1).struck("kill", "a", 2.0)
    play.did("b", 7.0, 1, 1, 0)
    judgement = taken_over_within(4.0)(play.history())
    assert judgement.verdict is BROKEN
    assert judgement.measured["unowned_s"] == {"0": 5.0}


def test_two_groups_own_one_partition_each_for_itself() -> None:
    """Fan-out: groups know nothing of each other."""
    play = (
        gathering()
        .member("assigned", "x", 1.5, 0, 1, group="other")
        .member("revoked", "x", 4.0, 0, 1, group="other")
    )
    judgement = everything()(play.history())
    assert kinds(judgement) == {}
    assert f"{GROUP}: 0" in judgement.measured["unowned_s"]  # type: ignore[operator]


def test_no_rebalance_needs_somebody_struck() -> None:
    """Without a fault on a member nothing can be said; with one, a new generation breaks it, the old one does not."""
    quiet = Gathering().sent(2)
    quiet.member("assigned", "a", 1.0, 0, generation=1).member("assigned", "b", 1.0, 1, generation=1)
    assert no_rebalance()(quiet.history()).verdict is INCONCLUSIVE
    quiet.struck("kill", "a", 2.0).member("assigned", "c", 2.5, 0, generation=1)
    assert no_rebalance()(quiet.history()).verdict is HELD
    quiet.member("revoked", "b", 3.0, 1, generation=1).member("assigned", "b", 3.1, 1, generation=2)
    judgement = no_rebalance()(quiet.history())
    assert judgement.verdict is BROKEN
    assert kinds(judgement) == {"rebalanced": 1}


def test_without_generations_a_rebalance_is_seen_by_what_it_stops() -> None:
    """Where nobody knows the generation, what is given up and got back after the fault tells of a rebalance."""
    play = Gathering().sent(2)
    play.member("assigned", "a", 1.0, 0).member("assigned", "b", 1.0, 1).struck("kill", "a", 2.0)
    assert no_rebalance()(play.history()).verdict is HELD
    play.member("revoked", "b", 3.0, 1).member("assigned", "b", 3.1, 1)
    assert no_rebalance()(play.history()).verdict is BROKEN


def test_a_history_without_members_says_nothing_of_groups() -> None:
    """Claims about groups are doubtful then, and `everything` says nothing."""
    play = Gathering().sent(4)
    for claim in (taken_over_within(1.0), keeps_its_partitions(), kept_partitions_go_on(), no_rebalance()):
        assert claim(play.history()).verdict is INCONCLUSIVE
    judgement = everything()(play.history())
    assert judgement.verdict is HELD
    assert "unowned_s" not in judgement.measured


def test_delays_are_from_sending_to_the_first_processing() -> None:
    """A record that is processed twice waited until the first time."""
    play = gathering().did("b", 3.9, 0, 0, 0)
    judgement = everything()(play.history())
    assert judgement.measured["records_delayed"] == 8
    assert judgement.measured["longest_delay_s"] == 3.5
    assert judgement.measured["processed_by_two"] == 1
