"""Readers with assigned partitions: whether their position only goes forward, and over nothing.

An incarnation is one actor on one partition under one isolation level, until its `end`. Readers in groups are left
out: rebalances move their positions legally. Reads with the same `t` have no order. Known are the records that any
reader found under the same isolation level (under any, in a history without transactions): gaps that nobody ever saw
filled are markers, aborted or compacted records, and so are, on compacted topics, records that are gone in the end.
What retention may have taken before a read is not missed by it. Counts are of jumps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.judges.arrays import Column, pieces
from ktrial.judges.claim import Findings, Found
from ktrial.judges.intruders import spot_of
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.judges.case import Case
    from ktrial.judges.ledger import Ledger

FEW: Final = 1 << 16
SIDES: Final = ("left", "right")


@dataclass(frozen=True, slots=True)
class Jumps:
    """Pairs of rows of `reads`, one after the other in an incarnation, between which the position jumped."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    records: NDArray[np.int64]  # jumped over, or how far back

    def earliest(self, times: NDArray[np.int64]) -> list[tuple[int, int, int]]:
        """Return a few jumps, the earliest first."""
        order = np.argsort(times[self.after], kind="stable")[:MAX_EXAMPLES]
        return [(int(self.before[n]), int(self.after[n]), int(self.records[n])) for n in order]


@dataclass(frozen=True, slots=True)
class Continuity:
    """The part that judges the positions of readers with assigned partitions."""

    def __call__(self, case: Case) -> Findings:
        """Return the jumps over known records, and the jumps back."""
        ledger = case.ledger
        rows, keys = _in_turn(case)
        same = keys[1:] == keys[:-1]
        same[_cuts(case, rows, keys)] = False
        addresses = _addresses(ledger, rows)
        steps = np.where(same, addresses[1:] - addresses[:-1], 1)
        back = np.flatnonzero(steps <= 0)
        rewound = Jumps(rows[back], rows[back + 1], addresses[back] - addresses[back + 1])
        skipped = _over_known(case, rows, addresses, np.flatnonzero(steps > 1))
        return Findings(
            {"skipped": skipped.after.size, "rewound": rewound.after.size},
            (_skipped(case, skipped), _rewound(case, rewound)),
        )


def _in_turn(case: Case) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of reads without a group in order of reader, partition, time and offset; and of the first two."""
    group = Column(case.history.reads, "group")
    every = np.arange(case.history.reads.height)
    rows = every if group.empty else every[group[slice(0, every.size)] < 0]
    keys = _keys(case, rows)
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys.astype(np.uint16) if keys.max(initial=0) < FEW else keys, kind="stable")
        rows, keys = rows[order], keys[order]
    times, offsets = case.ledger.seen["t"].take(rows), case.ledger.seen["offset"].take(rows)
    turned = (times[1:] < times[:-1]) | (offsets[1:] <= offsets[:-1])
    if (turned & (keys[1:] == keys[:-1])).any():
        order = np.lexsort((offsets, times, keys))
        rows, keys = rows[order], keys[order]
    return rows, keys


def _keys(case: Case, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for the reader, its isolation level and the partition of each read."""
    seen, places = case.ledger.seen, case.ledger.places
    keys = np.empty(rows.size, np.int64)
    for piece in pieces(rows.size):
        some = rows[piece]
        place = places.of(seen["topic"].take(some), seen["partition"].take(some))
        reader = seen["actor"].take(some).astype(np.int64) * 2 + np.maximum(seen["isolation"].take(some), 0)
        keys[piece] = reader * places.count + place
    return keys


def _cuts(case: Case, rows: NDArray[np.int64], keys: NDArray[np.int64]) -> list[int]:
    """Return the reads, by their place in `rows`, after which their reader came to its end and began anew."""
    cuts = []
    facts = case.history.ends.select(
        "t", pl.col("actor").to_physical(), pl.col("isolation").to_physical(), "topic", "partition"
    )
    for t, actor, isolation, topic, partition in facts.iter_rows():
        place = case.ledger.places.number(topic, partition)
        key = (actor * 2 + isolation) * case.ledger.places.count + place
        start, end = (int(np.searchsorted(keys, key, side=side)) for side in SIDES)
        times = case.ledger.seen["t"].take(rows[start:end])
        at = start + int(np.searchsorted(times, t, side="right"))
        if start < at < end:
            cuts.append(at - 1)
    return cuts


def _addresses(ledger: Ledger, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    addresses = np.empty(rows.size, np.int64)
    for piece in pieces(rows.size):
        some = rows[piece]
        places = ledger.places.of(ledger.seen["topic"].take(some), ledger.seen["partition"].take(some))
        addresses[piece] = ledger.places.addresses(places, ledger.seen["offset"].take(some))
    return addresses


def _over_known(
    case: Case, rows: NDArray[np.int64], addresses: NDArray[np.int64], gaps: NDArray[np.int64]
) -> Jumps:
    """Return those of the gaps in which a record is known that was there to be read."""
    ledger = case.ledger
    levels = ledger.seen["isolation"].take(rows[gaps + 1])
    found = np.zeros(gaps.size, np.int64)
    ends = addresses[gaps + 1]
    starts = np.minimum(np.maximum(addresses[gaps] + 1, _taken(case, rows[gaps + 1])), ends)
    for level in np.unique(levels):
        ours = levels == level
        below = _known_below(case, None if ledger.history.txns.is_empty() else int(level))
        found[ours] = below[ends[ours]] - below[starts[ours]]
    gaps, found = gaps[found > 0], found[found > 0]
    return Jumps(rows[gaps], rows[gaps + 1], found)


def _taken(case: Case, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each read, the address below which retention may have taken everything by then."""
    ledger, seen = case.ledger, case.ledger.seen
    taken = np.zeros(rows.size, np.int64)
    if not case.starts.moved:
        return taken
    places = ledger.places.of(seen["topic"].take(rows), seen["partition"].take(rows))
    times = seen["t"].take(rows)
    for (topic, partition), looks in case.starts.moved.items():
        place = ledger.places.number(topic, partition)
        ours = np.flatnonzero(places == place)
        taken[ours] = ledger.places.addresses(places[ours], looks.taken_by(times[ours]))
    return taken


def _known_below(case: Case, level: int | None) -> NDArray[np.int64]:
    """Return, for each address, how many addresses below it hold a record that was read.

    Of compacted topics only what is still there in the end counts: the rest may have gone before a reader came.
    """
    ledger, seen = case.ledger, case.ledger.seen
    compacted = np.isin(ledger.places.topics, case.policies.compacted)
    known = np.zeros(ledger.places.cells + 1, dtype=bool)
    for piece in pieces(case.history.reads.height):
        places = ledger.places.of(seen["topic"][piece], seen["partition"][piece])
        addresses = ledger.places.addresses(places, seen["offset"][piece])
        if compacted.any():
            stays = _stays(case, piece, places, compacted)
            known[addresses[stays if level is None else stays & (seen["isolation"][piece] == level)]] = True
        else:
            known[addresses if level is None else addresses[seen["isolation"][piece] == level]] = True
    return np.concatenate([[0], np.cumsum(known)])


def _stays(
    case: Case, piece: slice, places: NDArray[np.int64], compacted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which reads show a record that nothing but a loss can take away before the end."""
    seen = case.ledger.seen
    final = case.ledger.ends.final(places, seen["actor"][piece], seen["isolation"][piece], seen["t"][piece])
    stays: NDArray[np.bool_] = final | ~compacted[places]
    return stays


def _examples(case: Case, jumps: Jumps) -> list[dict[str, object]]:
    reads = case.history.reads
    examples = []
    for before, after, records in jumps.earliest(reads["t"].to_numpy()):
        row = reads.row(after, named=True)
        examples.append(
            {
                "actor": row["actor"],
                "topic": row["topic"],
                "partition": row["partition"],
                "from_offset": int(reads["offset"][before]),
                "to_offset": row["offset"],
                "records": records,
                "read_s": case.witness.seconds(row["t"]),
            }
        )
    return examples


def _evidence(case: Case, examples: list[dict[str, object]]) -> Text | None:
    if not examples:
        return None
    jump = examples[0]
    place = case.witness.place(str(jump["topic"]), int(str(jump["partition"])))
    return first(
        Text(
            ko=f"{jump['actor']}, {place.ko}, {jump['read_s']:.3f}초에 "
            f"오프셋 {jump['from_offset']}에서 {jump['to_offset']}(으)로",
            en=f"{jump['actor']}, {place.en}, from offset {jump['from_offset']} to {jump['to_offset']}"
            f" at {jump['read_s']:.3f} s",
        )
    )


def _skipped(case: Case, jumps: Jumps) -> Found:
    count, records = int(jumps.after.size), int(jumps.records.sum())
    headline = Text(
        ko=f"읽기 위치가 {count}번 건너뛰어 메시지 {records}개를 읽지 않았습니다.",
        en=f"Readers jumped forward {count} {'time' if count == 1 else 'times'}, over {records} records.",
    )
    examples = _examples(case, jumps)
    return Found("skipped", count, tuple(examples), headline, _evidence(case, examples))


def _rewound(case: Case, jumps: Jumps) -> Found:
    count = int(jumps.after.size)
    headline = Text(
        ko=f"읽기 위치가 {count}번 되돌아갔습니다.",
        en=f"Readers jumped back {count} {'time' if count == 1 else 'times'}.",
    )
    examples = _examples(case, jumps)
    return Found("rewound", count, tuple(examples), headline, _evidence(case, examples))


@dataclass(frozen=True, slots=True)
class AllRead:
    """The part that judges whether a reader read all that is in the log.

    `reader` is an actor or a group; None means each that read anything, of the topics that it read.
    """

    reader: str | None = None

    def __call__(self, case: Case) -> Findings:
        """Return the records of the final log that the reader never read."""
        readers = [(self.reader, None)] if self.reader is not None else _readers(case)
        missed = [(reader, _unread(case, reader, topics)) for reader, topics in readers]
        examples: list[dict[str, object]] = []
        for reader, positions in missed:
            some = positions[: MAX_EXAMPLES - len(examples)]
            examples += [
                {
                    "reader": reader,
                    "id": case.ledger.name(at),
                    **spot_of(case.ledger, int(case.ledger.log_at[at])),
                }
                for at in some.tolist()
            ]
        count = sum(positions.size for _, positions in missed)
        who = ", ".join(str(reader) for reader, _ in readers)
        found = _unread_found(case, count, who, examples)
        held = Text(ko=f"{who}: 로그의 모든 메시지를 읽었습니다.", en=f"{who} read every record of the log.")
        return Findings({"unread": count}, (found,), held=held)


def _unread_found(case: Case, count: int, who: str, examples: list[dict[str, object]]) -> Found:
    headline = Text(
        ko=f"{who}: 로그에 있는 메시지 {count}개를 읽지 않았습니다.",
        en=f"{who} never read {count} of the records in the log.",
    )
    evidence = None
    if examples:
        place = case.witness.place(str(examples[0]["topic"]), int(str(examples[0]["partition"])))
        evidence = first(
            Text(
                ko=f"메시지 {examples[0]['id']}, {place.ko}, 오프셋 {examples[0]['offset']}",
                en=f"record {examples[0]['id']}, {place.en}, offset {examples[0]['offset']}",
            )
        )
    return Found("unread", count, tuple(examples), headline, evidence)


def _readers(case: Case) -> list[tuple[str, frozenset[int] | None]]:
    """Return all groups, and all readers without one that wrote no end, with the topic codes that they read."""
    reads = case.history.reads.lazy()
    alone = reads.filter(
        pl.col("group").is_null() & ~pl.col("actor").is_in(case.history.ends["actor"].unique())
    )
    found: dict[str, set[int]] = {}
    for frame, column in ((reads.filter(pl.col("group").is_not_null()), "group"), (alone, "actor")):
        pairs = frame.select(pl.col(column).cast(pl.String), pl.col("topic").to_physical()).unique().collect()
        for name, topic in pairs.iter_rows():
            found.setdefault(name, set()).add(topic)
    return [(name, frozenset(found[name])) for name in sorted(found)]


def _unread(case: Case, reader: str | None, topics: frozenset[int] | None) -> NDArray[np.int64]:
    """Return the positions of the sent records that are in the log and were not read by `reader`."""
    ledger = case.ledger
    words = case.history.reads.select(
        mine=((pl.col("actor") == reader) | (pl.col("group") == reader)).fill_null(value=False)
    )["mine"]
    read = np.zeros(ledger.ids.size, dtype=bool)
    for piece in pieces(words.len()):
        read[ledger.ids.of("reads", piece)[words[piece].to_numpy()]] = True
    missed = []
    for piece in pieces(ledger.places.cells):
        positions = ledger.log_piece(piece)
        missed.append(positions[~read[positions]])
    unread = np.concatenate(missed).astype(np.int64) if missed else np.empty(0, np.int64)
    if topics is None or not unread.size:
        return unread
    theirs = ledger.places.topic_codes[ledger.places.place_of(ledger.log_at[unread])]
    return unread[np.isin(theirs, list(topics))]
