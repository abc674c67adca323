"""The slow and obvious judge: sets and loops over rows, to hold the fast one against.

It says how many of each kind a history has, straight from the rules, and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ktrial.history.tables import History

Row = dict[str, Any]
Place = tuple[str, int]
RANK = {"ok": 0, "unacknowledged": 1, "unknown": 2, "failed": 3}


def counts(history: History) -> dict[str, int]:
    """Return the count of every kind that delivery, order and keys can find; kinds without any are left out."""
    return {kind: count for kind, count in _Model(history).counts().items() if count}


class _Model:
    def __init__(self, history: History) -> None:
        self.calls = {row["id"]: row for row in history.calls.iter_rows(named=True)}
        self.outcomes: dict[int, Row] = {}
        self.completions = list(history.completions.iter_rows(named=True))
        for row in sorted(self.completions, key=lambda row: (RANK[row["outcome"]], row["t"])):
            self.outcomes.setdefault(row["id"], row)
        self.reads = list(history.reads.iter_rows(named=True))
        self.every_end = list(history.ends.iter_rows(named=True))
        self.ends = self._ends(history)
        self.final = [row for row in self.reads if self._is_final(row)]
        self.log: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
        for row in self.final:
            spot = (row["topic"], row["partition"], row["offset"])
            if spot not in self.log[row["id"]]:
                self.log[row["id"]].append(spot)
        for spots in self.log.values():
            spots.sort()

    def _ends(self, history: History) -> dict[Place, Row]:
        ends: dict[Place, Row] = {}
        rows = list(history.ends.iter_rows(named=True))
        for isolation in ("read_committed", "read_uncommitted"):
            mine = sorted((row for row in rows if row["isolation"] == isolation), key=lambda row: row["t"])
            for row in mine:
                before = [
                    other["t"]
                    for other in mine
                    if other["t"] < row["t"]
                    and (other["topic"], other["partition"], other["actor"])
                    == (row["topic"], row["partition"], row["actor"])
                ]
                ends[row["topic"], row["partition"]] = {**row, "since": max(before, default=-1)}
        return ends

    def _is_final(self, row: Row) -> bool:
        end = self.ends.get((row["topic"], row["partition"]))
        return bool(
            end
            and (end["actor"], end["isolation"]) == (row["actor"], row["isolation"])
            and row["t"] > end["since"]
        )

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        for record, outcome in self.outcomes.items():
            if record not in self.log:
                found[self._absent(record, outcome)] += 1
        found.pop("", None)
        found["overwritten"] = self._overwritten()
        found["duplicate"] = sum(len(spots) > 1 for spots in self.log.values())
        found["phantom"] = len(
            {
                (row["id"], row["topic"], row["partition"], row["offset"])
                for row in self.reads
                if self._phantom(row)
            }
        )
        failed = {record for record, row in self.outcomes.items() if row["outcome"] == "failed"}
        found["failed_but_visible"] = len(failed & {row["id"] for row in self.reads})
        unknown = {record for record, row in self.outcomes.items() if row["outcome"] == "unknown"}
        found["unknown_tally"] = len(unknown | (set(self.calls) - set(self.outcomes)))
        found["reordered"], found["overtaken"] = self._inversions()
        found["key_split"] = self._split()
        found["skipped"], found["rewound"] = self._jumps()
        return found

    def _absent(self, record: int, outcome: Row) -> str:
        if outcome["outcome"] == "unacknowledged":
            return self._silent(record)
        if outcome["outcome"] != "ok":
            return ""
        end = self.ends.get((outcome["topic"], outcome["partition"]))
        return "unseen" if end is None else self._gone(outcome["offset"], end)

    @staticmethod
    def _gone(offset: int | None, end: Row) -> str:
        if offset is None or offset < 0:
            return "unseen" if end["log_start"] > 0 else "lost"
        if offset < end["log_start"]:
            return ""
        if offset >= end["log_end"]:
            return "lost_tail"
        reached = end["last_stable"] if end["isolation"] == "read_committed" else end["log_end"]
        return "unseen" if offset >= reached else "lost"

    def _silent(self, record: int) -> str:
        call = self.calls.get(record)
        places = {
            (row["topic"], row["partition"]) for row in (*self.reads, *self.completions) if row["topic"]
        }
        places = {
            place
            for place in places | set(self.ends)
            if call and place[0] == call["topic"] and place[1] is not None
        }
        whole = all(place in self.ends and self.ends[place]["log_start"] <= 0 for place in places)
        return "unacknowledged_missing" if places and whole else "unseen"

    def _overwritten(self) -> int:
        at: dict[tuple[str, int, int], set[int]] = defaultdict(set)
        acknowledged = [
            row for row in self.completions if row["outcome"] == "ok" and (row["offset"] or 0) >= 0
        ]
        for row in (*self.reads, *acknowledged):
            if row["offset"] is not None:
                at[row["topic"], row["partition"], row["offset"]].add(row["id"])
        return sum(len(records) > 1 for records in at.values())

    def _phantom(self, row: Row) -> bool:
        call, outcome = self.calls.get(row["id"]), self.outcomes.get(row["id"])
        wrong = [not row["intact"], call is None and outcome is None]
        if call:
            wrong.append(call["topic"] != row["topic"])
            wrong.append(None not in {call["key"], row["key"]} and call["key"] != row["key"])
        if outcome and outcome["outcome"] == "ok":
            wrong.append((outcome["topic"], outcome["partition"]) != (row["topic"], row["partition"]))
        return any(wrong)

    def _inversions(self) -> tuple[int, int]:
        first = {record: spots[0] for record, spots in self.log.items() if record in self.calls}
        first = {record: at for record, at in first.items() if self._at_home(record, at)}
        reordered, overtaken = set(), set()
        for low, at in first.items():
            for high, above in first.items():
                if above[:2] != at[:2] or above[2] <= at[2]:
                    continue
                one, other = self.calls[low], self.calls[high]
                if one["actor"] == other["actor"] and other["t"] < one["t"]:
                    reordered.add(low)
                outcome = self.outcomes.get(high)
                if outcome and outcome["outcome"] == "ok" and outcome["t"] < one["t"]:
                    overtaken.add(low)
        return len(reordered), len(overtaken)

    def _jumps(self) -> tuple[int, int]:
        known = {(row["topic"], row["partition"], row["offset"]) for row in self.reads}
        lives: dict[tuple[object, ...], list[tuple[int, int]]] = defaultdict(list)
        for row in self.reads:
            if row["group"] is None:
                place = (row["topic"], row["partition"], row["actor"], row["isolation"])
                ended = sum(
                    (end["topic"], end["partition"], end["actor"], end["isolation"]) == place
                    and end["t"] < row["t"]
                    for end in self.every_end
                )
                lives[*place, ended].append((row["t"], row["offset"]))
        skipped = rewound = 0
        for (topic, partition, *_), reads in lives.items():
            offsets = [offset for _, offset in sorted(reads)]
            for before, after in pairwise(offsets):
                rewound += after <= before
                skipped += any(at[:2] == (topic, partition) and before < at[2] < after for at in known)
        return skipped, rewound

    def _at_home(self, record: int, at: tuple[str, int, int]) -> bool:
        outcome = self.outcomes.get(record)
        if outcome is None or outcome["outcome"] != "ok":
            return True
        return (outcome["topic"], outcome["partition"]) == at[:2]

    def _split(self) -> int:
        where: dict[tuple[str, str], set[int]] = defaultdict(set)
        for record, call in self.calls.items():
            outcome = self.outcomes.get(record)
            spot = self.log[record][0] if self.log.get(record) else None
            if spot is None and outcome and outcome["outcome"] == "ok":
                spot = (outcome["topic"], outcome["partition"], -1)
            if call["key"] is not None and spot:
                where[spot[0], call["key"]].add(spot[1])
        for row in self.reads:
            if row["key"] is not None:
                where[row["topic"], row["key"]].add(row["partition"])
        return sum(len(partitions) > 1 for partitions in where.values())
