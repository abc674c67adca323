"""Generated groups, in which little is as it should be, against a slow model that walks second by second."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.judges.gathering import Gathering

from ktrial.judges import everything

ACTORS = ("a", "b", "c")
PARTITIONS = (0, 1)
FATES = ("double_owned", "taken_away", "stopped_needlessly")


@dataclass
class Run:
    """Seconds in which a member believed that it owned a partition, and how that ended."""

    actor: str
    start: int
    end: int
    how: str


@dataclass(frozen=True)
class Happened:
    """What happens in one second: an event of a member about some partitions, or a fault on it."""

    what: str
    actor: str
    partitions: tuple[int, ...]
    healed_after: int | None


FAULTS = ("pause", "busy", "kill")
HAPPENINGS = st.builds(
    Happened,
    st.sampled_from(
        ["assigned", "assigned", "assigned", "revoked", "revoked", "lost", "pause", "busy", "kill"]
    ),
    st.sampled_from(ACTORS),
    st.sampled_from([(0,), (1,), (0, 1), ()]),
    st.sampled_from([None, 1, 3]),
)


def sober(happenings: list[Happened]) -> list[Happened]:
    """Return what happens without a member's second fault of a kind: their spans could not be told apart."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for each in happenings:
        if each.what not in FAULTS or (each.what, each.actor) not in seen:
            kept.append(each)
        seen.add((each.what, each.actor))
    return kept


def played(happenings: list[Happened]) -> Gathering:
    """Write everything down, one happening a second."""
    play = Gathering().sent(2)
    for second, each in enumerate(happenings, 1):
        if each.what in FAULTS:
            healed = None if each.healed_after is None else second + each.healed_after + 0.5
            play.struck(each.what, each.actor, second, healed)
        else:
            play.member(each.what, each.actor, second, *each.partitions)
    return play


def runs_of(happenings: list[Happened], partition: int) -> list[Run]:
    """Return when each member believed that it owned a partition, in order of beginning."""
    runs: list[Run] = []
    members = {each.actor for each in happenings if each.what in ("assigned", "revoked", "lost")}
    for second, each in enumerate(happenings, 1):
        mine = [run for run in runs if run.actor == each.actor and run.how == ""]
        if each.what == "kill" and each.actor in members:
            for run in mine:
                run.end, run.how = second, "killed"
        elif partition in each.partitions and each.what in ("revoked", "lost"):
            for run in mine:
                run.end, run.how = second, each.what
        elif partition in each.partitions and each.what == "assigned" and not mine:
            runs.append(Run(each.actor, second, 10**6, ""))
    return runs


def excused(happenings: list[Happened], run: Run, second: int) -> bool:
    """Return whether the member could not know, at a second, that its partition was another's."""
    if run.how == "lost":
        return True
    for began, each in enumerate(happenings, 1):
        if each.actor != run.actor or each.what not in FAULTS or began > second:
            continue
        if each.healed_after is None or began + each.healed_after + 0.5 >= run.start:
            return True
    return False


def modelled(happenings: list[Happened]) -> tuple[dict[str, int], dict[str, float]]:
    """Return the count of each kind, and the seconds without an owner of each partition."""
    counts = dict.fromkeys(FATES, 0)
    unowned: dict[str, float] = {}
    last_second = max(
        (second for second, each in enumerate(happenings, 1) if each.what in ("assigned", "revoked", "lost")),
        default=0,
    )
    known = [number for number in PARTITIONS if runs_of(happenings, number)]
    for partition in known:
        runs = runs_of(happenings, partition)
        for number, later in enumerate(runs):
            for run in runs[:number]:
                if run.actor == later.actor or run.end <= later.start:
                    continue
                if excused(happenings, run, later.start):
                    run.end, run.how = later.start, "lost" if run.how == "lost" else "taken"
                else:
                    counts["double_owned"] += 1
        counts["taken_away"] += sum(run.how in ("lost", "taken") for run in runs)
        counts["stopped_needlessly"] += sum(
            before.actor == after.actor and before.how == "revoked" for before, after in pairwise(runs)
        )
        seconds = range(runs[0].start, last_second)
        without = sum(not any(run.start <= second < run.end for run in runs) for second in seconds)
        if without:
            unowned[str(partition)] = float(without)
    return counts, unowned


@settings(max_examples=300, deadline=None)
@given(st.lists(HAPPENINGS, min_size=1, max_size=14).map(sober))
def test_ownership_is_what_the_model_says(happenings: list[Happened]) -> None:
    """The count of every kind, and the time without an owner, whatever happens in whatever order."""
    judgement = everything()(played(happenings).history())
    counts, unowned = modelled(happenings)
    found = {each.kind: each.count for each in judgement.anomalies}
    assert {kind: found.get(kind, 0) for kind in FATES} == counts
    assert judgement.measured.get("unowned_s", {}) == unowned
