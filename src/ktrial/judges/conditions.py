"""Before any verdict: whether anything may be concluded from the run (judging: "Before any verdict").

Something was sent and answered, the log was read to its end, every fault landed and was healed before that, every
broker that ended was ended by a fault, and all replicas were in sync again. Otherwise there is a doubt, and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ktrial.judges.arrays import pieces
from ktrial.judges.claim import Findings
from ktrial.judges.ledger import FATE_OK_SOMEWHERE, FATE_UNACKNOWLEDGED
from ktrial.verdict import Doubt, Text

if TYPE_CHECKING:
    from ktrial.judges.case import Case
    from ktrial.judges.witness import Fault

NOTHING_SENT = Doubt(
    Text(
        ko="승인된 메시지도, 승인 없이 보낸 메시지도 없습니다.",
        en="No record was acknowledged, and none was sent without asking for it.",
    )
)
NOT_READ = Doubt(
    Text(
        ko="로그를 끝까지 읽은 기록이 없습니다.",
        en="Nobody read the log to its end.",
    )
)


@dataclass(frozen=True, slots=True)
class NotVacuous:
    """The part that doubts a run in which nothing was sent."""

    def __call__(self, case: Case) -> Findings:
        """Return a doubt when nothing was acknowledged, nothing sent without acknowledgement, and nothing is there."""
        ledger = case.ledger
        answered = (
            ledger.written.any() or np.isin(ledger.fate, (FATE_UNACKNOWLEDGED, FATE_OK_SOMEWHERE)).any()
        )
        there = any(ledger.log_piece(piece).size for piece in pieces(0 if answered else ledger.places.cells))
        return Findings(doubts=() if answered or there else (NOTHING_SENT,))


@dataclass(frozen=True, slots=True)
class ReadToEnd:
    """The part that doubts a run whose log was not read to the end."""

    def __call__(self, case: Case) -> Findings:
        """Return a doubt for a history without an end, or for partitions that were written and not read."""
        if case.history.ends.is_empty():
            return Findings(doubts=(NOT_READ,))
        places = case.ledger.places
        unread = np.flatnonzero(case.ledger.written & ~case.ledger.ends.known[: places.count])
        return Findings(doubts=tuple(_unread(places.topics[at], int(places.partitions[at])) for at in unread))


def _unread(topic: str, partition: int) -> Doubt:
    return Doubt(
        Text(
            ko=f"{topic} 파티션 {partition}: 쓰기는 승인되었으나 끝까지 읽지 않았습니다.",
            en=f"Partition {partition} of {topic} has acknowledged records, but was not read to its end.",
        )
    )


@dataclass(frozen=True, slots=True)
class Conditions:
    """The part that doubts a run whose faults, brokers or replicas were not as they should be."""

    def __call__(self, case: Case) -> Findings:
        """Return a doubt for each condition that was not met."""
        read_ns = case.history.ends["t"].max()
        last_ns = read_ns if isinstance(read_ns, int) else None
        doubts = [doubt for fault in case.witness.faults for doubt in _fault_doubts(case, fault, last_ns)]
        return Findings(doubts=(*doubts, *_deaths(case), *_out_of_sync(case)))


def _fault_doubts(case: Case, fault: Fault, read_ns: int | None) -> list[Doubt]:
    doubts = []
    at = case.witness.seconds(fault.began_ns)
    if fault.landed_ns is None:
        doubts.append(
            Doubt(
                Text(
                    ko=f"{at:.3f}초의 장애 {fault.name}({fault.target})가 실제로 일어났다는 증거가 없습니다.",
                    en=f"Nothing shows that the fault {fault.name} on {fault.target} at {at:.3f} s landed.",
                )
            )
        )
    healed = fault.healed_ns is not None and (read_ns is None or fault.healed_ns <= read_ns)
    if not healed and not _is_dead_client(case, fault):
        doubts.append(
            Doubt(
                Text(
                    ko=f"{at:.3f}초의 장애 {fault.name}({fault.target})가 마지막 읽기 전에 복구되지 않았습니다.",
                    en=f"The fault {fault.name} on {fault.target} at {at:.3f} s was not healed before the final read.",
                )
            )
        )
    return doubts


def _is_dead_client(case: Case, fault: Fault) -> bool:
    """Return whether the fault killed a client: nobody heals that, and a dead client disturbs no final read."""
    return fault.name == "kill" and any(
        not frame.filter(pl.col("actor") == fault.target).is_empty()
        for frame in (case.history.members, case.history.processed, case.history.calls, case.history.txns)
    )


def _deaths(case: Case) -> list[Doubt]:
    died = case.history.brokers.filter(pl.col("state") == "died").sort("t")
    return [
        Doubt(
            Text(
                ko=f"브로커 {broker}이(가) {case.witness.seconds(t):.3f}초에 장애 주입 없이 죽었습니다.",
                en=f"Broker {broker} died at {case.witness.seconds(t):.3f} s, and no fault explains it.",
            ),
            voids=True,
        )
        for t, broker in died.select("t", "broker").iter_rows()
    ]


def _out_of_sync(case: Case) -> list[Doubt]:
    size = pl.col("isr").list.len()
    last = (
        case.history.isrs.sort("t")
        .group_by("topic", "partition", maintain_order=True)
        .agg(most=size.max(), last=size.last())
        .filter(pl.col("last") < pl.col("most"))
    )
    return [
        Doubt(
            Text(
                ko=f"{topic} 파티션 {partition}: 마지막에 동기화된 복제본이 {most}개 중 {left}개뿐입니다.",
                en=f"Partition {partition} of {topic} ended with {left} of {most} replicas in sync.",
            )
        )
        for topic, partition, most, left in last.iter_rows()
    ]
