"""The order in which one reader met the records of a whole topic, against the order in which they were sent.

Kafka promises order within a partition only, so this is looked at only where it is claimed. Counted are neighbours:
a record that was read right after one that was sent later. Same `t`, no order. The final reader is left out: it reads
partition by partition for the record, and is nobody's consumer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.judges.arrays import NOTHING, Column
from ktrial.judges.claim import Findings, Found
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.judges.case import Case

NO_READER: Final = Doubt(
    Text(ko="마지막 읽기 말고는 읽은 클라이언트가 없습니다.", en="Nobody but the final reader read anything.")
)


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """The part that judges whether readers met the records in the order of sending."""

    def __call__(self, case: Case) -> Findings:
        """Return the neighbours that were read the wrong way round."""
        rows = _rows(case)
        if not rows.size:
            return Findings({"out_of_order_reads": 0}, doubts=(NO_READER,))
        seen, ids = case.ledger.seen, case.ledger.ids
        reads = np.arange(case.history.reads.height)
        positions = ids.of("reads", slice(0, reads.size))[rows]
        calls = ids.call_rows(positions)
        rows, calls = rows[calls != NOTHING], calls[calls != NOTHING]
        reader = seen["actor"].take(rows).astype(np.int64) * 2 + np.maximum(seen["isolation"].take(rows), 0)
        stream = reader * (seen["topic"].most + 2) + seen["topic"].take(rows)
        times = seen["t"].take(rows)
        order = np.lexsort((times, stream))
        rows, stream, times = rows[order], stream[order], times[order]
        sent = Column(case.history.calls, "t").take(calls[order])
        wrong = (stream[1:] == stream[:-1]) & (times[1:] > times[:-1]) & (sent[1:] < sent[:-1])
        at = np.flatnonzero(wrong)
        held = Text(
            ko=f"메시지 {rows.size}개를 보낸 순서대로 읽었습니다.",
            en=f"{rows.size} records were read in the order of sending.",
        )
        return Findings({"out_of_order_reads": int(at.size)}, (_found(case, rows, at),), held=held)


def _rows(case: Case) -> NDArray[np.int64]:
    """Return the rows of reads by anyone but a final reader."""
    final = case.history.ends["actor"].unique()
    theirs = case.history.reads.select(mine=~pl.col("actor").is_in(final.implode()))["mine"]
    return np.flatnonzero(theirs.to_numpy())


def _found(case: Case, rows: NDArray[np.int64], at: NDArray[np.int64]) -> Found:
    examples = []
    for place in at[:MAX_EXAMPLES].tolist():
        before, after = (case.history.reads.row(int(rows[n]), named=True) for n in (place, place + 1))
        examples.append(
            {
                "actor": after["actor"],
                "topic": after["topic"],
                "id": after["id"],
                "partition": after["partition"],
                "offset": after["offset"],
                "after": {name: before[name] for name in ("id", "partition", "offset")},
                "read_s": case.witness.seconds(after["t"]),
            }
        )
    count = int(at.size)
    headline = Text(
        ko=f"나중에 보낸 메시지를 먼저 읽은 경우가 {count}번 있습니다(이웃한 두 메시지 기준).",
        en=f"{count} {'record was' if count == 1 else 'records were'} read right after one that was sent later.",
    )
    evidence = None
    if examples:
        late = examples[0]
        evidence = first(
            Text(
                ko=f"{late['actor']}이(가) 메시지 {late['after']['id']}(파티션 {late['after']['partition']}) 다음에 "
                f"메시지 {late['id']}(파티션 {late['partition']})을(를) 읽음",
                en=f"{late['actor']} read record {late['id']} (partition {late['partition']}) after "
                f"record {late['after']['id']} (partition {late['after']['partition']})",
            )
        )
    return Found("out_of_order_read", count, tuple(examples), headline, evidence)
