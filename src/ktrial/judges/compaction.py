"""Compaction: what of a key is left in a log, where its cleaner has been.

Below the boundary (the active segment's first offset, or how far the cleaner says that it has come) only the latest
record of each key may be left: of those below the boundary, for a cleaner does not know what lies above. Tombstones
stay for `delete.retention.ms` after the cleaner first saw them, then they go with its next visit, and no older value
of their key comes back. That the latest value is still there is judged with delivery.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from ktrial.judges.claim import Findings, Found
from ktrial.judges.successors import KEYED, PLACE, calls_of, final_log, known_records
from ktrial.judges.witness import first
from ktrial.verdict import MAX_EXAMPLES, Doubt, Text

if TYPE_CHECKING:
    from ktrial.judges.case import Case

METRIC: Final = "CleanerCheckpoint"
NS_PER_MS: Final = 1_000_000
NO_BOUNDARY: Final = Doubt(
    Text(
        ko="활성 세그먼트가 어디서 시작하는지 기록이 없어, 어디까지 정리되었어야 하는지 알 수 없습니다.",
        en="Nobody noted where the active segment begins, so nobody knows what should have been compacted.",
    )
)


@dataclass(frozen=True, slots=True)
class Compaction:
    """The part that judges compacted topics.

    `needed`: all topics with keys should be compacted up to their active segments, whatever their settings say.
    """

    needed: bool = False

    def __call__(self, case: Case) -> Findings:
        """Return older values that should be gone, tombstones that stayed, and values that came back."""
        topics = tuple(case.history.ends["topic"].unique().sort().to_list())
        if not self.needed:
            topics = tuple(topic for topic in topics if topic in case.policies.compacted)
        if not topics:
            return Findings(doubts=(NO_BOUNDARY,) if self.needed else ())
        known = known_records(case.ledger, topics).filter(pl.col("key").is_not_null())
        log = final_log(case.ledger, topics).join(known, on=("id", *PLACE, "offset"), suffix="_known")
        log = log.with_columns(key=pl.col("key_known")).unique(("id", *PLACE, "offset"))
        bounds = _active_segments(case) if self.needed else _checkpoints(case)
        back = _back(case, log, known)
        stale = _stale(log, known, bounds).join(back, on=("id", *PLACE, "offset"), how="anti")
        stale = pl.concat([stale, _overdue(case, log)]).unique().sort(*_ORDER)
        return Findings(
            _measured(case, log, known, topics, bounds),
            (_stale_found(case, stale), _back_found(case, back)),
            (NO_BOUNDARY,) if self.needed and bounds.is_empty() else (),
            _held(log, known) if self.needed else None,
        )


_ORDER: Final = (pl.col("topic").cast(pl.String), "partition", "offset")
_SHOWN: Final = ("id", *PLACE, "offset", "key")
_BOUND: Final = ("topic", "partition", "bound")


def _active_segments(case: Case) -> pl.DataFrame:
    """Return the base offset of the segment that was active when a log was dumped last."""
    dumped = case.history.batches.filter(pl.col("segment").is_not_null())
    last = dumped.group_by(*PLACE, "broker").agg(bound=pl.col("segment").max())
    return last.group_by(PLACE).agg(pl.col("bound").min()).select(_BOUND)


def _checkpoints(case: Case) -> pl.DataFrame:
    """Return the offset up to which every cleaner that was asked has been."""
    cleaned = _cleanings(case)
    last = cleaned.group_by(*PLACE, "broker").agg(bound=pl.col("bound").max())
    return last.group_by(PLACE).agg(pl.col("bound").min()).select(_BOUND)


def _cleanings(case: Case) -> pl.DataFrame:
    """Return t, topic, partition, broker, bound of every look at a cleaner's checkpoint."""
    told = case.history.metrics.filter(pl.col("name").cast(pl.String) == METRIC)
    rows = []
    for t, value, text in told.select("t", "value", "labels").iter_rows():
        labels = json.loads(text or "{}")
        if {"topic", "partition"} <= labels.keys():
            rows.append((t, labels["topic"], labels["partition"], str(labels.get("broker")), int(value)))
    shape = case.history.ends.schema
    return pl.DataFrame(
        rows,
        schema={
            "t": pl.Int64(),
            "topic": shape["topic"],
            "partition": shape["partition"],
            "broker": pl.String(),
            "bound": pl.Int64(),
        },
        orient="row",
    )


def _stale(log: pl.DataFrame, known: pl.DataFrame, bounds: pl.DataFrame) -> pl.DataFrame:
    """Return what is in the log below the boundary though a later record of its key is known below it, too."""
    below = known.join(bounds, on=PLACE).filter(pl.col("offset") < pl.col("bound"))
    newest = below.group_by(KEYED).agg(newest=pl.col("offset").max())
    return log.join(newest, on=KEYED).filter(pl.col("offset") < pl.col("newest")).select(_SHOWN)


def _overdue(case: Case, log: pl.DataFrame) -> pl.DataFrame:
    """Return tombstones in the log that a cleaner saw, and passed again `delete.retention.ms` later.

    The second visit began late enough when it covered a record that was only sent after that time.
    """
    overdue = [log.clear().select(_SHOWN)]
    for topic in case.policies.compacted:
        stays = case.policies.longest_ns(topic, "delete.retention.ms")
        if stays is None:
            continue
        cleaned = _cleanings(case).filter(pl.col("topic").cast(pl.String) == topic)
        sent = known_records(case.ledger, (topic,)).select(*PLACE, reached="offset", again="called")
        visits = cleaned.select(*PLACE, "broker", seen="t", first="bound").join(
            cleaned.select(*PLACE, "broker", second="bound"), on=(*PLACE, "broker")
        )
        late = (
            visits.filter(pl.col("second") > pl.col("first"))
            .join(sent, on=PLACE)
            .filter(
                (pl.col("again") >= pl.col("seen") + stays + NS_PER_MS)
                & (pl.col("reached") < pl.col("second"))
            )
        )
        passed = late.group_by(PLACE).agg(passed=pl.col("first").max())
        graves = log.filter(pl.col("tombstone")).join(passed, on=PLACE)
        overdue.append(graves.filter(pl.col("offset") < pl.col("passed")).select(_SHOWN))
    return pl.concat(overdue)


def _back(case: Case, log: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return old values in the log that had gone before, or whose key was deleted by a tombstone that has gone."""
    compacted = pl.col("topic").cast(pl.String).is_in(list(case.policies.compacted))
    newest = (
        known.filter(compacted).group_by(KEYED).agg(pl.all().sort_by("offset").last().name.suffix("_newest"))
    )
    older = log.join(newest, on=KEYED).filter(pl.col("offset") < pl.col("offset_newest"))
    there = log.select(*PLACE, offset_newest="offset")
    deleted = older.filter(pl.col("tombstone_newest")).join(there, on=(*PLACE, "offset_newest"), how="anti")
    read = _ends(case).select(*PLACE, "log_start", "reached").group_by(PLACE).last()
    deleted = deleted.join(read, on=PLACE).filter(
        (pl.col("offset_newest") < pl.col("reached")) & (pl.col("offset_newest") >= pl.col("log_start"))
    )
    return pl.concat([deleted.select(_SHOWN), _missed_before(case, older)]).unique().sort(*_ORDER)


def _ends(case: Case) -> pl.DataFrame:
    """Return every end of the isolation level that decides, in order of time, with the offset that was reached."""
    committed = pl.col("isolation") == "read_committed"
    ends = case.history.ends.sort("t").with_columns(
        reached=pl.when(committed).then("last_stable").otherwise("log_end")
    )
    return ends.filter(
        pl.col("isolation").to_physical() == pl.col("isolation").to_physical().min().over(PLACE)
    )


def _missed_before(case: Case, older: pl.DataFrame) -> pl.DataFrame:
    """Return those of the records that an earlier final read went past without finding them."""
    who = (*PLACE, "actor", "isolation")
    ends = _ends(case).with_columns(turn=pl.int_range(pl.len()))
    earlier = ends.filter(pl.col("t") < pl.col("t").max().over(PLACE))
    reads = case.history.reads.join(older.select("id").unique(), on="id", how="semi").sort("t")
    turns = ends.select(*who, "turn", ended="t")
    found = reads.join_asof(
        turns, left_on="t", right_on="ended", by=who, strategy="forward", check_sortedness=False
    )
    return (
        older.join(earlier.select(*PLACE, "turn", "log_start", "reached"), on=PLACE)
        .filter((pl.col("offset") < pl.col("reached")) & (pl.col("offset") >= pl.col("log_start")))
        .join(found.select("id", "offset", "turn").drop_nulls(), on=("id", "offset", "turn"), how="anti")
        .select(_SHOWN)
    )


def _measured(
    case: Case, log: pl.DataFrame, known: pl.DataFrame, topics: tuple[str, ...], bounds: pl.DataFrame
) -> dict[str, object]:
    acked = case.history.completions.filter(pl.col("outcome") == "ok").select("id", *PLACE, at="offset")
    moved = log.join(acked, on=("id", *PLACE)).group_by("id").agg((pl.col("at") == pl.col("offset")).any())
    graves = calls_of(case.ledger, topics).filter("tombstone")["id"]
    return {
        "keys": known.select(KEYED).n_unique(),
        "keys_left": log.select(KEYED).n_unique(),
        "records_known": known.height,
        "records_left": log.height,
        "moved_offsets": int((~moved["at"]).sum()),
        "tombstones": graves.len(),
        "tombstones_seen": case.history.reads.filter(pl.col("id").is_in(graves.implode()))["id"].n_unique(),
        "tombstones_left": int(log["tombstone"].sum()),
        "boundary": {f"{topic}/{partition}": bound for topic, partition, bound in bounds.iter_rows()},
        "log": _phases(case),
    }


def _phases(case: Case) -> dict[str, object]:
    """Return what each phase's dumps showed, in order of time: segments, batches, records and bytes."""
    dumps = case.history.batches.filter(pl.col("phase").is_not_null()).sort("t")
    shown = dumps.group_by(pl.col("phase").cast(pl.String), maintain_order=True).agg(
        segments=pl.struct(*PLACE, "segment").n_unique(),
        batches=pl.len(),
        records=pl.col("records").sum(),
        bytes=pl.col("size").sum(),
    )
    return {row.pop("phase"): row for row in shown.iter_rows(named=True)}


def _held(log: pl.DataFrame, known: pl.DataFrame) -> Text:
    keys, left, sent = log.select(KEYED).n_unique(), log.height, known.height
    return Text(
        ko=f"메시지 {sent}개 중 {left}개(키 {keys}개)가 남았고, 활성 세그먼트 아래에는 키마다 마지막 것만 있습니다.",
        en=f"{left} of {sent} records, of {keys} keys, are left, below the active segment only the latest of each key.",
    )


def _examples(rows: pl.DataFrame) -> tuple[dict[str, object], ...]:
    shown = rows.head(MAX_EXAMPLES).with_columns(pl.col("topic", "key").cast(pl.String))
    return tuple(shown.select(_SHOWN).iter_rows(named=True))


def _evidence(case: Case, examples: tuple[dict[str, object], ...]) -> Text | None:
    if not examples:
        return None
    foremost = examples[0]
    place = case.witness.place(str(foremost["topic"]), int(str(foremost["partition"])))
    return first(
        Text(
            ko=f"메시지 {foremost['id']}, 키 {foremost['key']}, {place.ko}, 오프셋 {foremost['offset']}",
            en=f"record {foremost['id']}, key {foremost['key']}, {place.en}, offset {foremost['offset']}",
        )
    )


def _stale_found(case: Case, stale: pl.DataFrame) -> Found:
    count = stale.height
    headline = Text(
        ko=f"정리되었어야 할 옛 메시지 {count}개가 활성 세그먼트 밖에 남아 있습니다.",
        en=f"{count} old {'record is' if count == 1 else 'records are'} left that should have been compacted away.",
    )
    examples = _examples(stale)
    return Found("stale_survivor", count, examples, headline, _evidence(case, examples))


def _back_found(case: Case, back: pl.DataFrame) -> Found:
    count = back.height
    headline = Text(
        ko=f"사라졌던 옛 값 {count}개가 되살아났습니다.",
        en=f"{count} old {'value has' if count == 1 else 'values have'} come back.",
    )
    examples = _examples(back)
    return Found("resurrected", count, examples, headline, _evidence(case, examples))
