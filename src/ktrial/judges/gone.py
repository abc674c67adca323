"""Which records are not in the log, and which of those may be called lost.

A gap in offsets is not a loss; a loss is a known acknowledged id that is nowhere in a log which was read past the
offset it was acknowledged at, and which still starts at or before it. On a compacted topic it must also be the latest
of its key, and is called `latest_missing` then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.history.columns import ISOLATIONS
from ktrial.judges.arrays import NOTHING, Column, joined, pieces
from ktrial.judges.ledger import (
    FATE_FAILED,
    FATE_OK_SOMEWHERE,
    FATE_UNACKNOWLEDGED,
    FATE_UNKNOWN,
    NO_FATE,
    topic_places,
)
from ktrial.judges.policies import Policies
from ktrial.judges.successors import excuses, silently_compacted
from ktrial.verdict import MAX_EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ktrial.judges.ledger import Ledger

COMMITTED: Final = ISOLATIONS.index("read_committed")


@dataclass(slots=True)
class Absent:
    """The tally of all records, and the rows of `completions` (or positions) of those that are not in the log."""

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    unknown: int = 0
    unknown_in_log: int = 0
    unacknowledged: int = 0
    in_log: int = 0
    below_start: int = 0
    aborted: int = 0
    compacted: int = 0
    lost: NDArray[np.int64] = field(default_factory=lambda: joined([]))  # rows
    lost_tail: NDArray[np.int64] = field(default_factory=lambda: joined([]))  # rows
    latest_missing: NDArray[np.int64] = field(default_factory=lambda: joined([]))  # rows, of compacted topics
    unseen: NDArray[np.int64] = field(default_factory=lambda: joined([]))  # rows
    missing: NDArray[np.int64] = field(default_factory=lambda: joined([]))  # positions, unacknowledged
    missing_unseen: int = 0
    unknown_first: NDArray[np.int64] = field(default_factory=lambda: joined([]))  # positions, a few


def absent(ledger: Ledger) -> Absent:
    """Tally all records by what became of them."""
    tally = Absent()
    gone: list[NDArray[np.int64]] = []
    missing: list[NDArray[np.int64]] = []
    for start, fates, there, sent in _each(ledger):
        acknowledged = (fates >= 0) | (fates == FATE_OK_SOMEWHERE)
        unknown = sent & ((fates == FATE_UNKNOWN) | (fates == NO_FATE))
        silent = fates == FATE_UNACKNOWLEDGED
        tally.sent += int(sent.sum())
        tally.acknowledged += int(acknowledged.sum())
        tally.failed += int((fates == FATE_FAILED).sum())
        tally.unacknowledged += int(silent.sum())
        tally.in_log += int((there & sent).sum())
        if unknown.any():
            tally.unknown += int(unknown.sum())
            tally.unknown_in_log += int((unknown & there).sum())
            some = np.flatnonzero(unknown)[: MAX_EXAMPLES - tally.unknown_first.size] + start
            tally.unknown_first = np.concatenate([tally.unknown_first, some])
        gone.append(np.flatnonzero(acknowledged & ~there) + start)
        missing.append(np.flatnonzero(silent & ~there) + start)
    _sort_out(ledger, tally, joined(gone))
    _sort_out_silent(ledger, tally, joined(missing))
    return tally


def _each(
    ledger: Ledger,
) -> Iterator[tuple[int, NDArray[np.signedinteger], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return, piece by piece: first position, fates, whether in the log, whether sent at all."""
    for piece in pieces(ledger.ids.size):
        fates: NDArray[np.signedinteger] = ledger.fate[piece]
        sent = ledger.ids.called(np.arange(piece.start, piece.stop)) | (fates != NO_FATE)
        yield piece.start, fates, ledger.log_at[piece] != NOTHING, sent


def _sort_out(ledger: Ledger, tally: Absent, gone: NDArray[np.int64]) -> None:
    """Say of each acknowledged record that is not in the log why, if there is an excuse."""
    if not gone.size:
        return
    ends = ledger.ends
    rows = ledger.ack_row[gone].astype(np.int64)
    places = np.maximum(ledger.fate[gone], NOTHING).astype(np.int64)  # -1: the spare place, which has no end
    offsets = ledger.acks["offset"].take(rows)
    known = ends.known[places] & (places >= 0)
    seen = known & ((offsets >= 0) | (ends.log_start[places] <= 0))
    below = seen & (offsets >= 0) & (offsets < ends.log_start[places])
    beyond = seen & (offsets >= ends.log_end[places])
    hidden = seen & ~beyond & (offsets >= ends.reached[places])
    aborted, undecided = _transactions(ledger, gone, places)
    cleaned = excuses(ledger, Policies(ledger.history), gone)
    compacted = cleaned.compacted & seen & ~beyond & ~hidden
    excused = below | aborted | compacted
    unseen = (~seen | hidden | undecided | cleaned.undecided) & ~excused
    inside = seen & ~beyond & ~excused & ~unseen
    tally.below_start = int(below.sum())
    tally.aborted = int((aborted & ~below).sum())
    tally.compacted = int((compacted & ~below & ~aborted).sum())
    tally.unseen = rows[unseen]
    tally.lost_tail = rows[beyond & ~excused & ~unseen]
    tally.latest_missing = rows[inside & cleaned.latest]
    tally.lost = rows[inside & ~cleaned.latest]


def _transactions(
    ledger: Ledger, gone: NDArray[np.int64], places: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which records are rightly hidden from a committed read, and which may be."""
    hidden = ledger.ends.isolation[places] == COMMITTED
    call_rows = ledger.ids.call_rows(gone)
    txn = Column(ledger.history.calls, "txn")
    if txn.empty or not hidden.any():
        return np.zeros(gone.size, dtype=bool), np.zeros(gone.size, dtype=bool)
    codes = txn.at(call_rows)
    last = ledger.history.txns.sort("t").group_by("txn").agg(pl.col("outcome").last().cast(pl.String))
    by_outcome = {
        outcome: last.filter(pl.col("outcome") == outcome)["txn"].to_physical().to_numpy()
        for outcome in ("committed", "aborted")
    }
    aborted = hidden & (codes >= 0) & np.isin(codes, by_outcome["aborted"])
    return aborted, hidden & (codes >= 0) & ~aborted & ~np.isin(codes, by_outcome["committed"])


def _sort_out_silent(ledger: Ledger, tally: Absent, silent: NDArray[np.int64]) -> None:
    """Call a record that was never to be acknowledged missing only where its whole topic was read."""
    if not silent.size:
        return
    call_rows = ledger.ids.call_rows(silent)
    codes = Column(ledger.history.calls, "topic").at(call_rows)
    ends = ledger.ends
    whole = [
        code
        for code, places in topic_places(ledger).items()
        if all(ends.known[place] and ends.log_start[place] <= 0 for place in places)
    ]
    read = np.isin(codes, whole) & (call_rows >= 0)
    compacted = silently_compacted(ledger, Policies(ledger.history), silent)
    tally.compacted += int((read & compacted).sum())
    tally.missing = silent[read & ~compacted]
    tally.missing_unseen = int((~read).sum())


def earliest(ledger: Ledger, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most 32 of the given rows of `completions`, the earliest first."""
    times = ledger.acks["t"].take(rows)
    if rows.size > MAX_EXAMPLES:
        early = times <= np.partition(times, MAX_EXAMPLES)[MAX_EXAMPLES]
        rows, times = rows[early], times[early]
    order = np.lexsort((ledger.acks["offset"].take(rows), times))
    return rows[order][:MAX_EXAMPLES]
