"""Usurpers: members whose commit of a partition was accepted while it was another's.

A coordinator refuses whoever is not the owner, by generation or member epoch. What a member committed before it gave
the partition up it has written down by then. One that was out of reach when it lost the partition may write down late
what was accepted in time: its commit counts only where it covers a record that it can have had only afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from ktrial.judges.owners import Ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ktrial.judges.case import Case
    from ktrial.judges.owners import Place, Span


def accepted_from_others(case: Case) -> Iterator[dict[str, object]]:
    """Yield, for each member and partition, the first commit that was accepted though it was not the owner's."""
    for place, spans in case.owners.spans.items():
        commits = case.history.commits.filter(
            _here(place) & (pl.col("outcome") == "ok") & (pl.col("t") > spans[0].began_ns)
        )
        rows = commits.select("t", pl.col("actor").cast(pl.String), "offset").sort("t")
        for (actor,), theirs in rows.group_by("actor", maintain_order=True):
            if actor not in case.owners.members.get(place[0], ()):
                continue
            for t, offset in theirs.select("t", "offset").filter(_outside(spans, str(actor))).iter_rows():
                owner = next((span for span in spans if span.began_ns < t < span.ended_ns), None)
                if owner is not None and not _noted_late(case, place, str(actor), t, offset):
                    yield {
                        "partition": case.owners.label(place),
                        "owner": owner.actor,
                        "other": actor,
                        "at_s": case.witness.seconds(t),
                        "committed": offset,
                    }
                    break


def _here(place: Place) -> pl.Expr:
    group, topic, partition = place
    return (pl.col("group") == group) & (pl.col("topic") == topic) & (pl.col("partition") == partition)


def _outside(spans: list[Span], actor: str) -> pl.Expr:
    """Return which times lie outside of all that a member owned."""
    inside = [pl.col("t").is_between(span.began_ns, span.ended_ns) for span in spans if span.actor == actor]
    return ~pl.any_horizontal(inside) if inside else pl.lit(value=True)


def _noted_late(case: Case, place: Place, actor: str, t_ns: int, offset: int) -> bool:
    """Return whether a commit can have been accepted before the member lost the partition without knowing."""
    before = [span for span in case.owners.spans[place] if span.actor == actor and span.ended_ns <= t_ns]
    if not before or before[-1].ended is Ended.REVOKED:
        return False
    until_ns = before[-1].ended_ns
    mine = _here(place) & (pl.col("actor") == actor) & (pl.col("t") <= until_ns)
    reached = [frame.filter(mine)["offset"].max() for frame in (case.history.processed, case.history.reads)]
    agreed = case.history.commits.filter(
        _here(place) & (pl.col("t") <= until_ns) & (pl.col("outcome") == "ok")
    )
    known = [one + 1 for one in reached if isinstance(one, int)]
    known += [one for one in (agreed["offset"].max(),) if isinstance(one, int)]
    return bool(known) and _nothing_between(case, place, max(known), offset)


def _nothing_between(case: Case, place: Place, low: int, high: int) -> bool:
    """Return whether no record is known at the offsets from `low` up to `high`: markers and sentinels are none."""
    _, topic, partition = place
    where = (
        (pl.col("topic") == topic)
        & (pl.col("partition") == partition)
        & (pl.col("offset") >= low)
        & (pl.col("offset") < high)
    )
    tables = (case.history.processed, case.history.reads, case.history.completions)
    return all(frame.filter(where).is_empty() for frame in tables)
