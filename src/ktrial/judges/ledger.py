"""What became of every record: one pass over each table of a history, shared by the judges of delivery and order.

For each record id: its call, its acknowledgement, its place in the final log. For each address of the log: the record
there. The id is the key; an offset is evidence, because after a truncation the same offset holds another record.

Decided here, where histories made by others leave room:
- several outcomes for one id: ok wins, then unacknowledged, unknown, failed; of several ok, the earliest;
- an outcome without a call counts as a call (it was sent by someone who did not write it down);
- a record in the log of another partition than acknowledged is a phantom there, and is not lost;
- an offset of -1 or null in an acknowledgement is not known;
- where the caller or the reader never notes any key, a missing key is not held against the record.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.history.columns import OUTCOMES
from ktrial.judges.arrays import NOTHING, Cells, Column, joined, pieces
from ktrial.judges.ids import Ids
from ktrial.judges.places import Ends, Places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.history.tables import History

OK, FAILED, UNKNOWN, UNACKNOWLEDGED = range(len(OUTCOMES))
# The fate of a record: the place it was acknowledged at (0 and up), or one of these.
NO_FATE: Final = -1
FATE_UNKNOWN: Final = -2
FATE_FAILED: Final = -3
FATE_UNACKNOWLEDGED: Final = -4
FATE_OK_SOMEWHERE: Final = -5  # acknowledged, but the acknowledgement names no partition
FATE_OF: Final = {FAILED: FATE_FAILED, UNKNOWN: FATE_UNKNOWN, UNACKNOWLEDGED: FATE_UNACKNOWLEDGED}
BEST_FIRST: Final = np.array([0, 3, 2, 1])  # by outcome: ok, failed, unknown, unacknowledged
MOST_SHORT: Final = 2**15


class Ledger:
    """The arrays that the judges share; every one is addressed by a record's position or by an address of the log."""

    def __init__(self, history: History) -> None:
        """Walk the tables; raises UsageProblem when a history's ids cannot be trusted."""
        self.history = history
        self.ids = Ids(history)
        self.places = Places(history)
        self.ends = Ends(history, self.places)
        self.acks = {name: Column(history.completions, name) for name in ACK_COLUMNS}
        self.seen = {name: Column(history.reads, name) for name in READ_COLUMNS}
        self._settle()
        self._read()

    def _settle(self) -> None:
        """Note the row of each record's outcome, and its fate."""
        rows = self.history.completions.height
        cells = Cells(self.ids.size, rows)
        for piece in pieces(rows):
            cells.put(self.ids.of("completions", piece), np.arange(piece.start, piece.stop))
        self._choose(cells)
        self.ack_row = cells.values
        short = self.places.count < MOST_SHORT
        self.fate: NDArray[np.signedinteger] = np.full(
            self.ids.size, NO_FATE, np.int16 if short else np.int32
        )
        self.written = np.zeros(self.places.count, dtype=bool)  # by place: has acknowledged records
        for piece in pieces(rows):
            positions, fates = self.ids.of("completions", piece), self._fates(piece)
            if self.retold:
                ours = self.ack_row[positions] == np.arange(piece.start, piece.stop)
                positions, fates = positions[ours], fates[ours]
            self.fate[positions] = fates
            self.written[fates if fates.min(initial=0) >= 0 else fates[fates >= 0]] = True

    def _choose(self, cells: Cells) -> None:
        """Where one id has several outcomes, keep the one that says most."""
        positions, rows = cells.disputed()
        self.retold = bool(positions.size)
        if self.retold:
            rank = BEST_FIRST[self.acks["outcome"].take(rows)]
            order = np.lexsort((self.acks["t"].take(rows), rank, positions))[::-1]
            cells.values[positions[order]] = rows[order]  # the last one written is the best and earliest

    def _fates(self, piece: slice) -> NDArray[np.int64]:
        outcome = self.acks["outcome"][piece]
        places = self.places.of(self.acks["topic"][piece], self.acks["partition"][piece])
        fates = np.where(places == NOTHING, FATE_OK_SOMEWHERE, places)
        if outcome.any():
            for which, fate in FATE_OF.items():
                fates[outcome == which] = fate
        return fates

    def _read(self) -> None:
        """Lay the reads and acknowledgements over the log's addresses."""
        self._log = Cells(self.ids.size, self.places.cells)
        self._owner = Cells(self.places.cells, self.ids.size)
        self._strange: list[NDArray[np.signedinteger]] = []
        self._visible: list[NDArray[np.signedinteger]] = []
        self.final_reads = 0
        self._strangeness = Strangeness(self)
        for piece in pieces(self.history.reads.height):
            self._read_piece(piece)
        for piece in pieces(self.history.completions.height):
            self._claim_piece(piece)
        positions, addresses = self._log.disputed()
        self._log.values[positions[::-1]] = addresses[::-1]  # sorted: the first occurrence is written last
        self.repeats = (positions, addresses)
        self.log_at = self._log.values
        self.owner = self._owner.values
        self.overwritten = self._owner.disputed()
        self.strange_rows = joined(self._strange)
        self.failed_visible = np.unique(joined(self._visible))

    def _read_piece(self, piece: slice) -> None:
        seen = self.seen
        positions = self.ids.of("reads", piece)
        places = self.places.of(seen["topic"][piece], seen["partition"][piece])
        addresses = self.places.addresses(places, seen["offset"][piece])
        final = self.ends.final(places, seen["actor"][piece], seen["isolation"][piece], seen["t"][piece])
        fates = self.fate[positions]
        strange = self._strangeness.of(piece, positions, places, fates)
        if strange.any():
            self._strange.append(np.flatnonzero(strange) + piece.start)
        failed = fates == FATE_FAILED
        if failed.any():
            self._visible.append(positions[failed])
        if final.all():
            self.final_reads += final.size
            self._log.put(positions, addresses)
            self._owner.put(addresses, positions)
            return
        self.final_reads += int(final.sum())
        self._log.put(positions[final], addresses[final])
        self._owner.put(addresses[final], positions[final])
        self._owner.fill(addresses[~final], positions[~final])

    def _claim_piece(self, piece: slice) -> None:
        """Acknowledgements claim their address, too: whoever else is there has overwritten them."""
        offsets = self.acks["offset"][piece]
        places = self.places.of(self.acks["topic"][piece], self.acks["partition"][piece])
        positions = self.ids.of("completions", piece)
        claims = (self.acks["outcome"][piece] == OK) & (offsets >= 0) & (places >= 0)
        if not claims.all():
            offsets, places, positions = offsets[claims], places[claims], positions[claims]
        self._owner.fill(self.places.addresses(places, offsets), positions)

    def sent(self, positions: NDArray[np.signedinteger]) -> NDArray[np.bool_]:
        """Return whether a call or an outcome of each id is in the history."""
        sent: NDArray[np.bool_] = self.ids.called(positions) | (self.fate[positions] != NO_FATE)
        return sent

    def log_piece(self, piece: slice) -> NDArray[np.signedinteger]:
        """Return the positions of the sent records whose first place in the log is in a stretch of addresses."""
        owners = self.owner[piece]
        here = np.flatnonzero(owners != NOTHING)
        owners = owners[here]
        first = (self.log_at[owners] == here + piece.start) & self.ids.called(owners)
        return owners if first.all() else owners[first]

    @cached_property
    def repeated(self) -> NDArray[np.int64]:
        """The positions of the records that are in the log more than once."""
        return np.unique(self.repeats[0])

    def name(self, position: int) -> int:
        """Return the id at a position."""
        return int(self.ids.names(np.array([position]))[0])


ACK_COLUMNS: Final = ("t", "outcome", "topic", "partition", "offset")
READ_COLUMNS: Final = ("t", "actor", "topic", "partition", "offset", "key", "isolation", "intact")


class Strangeness:
    """Decides which reads show something that nobody sent there: the phantoms."""

    def __init__(self, ledger: Ledger) -> None:
        """Look at which comparisons this history needs."""
        self.ledger = ledger
        history = ledger.history
        self.call_topic = Column(history.calls, "topic")
        self.call_key = Column(history.calls, "key")
        self.call_actor = Column(history.calls, "actor")
        self.damaged = not history.reads["intact"].all()
        self.many_topics = not (
            self.call_topic.constant
            and ledger.seen["topic"].constant
            and set(history.calls["topic"].head(1)) == set(history.reads["topic"].head(1))
        )
        self.keyed = not (self.call_key.empty or ledger.seen["key"].empty)
        if self.keyed:
            self.notes_key = [_who_notes_keys(frame) for frame in (history.calls, history.reads)]

    def of(
        self,
        piece: slice,
        positions: NDArray[np.signedinteger],
        places: NDArray[np.int64],
        fates: NDArray[np.signedinteger],
    ) -> NDArray[np.bool_]:
        """Return which reads of a piece are phantoms."""
        ledger = self.ledger
        strange: NDArray[np.bool_] = (fates >= 0) & (fates != places)
        called = ledger.ids.called(positions)
        if not called.all():
            strange |= ~called & (fates == NO_FATE)
        if self.damaged:
            strange |= ledger.seen["intact"][piece] == 0
        if self.many_topics or self.keyed:
            strange[called] |= self._differs(piece, called, positions)
        return strange

    def _differs(
        self, piece: slice, called: NDArray[np.bool_], positions: NDArray[np.signedinteger]
    ) -> NDArray[np.bool_]:
        """Return, for the reads of called records, whether topic or key is not what the call said."""
        rows = self.ledger.ids.call_rows(positions[called])
        seen = self.ledger.seen
        differs: NDArray[np.bool_] = self.call_topic.take(rows) != seen["topic"][piece][called]
        if not self.keyed:
            return differs
        said, found = self.call_key.take(rows), seen["key"][piece][called]
        callers, readers = self.call_actor.take(rows), seen["actor"][piece][called]
        told = (said != NOTHING) | self.notes_key[0][callers]
        noted = (found != NOTHING) | self.notes_key[1][readers]
        differs |= (said != found) & told & noted
        return differs


def _who_notes_keys(frame: pl.DataFrame) -> NDArray[np.bool_]:
    """Return, by actor code, whether the actor ever noted a key."""
    noting = frame.filter(pl.col("key").is_not_null())["actor"].unique().to_physical().to_numpy()
    notes: NDArray[np.bool_] = np.zeros(Column(frame, "actor").most + 1, dtype=np.bool_)
    notes[noting] = True
    return notes


def topic_places(ledger: Ledger) -> dict[int, list[int]]:
    """Return the known places of each topic code."""
    found: dict[int, list[int]] = {}
    for place, code in enumerate(ledger.places.topic_codes.tolist()):
        found.setdefault(code, []).append(place)
    return found
