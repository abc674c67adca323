"""Progress: how long nothing was acknowledged though someone waited, and which writes were refused.

A gap counts from the moment at which some send waits to the next acknowledgement; nobody waits while nobody sends,
and a send whose outcome never came does not count as waiting. Without a stated limit, *stalled* says that after a
fault no send was acknowledged any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.judges.arrays import NOTHING, Column, ascending, joined, pieces
from ktrial.judges.claim import Findings, Found
from ktrial.judges.ledger import OK
from ktrial.judges.witness import NS, first
from ktrial.verdict import MAX_EXAMPLES, Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.judges.case import Case
    from ktrial.judges.ledger import Ledger

FEW_GAPS: Final = 64
LATE: Final = np.iinfo(np.int64).max
REFUSED: Final = "NOT_ENOUGH_REPLICAS"  # and NOT_ENOUGH_REPLICAS_AFTER_APPEND


@dataclass(frozen=True, slots=True)
class Progress:
    """The part that judges whether writes go on; `limit_s` is the longest gap allowed; `needed`: that is the claim."""

    limit_s: float | None = None
    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return the longest gap, the time to the first acknowledgement after each fault, and the refused writes."""
        clocks = _clocks(case.ledger)
        acks = clocks.acks
        began, ended = _longest_gap(clocks)
        gap_s = round((ended - began) / NS, 3)
        after = _after_faults(case, acks)
        refused = _refused(case)
        measured = {"longest_gap_s": gap_s, "first_ack_after_fault_s": after, "refused": refused.count}
        too_long = self.limit_s is not None and gap_s > self.limit_s
        stalled = _too_long(case, began, gap_s, self.limit_s) if too_long else _never_again(case, acks, after)
        held = Text(
            ko=f"쓰기가 계속되었습니다. 승인이 없던 가장 긴 시간은 {gap_s:.3f}초입니다.",
            en=f"Writes went on; the longest wait for an acknowledgement was {gap_s:.3f} s.",
        )
        return Findings(measured, (stalled, refused), held=held if self.needed else None)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Times in ns, each sorted: of acknowledgements, and of the calls and outcomes of all sends that have both."""

    acks: NDArray[np.int64]
    called: NDArray[np.int64]
    done: NDArray[np.int64]


def _clocks(ledger: Ledger) -> Clocks:
    t = ledger.acks["t"]
    acks, done = [], []
    for piece in pieces(ledger.history.completions.height):
        times = t[piece]
        acks.append(times[ledger.acks["outcome"][piece] == OK])
        positions = ledger.ids.of("completions", piece)
        counts = ledger.ids.called(positions)
        if ledger.retold:
            counts &= ledger.ack_row[positions] == np.arange(piece.start, piece.stop)
        done.append(times if counts.all() else times[counts])
    call_t = Column(ledger.history.calls, "t")
    called = [
        call_t[piece][ledger.ack_row[ledger.ids.of("calls", piece)] != NOTHING]
        for piece in pieces(ledger.history.calls.height)
    ]
    return Clocks(ascending(joined(acks)), ascending(joined(called)), ascending(joined(done)))


def _longest_gap(clocks: Clocks) -> tuple[int, int]:
    """Return when the longest gap began and ended, in ns.

    A gap is no longer than the time between two acknowledgements, so the widest are looked at until no other can win.
    """
    if not clocks.called.size:
        return 0, 0
    # After the last acknowledgement, whoever still waited did so until its own outcome came.
    bounds = np.concatenate([clocks.called[:1], clocks.acks, clocks.done[-1:]])
    widths = np.diff(bounds)
    few = FEW_GAPS
    while True:
        widest = np.argpartition(widths, -few)[-few:] if few < widths.size else np.arange(widths.size)
        began, ended = _waits(clocks, bounds[widest], bounds[widest + 1])
        best = int(np.argmax(ended - began))
        if few >= widths.size or ended[best] - began[best] >= widths[widest].min():
            return int(began[best]), int(ended[best])
        few *= 16


def _waits(
    clocks: Clocks, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return from when to when somebody waited in each of the given gaps."""
    made = np.searchsorted(clocks.called, starts, side="right")
    waiting = made > np.searchsorted(clocks.done, starts, side="right")
    following = np.append(clocks.called, LATE)[made]
    return np.minimum(np.where(waiting, starts, following), ends), ends


def _after_faults(case: Case, acks: NDArray[np.int64]) -> list[dict[str, object]]:
    """Return, per fault, the seconds from its beginning to the next acknowledgement (None: there was none)."""
    after: list[dict[str, object]] = []
    for fault in case.witness.faults:
        at = int(np.searchsorted(acks, fault.began_ns, side="right"))
        seconds = round((int(acks[at]) - fault.began_ns) / NS, 3) if at < acks.size else None
        after.append({"fault": fault.name, "target": fault.target, "seconds": seconds})
    return after


def _too_long(case: Case, began: int, gap_s: float, limit_s: float | None) -> Found:
    at = case.witness.seconds(began)
    headline = Text(
        ko=f"{gap_s:.3f}초 동안 아무 쓰기도 승인되지 않았습니다(허용 {limit_s:g}초).",
        en=f"No write was acknowledged for {gap_s:.3f} s (allowed: {limit_s:g} s).",
    )
    evidence = first(Text(ko=f"{at:.3f}초부터", en=f"from {at:.3f} s on"))
    return Found("stalled", 1, ({"from_s": at, "seconds": gap_s, "limit_s": limit_s},), headline, evidence)


def _never_again(case: Case, acks: NDArray[np.int64], after: list[dict[str, object]]) -> Found:
    """Return the faults after which sends were made, and none was ever acknowledged."""
    last_call = case.history.calls["t"].max()
    silent = [
        {**told, "from_s": case.witness.seconds(fault.began_ns)}
        for fault, told in zip(case.witness.faults, after, strict=True)
        if acks.size and told["seconds"] is None and isinstance(last_call, int) and last_call > fault.began_ns
    ]
    headline = Text(
        ko=f"장애 {len(silent)}건 뒤에 다시는 쓰기가 승인되지 않았습니다.",
        en=f"After {len(silent)} {'fault' if len(silent) == 1 else 'faults'} no write was acknowledged any more.",
    )
    evidence = None
    if silent:
        foremost = silent[0]
        evidence = first(
            Text(
                ko=f"{foremost['from_s']:.3f}초의 {foremost['fault']}({foremost['target']})",
                en=f"{foremost['fault']} on {foremost['target']} at {foremost['from_s']:.3f} s",
            )
        )
    return Found("stalled", len(silent), tuple(silent[:MAX_EXAMPLES]), headline, evidence)


def _refused(case: Case) -> Found:
    errors = case.history.completions["error"]
    meant = [error for error in errors.drop_nulls().unique().to_list() if REFUSED in error]
    rows = case.history.completions.filter(errors.is_in(meant) if meant else pl.lit(value=False)).sort("t")
    examples = [
        {
            "id": row["id"],
            "error": row["error"],
            "outcome": row["outcome"],
            "actor": row["actor"],
            "refused_s": case.witness.seconds(row["t"]),
        }
        for row in rows.head(MAX_EXAMPLES).iter_rows(named=True)
    ]
    headline = Text(
        ko=f"쓰기 {rows.height}건이 거부되었습니다(동기화된 복제본 부족).",
        en=f"{rows.height} {'write was' if rows.height == 1 else 'writes were'} refused for want of in-sync replicas.",
    )
    evidence = None
    if examples:
        refusal = examples[0]
        evidence = first(
            Text(
                ko=f"메시지 {refusal['id']}, {refusal['refused_s']:.3f}초, {refusal['error']}",
                en=f"record {refusal['id']} at {refusal['refused_s']:.3f} s, {refusal['error']}",
            )
        )
    return Found("refused", rows.height, tuple(examples), headline, evidence)
