"""Successors: which records a compacted log may leave out.

A record of a compacted topic may be gone when a later one of its key, in its partition, is known: acknowledged there,
or read. The latest of a key may be gone only if it is a tombstone that has been there for `delete.retention.ms`. A
record without a key has no successor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ktrial.judges.places import code_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ktrial.judges.ledger import Ledger
    from ktrial.judges.policies import Policies

PLACE: Final = ("topic", "partition")
KEYED: Final = (*PLACE, "key")


@dataclass(frozen=True, slots=True)
class Excuses:
    """Of records that are not in the log: which were compacted away rightly, were the latest of a key, or may be."""

    compacted: NDArray[np.bool_]
    latest: NDArray[np.bool_]
    undecided: NDArray[np.bool_]


def calls_of(ledger: Ledger, topics: tuple[str, ...]) -> pl.DataFrame:
    """Return id, key, tombstone, called (t) of all calls to these topics."""
    return ledger.history.calls.filter(_is_in(topics)).select(
        "id", "topic", "key", pl.col("tombstone").fill_null(value=False), called="t"
    )


def final_log(ledger: Ledger, topics: tuple[str, ...]) -> pl.DataFrame:
    """Return the reads of the final log of these topics: id, topic, partition, offset, key, t."""
    rows = ledger.history.reads.filter(_is_in(topics))
    codes = rows.select(
        pl.col("topic", "actor", "isolation").to_physical().cast(pl.Int64), pl.col("partition").cast(pl.Int64)
    )
    places = ledger.places.of(codes["topic"].to_numpy(), codes["partition"].to_numpy())
    final = ledger.ends.final(
        places, codes["actor"].to_numpy(), codes["isolation"].to_numpy(), rows["t"].to_numpy()
    )
    return rows.filter(pl.Series(final)).select("id", *PLACE, "offset", "key", "t")


def known_records(ledger: Ledger, topics: tuple[str, ...]) -> pl.DataFrame:
    """Return every place at which a record of these topics was acknowledged or is in the final log.

    Columns: id, topic, partition, offset, key, tombstone, called (null where nobody noted the call).
    """
    acked = ledger.history.completions.filter(
        _is_in(topics),
        (pl.col("outcome") == "ok") & (pl.col("offset") >= 0) & pl.col("partition").is_not_null(),
    ).select("id", *PLACE, "offset")
    log = final_log(ledger, topics)
    places = pl.concat([acked, log.select("id", *PLACE, "offset")]).unique()
    keys = log.group_by("id").agg(read_key=pl.col("key").first())
    calls = calls_of(ledger, topics).drop("topic")
    return (
        places.join(calls, on="id", how="left")
        .join(keys, on="id", how="left")
        .with_columns(pl.col("tombstone").fill_null(value=False), key=pl.coalesce("key", "read_key"))
        .drop("read_key")
    )


def excuses(ledger: Ledger, policies: Policies, gone: NDArray[np.int64]) -> Excuses:
    """Say of each absent record, by its position, whether compaction explains that."""
    nothing = np.zeros(gone.size, dtype=np.bool_)
    if not policies.compacted:
        return Excuses(nothing, nothing, nothing)
    known = known_records(ledger, policies.compacted)
    newest = known.filter(pl.col("key").is_not_null()).group_by(KEYED).agg(newest=pl.col("offset").max())
    missed = pl.DataFrame({"id": ledger.ids.names(gone), "turn": np.arange(gone.size)})
    told = (
        missed.join(known, on="id")
        .join(newest, on=KEYED, how="left")
        .join(_loose_tombstones(ledger, policies, known), on=("topic", "key"), how="left")
        .with_columns(
            followed=(pl.col("newest") > pl.col("offset")).fill_null(value=False),
            ripe=_ripe(ledger, policies),
            keyed=pl.col("newest").is_not_null(),
        )
        .with_columns(excused=pl.col("followed") | (pl.col("tombstone") & pl.col("ripe") & pl.col("keyed")))
        .group_by("turn")
        .agg(
            pl.col("excused").any(),
            pl.col("keyed").any(),
            doubtful=pl.col("loose").is_not_null().any(),
        )
    )
    compacted, latest, undecided = nothing.copy(), nothing.copy(), nothing.copy()
    turns = told["turn"].to_numpy()
    excused, keyed, doubtful = (told[name].to_numpy() for name in ("excused", "keyed", "doubtful"))
    compacted[turns] = excused
    latest[turns] = keyed & ~excused
    undecided[turns] = doubtful & keyed & ~excused
    return Excuses(compacted, latest, undecided)


def silently_compacted(ledger: Ledger, policies: Policies, silent: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of records that nobody acknowledged, by their position, whether another of their key may have followed."""
    excused = np.zeros(silent.size, dtype=np.bool_)
    if policies.compacted:
        known = known_records(ledger, policies.compacted).filter(pl.col("key").is_not_null())
        sent = pl.DataFrame({"id": ledger.ids.names(silent), "turn": np.arange(silent.size)})
        sent = sent.join(calls_of(ledger, policies.compacted), on="id")
        turns = sent.join(known, on=("topic", "key"), how="semi")["turn"].to_numpy()
        excused[turns] = True
    return excused


def _ripe(ledger: Ledger, policies: Policies) -> pl.Expr:
    """Return whether a tombstone may be gone: `delete.retention.ms` passed before the log was read, or nobody knows."""
    read_ns = ledger.history.ends["t"].max()
    ripe = pl.lit(value=False)
    for topic in policies.compacted:
        stays = policies.shortest_ns(topic, "delete.retention.ms") or 0
        late = (pl.col("called").is_null() | (pl.col("called") + stays <= read_ns)).fill_null(value=True)
        ripe = pl.when(pl.col("topic") == topic).then(late).otherwise(ripe)
    return ripe


def _loose_tombstones(ledger: Ledger, policies: Policies, known: pl.DataFrame) -> pl.DataFrame:
    """Return topic and key of tombstones that may be in the log or not: they may have taken the key's value along."""
    told = ledger.history.completions.filter(pl.col("outcome").is_in(["ok", "failed"]))["id"]
    settled = pl.concat([told, known["id"]])
    calls = calls_of(ledger, policies.compacted)
    loose = calls.filter(pl.col("tombstone") & ~pl.col("id").is_in(settled.implode()))
    return loose.select("topic", "key").unique().with_columns(loose=pl.lit(value=True))


def _is_in(topics: tuple[str, ...]) -> pl.Expr:
    return pl.col("topic").to_physical().is_in([code_of(topic) for topic in topics])
