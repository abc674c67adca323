"""The claims that a trial can state, each a few parts and the kinds that break it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ktrial.judges.assignment import Assignment
from ktrial.judges.bursts import Bursts
from ktrial.judges.claim import Claim
from ktrial.judges.commits import Commits
from ktrial.judges.compaction import Compaction
from ktrial.judges.conditions import Conditions, NotVacuous, ReadToEnd
from ktrial.judges.copies import Copies
from ktrial.judges.cost import CostOrder
from ktrial.judges.delivery import Delivery
from ktrial.judges.effects import Effects
from ktrial.judges.keys import Keys
from ktrial.judges.kinds import BREAKS_ANYWAY, SAFETY, checked
from ktrial.judges.monitoring import Alarm, CountAgreement, LagAgreement
from ktrial.judges.order import Order
from ktrial.judges.ownership import Ownership
from ktrial.judges.progress import Progress
from ktrial.judges.readers import AllRead, Continuity
from ktrial.judges.readorder import ReadOrder
from ktrial.judges.rebalance import Rebalances
from ktrial.judges.replication import InSync, ReplicasAlike
from ktrial.judges.retention import Retention
from ktrial.judges.transactions import Transactions
from ktrial.judges.tuning import BURST, BYTES, PACE, REQUESTS, Cells, Fewer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ktrial.judges.claim import Part

RUN: Final = (Conditions(), NotVacuous())
READ: Final = (*RUN, ReadToEnd())


def nothing_lost() -> Claim:
    """Claim that no acknowledged record is gone, and nothing is in the log that should not be."""
    return Claim((*READ, Delivery()), SAFETY)


def nothing_missing() -> Claim:
    """Claim that nothing that was sent is missing: neither acknowledged records, nor those sent with acks=0."""
    return Claim((*READ, Delivery()), SAFETY | {"unacknowledged_missing"})


def no_duplicates() -> Claim:
    """Claim that no record is in the log more than once, and none is lost."""
    return Claim((*READ, Delivery()), SAFETY | {"duplicate"})


def in_order() -> Claim:
    """Claim that the log of each partition keeps the order of sending."""
    return Claim((*READ, Order()), frozenset({"reordered", "overtaken"}))


def read_in_send_order() -> Claim:
    """Claim that each reader met the records of a topic, over all its partitions, in the order of sending."""
    return Claim((*RUN, ReadOrder()), frozenset({"out_of_order_read"}))


def keys_together() -> Claim:
    """Claim that all records of one key are on one partition of their topic."""
    return Claim((*READ, Keys(needed=True)), frozenset({"key_split"}))


def all_read_by(reader: str) -> Claim:
    """Claim that the reader, an actor or a group, read every record of the final log."""
    return Claim((*READ, AllRead(reader)), frozenset({"unread"}))


def reads_on() -> Claim:
    """Claim that readers with assigned partitions neither skip known records nor go back."""
    return Claim((*RUN, Continuity()), frozenset({"skipped", "rewound"}))


def stays_in_sync() -> Claim:
    """Claim that the ISR of no partition ever shrinks."""
    return Claim((*RUN, InSync(needed=True)), frozenset({"isr_shrank"}))


def writes_continue(limit_s: float | None = None) -> Claim:
    """Claim that no write is refused, and nobody waits longer than `limit_s` for the next acknowledgement."""
    return Claim((*RUN, Progress(limit_s, needed=True)), frozenset({"stalled", "refused"}))


def replicas_agree() -> Claim:
    """Claim that the replicas' logs are the same, batch by batch, below their smallest common end."""
    return Claim((Conditions(), ReplicasAlike(needed=True)), frozenset({"replicas_differ"}))


def expires_after(retention_s: float, grace_s: float) -> Claim:
    """Claim that records are gone `retention_s` after they were sent, at most `grace_s` later, and none before."""
    return Claim(
        (*READ, Delivery(), Retention(retention_s, grace_s)), SAFETY | {"expired_early", "not_expired"}
    )


def compacted_truthfully() -> Claim:
    """Claim that below the active segments the latest record of each key is left, and no other, at its offset."""
    return Claim((*READ, Delivery(), Compaction(needed=True)), SAFETY | {"stale_survivor", "resurrected"})


def everyone_has_work() -> Claim:
    """Claim that whenever a group was stable, all partitions had one owner each, and every member had a partition."""
    broken_by = frozenset({"double_owned", "unassigned", "idle_member"})
    return Claim((*RUN, Ownership(), Assignment(needed=True)), broken_by)


def taken_over_within(limit_s: float) -> Claim:
    """Claim that no partition of a group has two owners, or none for longer than `limit_s`."""
    return Claim((*RUN, Ownership(limit_s, needed=True)), frozenset({"double_owned", "unowned"}))


def keeps_its_partitions() -> Claim:
    """Claim that no living member has a partition taken away without having given it up."""
    parts = (*RUN, Ownership(needed=True, keeps=True), Rebalances())
    return Claim(parts, frozenset({"double_owned", "taken_away"}))


def kept_partitions_go_on() -> Claim:
    """Claim that a partition that keeps its owner through a rebalance is never stopped."""
    parts = (*RUN, Ownership(needed=True), Rebalances(kept=True))
    return Claim(parts, frozenset({"double_owned", "stopped_needlessly"}))


def no_rebalance() -> Claim:
    """Claim that what befell a member did not make its group rebalance."""
    parts = (*RUN, Ownership(needed=True), Rebalances(steady=True))
    return Claim(parts, frozenset({"double_owned", "rebalanced"}))


def costs_in_order(actors: tuple[str, ...], *, bursts: tuple[str, ...] = ()) -> Claim:
    """Claim that median latency grows in the order of `actors`; the throughput of `bursts` is measured beside."""
    parts: list[Part] = [CostOrder(tuple(actors))]
    if bursts:
        parts.append(Bursts(tuple(bursts)))
    return Claim((*RUN, *parts), frozenset({"cheaper_than_claimed"}))


def none_skipped() -> Claim:
    """Claim that no group committed an offset beyond a record that it never processed: at least once."""
    return Claim((*READ, Commits(needed=True)), frozenset({"committed_too_far", "offset_regressed"}))


def none_processed_twice() -> Claim:
    """Claim that no group processed a record more than once: at most once."""
    return Claim((*READ, Commits(needed=True)), frozenset({"reprocessed"}))


def effects_in_order() -> Claim:
    """Claim that each group processed the events of every key in the order in which they were sent."""
    return Claim((*READ, Effects(needed=True)), frozenset({"out_of_order_effect"}))


def sees_no_aborted(isolation: str) -> Claim:
    """Claim that readers with this isolation level see no record of an aborted transaction, and no other in part."""
    parts = (*READ, Transactions(isolation, needed=True))
    return Claim(parts, frozenset({"aborted_visible", "torn", "hanging_transaction"}))


def copied_exactly_once(source: str, target: str, isolation: str) -> Claim:
    """Claim that the target topic, as this isolation level shows it, is exactly f(source): once each, in order."""
    parts = (*READ, Copies(source, target, isolation), Transactions())
    return Claim(
        parts, frozenset({"copy_missing", "copy_repeated", "copy_wrong", "torn", "hanging_transaction"})
    )


def saves(
    cells: tuple[str, ...],
    record_bytes: int,
    *,
    requests: tuple[tuple[str, str], ...] = (),
    sent: tuple[tuple[str, str], ...] = (),
    by_tool: bool = False,
) -> Claim:
    """Claim that in each pair of cells the first makes fewer requests (at a pace), or sends fewer bytes (in bursts).

    All cells are measured; without pairs nothing is claimed. `by_tool`: by Apache's own tool, which writes no history
    of single records.
    """
    parts: list[Part] = [Cells(cells, record_bytes)]
    if requests:
        parts.append(Fewer(REQUESTS, PACE, requests))
    if sent:
        parts.append(Fewer(BYTES, BURST, sent))
    return Claim(((Conditions(),) if by_tool else RUN) + tuple(parts), frozenset({"not_fewer"}))


def lag_agrees() -> Claim:
    """Claim that at the same moment every way of telling a group's lag tells the same, per partition."""
    return Claim((*RUN, LagAgreement()), frozenset({"lag_differs"}))


def alarms_truthfully(within_s: float) -> Claim:
    """Claim that the watch raises its alarm within so many seconds of a fault, ends it afterwards, and never else."""
    return Claim((*RUN, Alarm(within_s)), frozenset({"alarm_missed", "alarm_stays", "false_alarm"}))


def counts_agree() -> Claim:
    """Claim that JMX counts as many rebalances as the clients saw, and as many records as were acknowledged."""
    return Claim((*RUN, CountAgreement()), frozenset({"count_differs"}))


def everything(claims: Iterable[str] = ()) -> Claim:
    """Return all judges whose records may be in a history, as `ktrial judge` applies them.

    Kinds that are numbers do not break it unless claimed. Raises UsageProblem for a claim that names no such kind.
    """
    claimed = checked(claims)
    parts: list[Part] = [
        *READ, Delivery(), Retention(), Compaction(),
        Order(), Continuity(), Keys(needed="key_split" in claimed), ReplicasAlike(),
        Commits(), Effects(), Transactions(), Ownership(),
        Assignment(needed="idle_member" in claimed), Rebalances(steady="rebalanced" in claimed),
        InSync(needed="isr_shrank" in claimed), Progress(needed=bool({"stalled", "refused"} & claimed)),
    ]  # fmt: skip
    if "out_of_order_read" in claimed:
        parts.append(ReadOrder())
    if "unread" in claimed:
        parts.append(AllRead())
    return Claim(tuple(parts), BREAKS_ANYWAY | claimed)
