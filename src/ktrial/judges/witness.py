"""Evidence in words: who acknowledged a record, what happened to that broker, where the log ends now.

Times are seconds since the first thing that happened in the history. What the history does not know is not said.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

from ktrial.verdict import Text

if TYPE_CHECKING:
    from ktrial.history.tables import History

NS: Final = 1_000_000_000
FELLED: Final = {
    "kill": Text(ko="강제 종료됨", en="was killed"),
    "stop": Text(ko="종료됨", en="was stopped"),
    "pause": Text(ko="멈춤", en="was paused"),
    "cut": Text(ko="네트워크가 끊김", en="was cut off"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as the history tells it; times in ns, None for what never happened."""

    name: str
    target: str
    injected_ns: int | None
    landed_ns: int | None
    healed_ns: int | None

    @property
    def began_ns(self) -> int:
        """When it was injected, or at the latest when it was seen."""
        return next((t for t in (self.injected_ns, self.landed_ns, self.healed_ns) if t is not None), 0)


class Witness:
    """Tells what a history knows about the moments around a record."""

    def __init__(self, history: History) -> None:
        """Remember the history; tables are looked at when asked."""
        self._history = history

    @cached_property
    def began_ns(self) -> int:
        """The first `t` of the history."""
        return self._history.began_ns()

    @cached_property
    def topics(self) -> int:
        """How many topics were sent to."""
        return self._history.calls["topic"].n_unique()

    def seconds(self, t_ns: int) -> float:
        """Return the time of the run, in seconds with three digits."""
        return round((t_ns - self.began_ns) / NS, 3)

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """All faults in the order they began: each injection with the landing and healing that followed it."""
        faults: list[Fault] = []
        for (name, target), rows in self._history.faults.sort("t").group_by(
            "fault", "target", maintain_order=True
        ):
            spans: list[dict[str, int]] = []
            for t, outcome in rows.select("t", pl.col("outcome").cast(pl.String)).iter_rows():
                if not spans or outcome in spans[-1] or outcome == "injected":
                    spans.append({})
                spans[-1][outcome] = t
            faults += [
                Fault(str(name), str(target), s.get("injected"), s.get("landed"), s.get("healed"))
                for s in spans
            ]
        return tuple(sorted(faults, key=lambda fault: fault.began_ns))

    def place(self, topic: str, partition: int) -> Text:
        """Return the partition's name, with its topic where there are several."""
        if self.topics <= 1:
            return Text(ko=f"파티션 {partition}", en=f"partition {partition}")
        return Text(ko=f"{topic} 파티션 {partition}", en=f"partition {partition} of {topic}")

    def leader_at(self, topic: str, partition: int, t_ns: int | None = None) -> int | None:
        """Return who led the partition at a time, or at the end; None when the history does not know."""
        if self._history.leaders.is_empty():
            return None
        rows = self._history.leaders.filter(
            (pl.col("topic") == topic)
            & (pl.col("partition") == partition)
            & (pl.col("t") <= t_ns if t_ns else True)
        ).sort("t")
        leader = rows["leader"][-1] if rows.height else -1
        return int(leader) if leader >= 0 else None

    def acknowledged(self, record: dict[str, object]) -> Text:
        """Return where, by whom and when a record was acknowledged; `record` is an example of `acknowledgement`."""
        place = self.place(str(record["topic"]), int(str(record["partition"])))
        broker, at = record.get("acknowledged_by"), record["acknowledged_s"]
        by = (
            Text(ko=f"브로커 {broker} ", en=f" by broker {broker}")
            if broker is not None
            else Text(ko="", en="")
        )
        return Text(
            ko=f"메시지 {record['id']}, {place.ko}, 오프셋 {record['offset']}, {at:.3f}초에 {by.ko}승인",
            en=f"record {record['id']}, {place.en}, offset {record['offset']}, acknowledged{by.en} at {at:.3f} s",
        )

    def acknowledgement(self, row: dict[str, object]) -> dict[str, object]:
        """Return an example from a row of `completions` (id, topic, partition, offset, t, actor)."""
        t_ns = int(str(row["t"]))
        example = {name: row[name] for name in ("id", "topic", "partition", "offset", "actor")}
        example["acknowledged_s"] = self.seconds(t_ns)
        if row["partition"] is not None:
            leader = self.leader_at(str(row["topic"]), int(str(row["partition"])), t_ns)
            if leader is not None:
                example["acknowledged_by"] = leader
        return example

    def downfall(self, broker: int, t_ns: int) -> Text | None:
        """Return what befell a broker after a time, if anything did."""
        for fault in self.faults:
            if fault.target == f"broker-{broker}" and fault.began_ns >= t_ns:
                what = FELLED.get(
                    fault.name, Text(ko=f"장애({fault.name})를 겪음", en=f"met the fault {fault.name}")
                )
                at = self.seconds(fault.began_ns)
                return Text(
                    ko=f"브로커 {broker}{topic_mark(broker)} {at:.3f}초에 {what.ko}",
                    en=f"broker {broker} {what.en} at {at:.3f} s",
                )
        return None

    def ending(self, topic: str, partition: int, log_end: int, before: int | None) -> Text:
        """Return who leads in the end, and where its log ends; `before` led when the record was acknowledged."""
        leader = self.leader_at(topic, partition)
        if leader is None or leader == before:
            return Text(
                ko=f"로그는 이 메시지 없이 오프셋 {log_end}에서 끝남",
                en=f"the log ends at offset {log_end} without it",
            )
        return Text(
            ko=f"새 리더 브로커 {leader}의 로그는 이 메시지 없이 오프셋 {log_end}에서 끝남",
            en=f"the new leader, broker {leader}, ends at offset {log_end} without it",
        )


def topic_mark(number: int) -> str:
    """Return the Korean topic particle that follows a number read aloud."""
    return "은" if str(number)[-1] in "013678" else "는"


def first(*parts: Text | None) -> Text:
    """Return 'First: a; b; c.' of the parts that are known."""
    known = [part for part in parts if part is not None]
    return Text(
        ko=f"첫 사례: {'; '.join(part.ko for part in known)}.",
        en=f"First: {'; '.join(part.en for part in known)}.",
    )
