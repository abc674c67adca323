"""What is in the log and should not be: phantoms, failed records, second copies, two records at one offset."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ktrial.judges.arrays import NOTHING
from ktrial.judges.claim import Found
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.judges.case import Case
    from ktrial.judges.ledger import Ledger


def intruders(case: Case) -> list[Found]:
    """Return the anomalies of what should not be in the log, or not so."""
    return [_overwritten(case), _phantom(case), _failed(case), _duplicate(case)]


def record_of(case: Case, position: int) -> dict[str, object]:
    """Return an example from a record's call: {"id", "topic", "actor", "called_s"}, as far as it was noted."""
    ledger = case.ledger
    example: dict[str, object] = {"id": ledger.name(position)}
    row = int(ledger.ids.call_rows(np.array([position]))[0])
    if row != NOTHING:
        call = case.history.calls.row(row, named=True)
        example |= {
            "topic": call["topic"],
            "actor": call["actor"],
            "called_s": case.witness.seconds(call["t"]),
        }
    return example


def spot_of(ledger: Ledger, address: int) -> dict[str, object]:
    """Return {"topic", "partition", "offset"} of an address."""
    place, offset = ledger.places.spot(address)
    return {
        "topic": ledger.places.topics[place],
        "partition": int(ledger.places.partitions[place]),
        "offset": offset,
    }


def starts_of(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each run of equal cells starts, and the end of the last one."""
    if not cells.size:
        return np.zeros(1, np.int64)
    return np.concatenate([[0], np.flatnonzero(cells[1:] != cells[:-1]) + 1, [cells.size]])


def _overwritten(case: Case) -> Found:
    ledger = case.ledger
    addresses, positions = ledger.overwritten
    starts = starts_of(addresses)
    examples = []
    for start, end in pairwise(starts[: MAX_EXAMPLES + 1].tolist()):
        records = sorted(ledger.name(int(position)) for position in positions[start:end][:MAX_EXAMPLES])
        examples.append({**spot_of(ledger, int(addresses[start])), "ids": records})
    count = starts.size - 1
    evidence = None
    if examples:
        foremost = examples[0]
        place = case.witness.place(str(foremost["topic"]), int(str(foremost["partition"])))
        ids = foremost["ids"]
        evidence = first(
            Text(
                ko=f"{place.ko}, 오프셋 {foremost['offset']}에 메시지 {_listed(ids)}",
                en=f"{place.en}, offset {foremost['offset']} was given to records {_listed(ids)}",
            )
        )
    headline = Text(
        ko=f"오프셋 {count}개가 서로 다른 메시지에 두 번 주어졌습니다.",
        en=f"{count} {'offset was' if count == 1 else 'offsets were'} given to more than one record.",
    )
    return Found("overwritten", count, tuple(examples), headline, evidence)


def _listed(values: object) -> str:
    return ", ".join(str(value) for value in values) if isinstance(values, list) else str(values)


def _phantom(case: Case) -> Found:
    rows = case.ledger.strange_rows
    spots = case.history.reads[rows].unique(["id", "topic", "partition", "offset"])
    examples = [
        _strange(case, row) for row in spots.sort("t", "offset").head(MAX_EXAMPLES).iter_rows(named=True)
    ]
    count = spots.height
    headline = Text(
        ko=f"읽은 메시지 {count}개는 그대로 보낸 적이 없는 것입니다.",
        en=f"{count} {'record was' if count == 1 else 'records were'} read that nobody sent so.",
    )
    evidence = None
    if examples:
        foremost = examples[0]
        place = case.witness.place(str(foremost["topic"]), int(str(foremost["partition"])))
        why = PHANTOM[str(foremost["why"])]
        evidence = first(
            Text(
                ko=f"메시지 {foremost['id']}, {place.ko}, 오프셋 {foremost['offset']}: {why.ko}",
                en=f"record {foremost['id']}, {place.en}, offset {foremost['offset']}: {why.en}",
            )
        )
    return Found("phantom", count, tuple(examples), headline, evidence)


PHANTOM = {
    "never sent": Text(ko="보낸 기록이 없음", en="it was never sent"),
    "payload damaged": Text(ko="내용의 검사합이 틀림", en="its payload has a wrong checksum"),
    "another topic": Text(ko="다른 토픽으로 보낸 메시지", en="it was sent to another topic"),
    "another partition": Text(
        ko="다른 파티션에서 승인된 메시지", en="it was acknowledged on another partition"
    ),
    "another key": Text(ko="다른 키로 보낸 메시지", en="it was sent with another key"),
}


def _strange(case: Case, read: dict[str, object]) -> dict[str, object]:
    """Return a phantom as an example, with the reason."""
    example = {name: read[name] for name in ("id", "topic", "partition", "offset", "actor")}
    example["read_s"] = case.witness.seconds(int(str(read["t"])))
    calls = case.history.calls.filter(pl.col("id") == read["id"])
    acks = case.history.completions.filter((pl.col("id") == read["id"]) & (pl.col("outcome") == "ok"))
    if not read["intact"]:
        why = "payload damaged"
    elif calls.is_empty() and acks.is_empty():
        why = "never sent"
    elif calls.height and calls["topic"][0] != read["topic"]:
        why = "another topic"
    elif acks.height and acks["partition"][0] != read["partition"]:
        why = "another partition"
    else:
        why = "another key"
    return {**example, "why": why}


def _failed(case: Case) -> Found:
    positions = case.ledger.failed_visible
    examples = tuple(record_of(case, int(position)) for position in positions[:MAX_EXAMPLES])
    count = int(positions.size)
    headline = Text(
        ko=f"실패했다고 한 메시지 {count}개가 읽혔습니다.",
        en=f"{count} {'record' if count == 1 else 'records'} reported as failed can be read.",
    )
    evidence = None
    if examples:
        evidence = first(Text(ko=f"메시지 {examples[0]['id']}", en=f"record {examples[0]['id']}"))
    return Found("failed_but_visible", count, examples, headline, evidence)


def _duplicate(case: Case) -> Found:
    ledger = case.ledger
    positions, addresses = ledger.repeats
    starts = starts_of(positions)
    count = starts.size - 1
    examples = []
    for start, end in pairwise(starts[: MAX_EXAMPLES + 1].tolist()):
        spots = [spot_of(ledger, int(address)) for address in addresses[start:end][:MAX_EXAMPLES]]
        examples.append({**record_of(case, int(positions[start])), "places": spots})
    headline = Text(
        ko=f"메시지 {count}개가 로그에 두 번 이상 있습니다(남는 사본 {addresses.size - count}개).",
        en=f"{count} {'record is' if count == 1 else 'records are'} in the log more than once "
        f"({addresses.size - count} copies too many).",
    )
    evidence = None
    if examples:
        spots = [spot_of(ledger, int(address)) for address in addresses[starts[0] : starts[1]][:MAX_EXAMPLES]]
        place = case.witness.place(str(spots[0]["topic"]), int(str(spots[0]["partition"])))
        offsets = _listed([spot["offset"] for spot in spots])
        evidence = first(
            Text(
                ko=f"메시지 {examples[0]['id']}, {place.ko}, 오프셋 {offsets}",
                en=f"record {examples[0]['id']}, {place.en}, offsets {offsets}",
            )
        )
    return Found("duplicate", count, tuple(examples), headline, evidence)
