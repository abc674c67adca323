"""The final reader's process: `python -m ktrial.clients.reader`. It reads partitions whole, and proves it.

    specification  {"actor", "journal": folder, "bootstrap", "topics": [{"topic", "partitions": n}, ...],
                    "isolations": [...], "config": {settings for security, optional}, "limit_s", "stable_limit_s"}
    reply          {"did": "read", "records", "ends": [...]}, or {"error", "waiting": [...]}; then the process ends

Everything must have been healed before. To each partition it writes a sentinel (acks=all), so that all before it is
committed, then takes the end offsets, and reads with a fresh client outside of any group, from the log's start, until
its *position* has reached the end. Never a count (that hides repetitions) nor a silence (a late record is no lost
one). Control records occupy offsets without being handed out: only the end-of-partition event tells that the position
passed them. Under read_committed the library's end is the last stable offset, so that is taken as the end, and a
last stable offset below the log's end is waited for a while and then reported as it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from ktrial.clients.channel import Channel, Command, live, log
from ktrial.clients.intake import PARTITION_EOF, Intake, offset_of, place_of
from ktrial.errors import WaitTimedOut
from ktrial.history.journal import Journal
from ktrial.history.payload import SENTINEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

LIMIT_S = 60.0
STABLE_LIMIT_S = 10.0
QUERY_S = 5.0
POLL_S = 0.1
BATCH = 5000
TRANSIENT_PAUSE_S = 0.1
UNCOMMITTED, COMMITTED = "read_uncommitted", "read_committed"
Place = tuple[str, int]


@dataclass(slots=True)
class Partition:
    """One partition on its way to being read: offsets as the brokers tell them, and how far the reader is."""

    topic: str
    number: int
    sentinel: int = -1
    log_start: int = 0
    log_end: int = -1
    last_stable: int = -1
    position: dict[str, int] = field(default_factory=dict)

    def end(self, isolation: str) -> int:
        """Return the offset at which a reader of this isolation level is through."""
        return self.log_end if isolation == UNCOMMITTED else self.last_stable


class FinalReader:
    """One reading of all partitions, at every isolation level asked for."""

    def __init__(self, specification: Command) -> None:
        """Take the time limit from now."""
        self.partitions: dict[Place, Partition] = {
            (each["topic"], number): Partition(each["topic"], number)
            for each in specification["topics"]
            for number in range(each["partitions"])
        }
        self.limit_s = float(specification.get("limit_s", LIMIT_S))
        self.records = 0
        self.ends: list[dict[str, Any]] = []
        self._consumers: list[Consumer] = []
        self._deadline = time.monotonic() + self.limit_s
        self._stable_limit_s = float(specification.get("stable_limit_s", STABLE_LIMIT_S))
        self._isolations: Sequence[str] = specification.get("isolations") or [UNCOMMITTED]
        self._journal = Journal(Path(specification["journal"]), specification["actor"])
        self._settings = {
            **(specification.get("config") or {}),
            "bootstrap.servers": specification["bootstrap"],
            "client.id": specification["actor"],
            "reconnect.backoff.max.ms": 500,  # brokers have just been healed
        }

    def read(self) -> None:
        """Do all of it; raises WaitTimedOut that names the partition, its position and its end."""
        self._write_sentinels()
        scouts = {isolation: self._consumer(isolation) for isolation in (UNCOMMITTED, COMMITTED)}
        for partition in self.partitions.values():
            self._find_end(scouts, partition)
        for isolation in self._isolations:
            self._read_all(isolation)
            for partition in self.partitions.values():
                self._note_end(scouts[UNCOMMITTED], partition, isolation)
        self._journal.close()

    def waiting(self) -> list[list[object]]:
        """Return [topic, partition, isolation, position, end] of every partition that was not read to its end."""
        return [
            [each.topic, each.number, isolation, each.position.get(isolation, -1), each.end(isolation)]
            for isolation in self._isolations
            for each in self.partitions.values()
            if each.end(isolation) < 0 or each.position.get(isolation, -1) < each.end(isolation)
        ]

    def _write_sentinels(self) -> None:
        """Write one sentinel to each partition and learn its offset; its key lets compacted topics take it."""
        # Not idempotent: a repeated sentinel does no harm, and a producer id costs a wait after a restart.
        producer = Producer({**self._settings, "acks": "all", "linger.ms": 0})
        last_seen = "no answer"

        def landed(error: KafkaError | None, message: Message) -> None:
            nonlocal last_seen
            if error is not None:
                last_seen = error.name()
                refused.append(place_of(message))
            else:
                self.partitions[place_of(message)].sentinel = offset_of(message)

        def produce(place: Place) -> None:
            nonlocal last_seen
            try:
                producer.produce(place[0], SENTINEL, SENTINEL, partition=place[1], on_delivery=landed)
            except KafkaException as refusal:
                last_seen = refusal.args[0].name()
                refused.append(place)

        refused: list[Place] = []
        for place in self.partitions:
            produce(place)
        while missing := [place for place, each in self.partitions.items() if each.sentinel < 0]:
            self._check_time(f"the sentinel on {_named(missing)} to be acknowledged", last_seen)
            producer.poll(POLL_S)
            again, refused[:] = refused[:], []
            for place in again:
                time.sleep(TRANSIENT_PAUSE_S)
                produce(place)

    def _find_end(self, scouts: dict[str, Consumer], partition: Partition) -> None:
        """Take the log's end, which lies behind the sentinel, and the last stable offset once it has caught up."""
        patience = time.monotonic() + self._stable_limit_s
        while partition.log_end <= partition.sentinel:
            partition.log_start, partition.log_end = self._watermarks(scouts[UNCOMMITTED], partition)
        while True:
            partition.last_stable = self._watermarks(scouts[COMMITTED], partition)[1]
            if partition.last_stable > partition.sentinel or time.monotonic() > patience:
                break
            time.sleep(TRANSIENT_PAUSE_S)
        # Newer records may have moved it beyond the end that was taken; this reading ends where the log ended.
        partition.last_stable = min(partition.last_stable, partition.log_end)

    def _watermarks(self, scout: Consumer, partition: Partition) -> tuple[int, int]:
        """Return log start and end as this scout's isolation level shows them, however often it takes to ask."""
        place = TopicPartition(partition.topic, partition.number)
        last_seen = "no answer"
        while True:
            self._check_time(f"the offsets of {partition.topic} [{partition.number}]", last_seen)
            try:
                low, high = scout.get_watermark_offsets(place, timeout=QUERY_S, cached=False)
            except KafkaException as refusal:
                last_seen = refusal.args[0].name()
                time.sleep(TRANSIENT_PAUSE_S)
            else:
                return low, high

    def _read_all(self, isolation: str) -> None:
        consumer = self._consumer(isolation)
        intake = Intake(self._journal, isolation, None)
        # From the offset itself: asking for "the beginning" costs half a second while no leader is known.
        places = [
            TopicPartition(topic, number, each.log_start) for (topic, number), each in self.partitions.items()
        ]
        consumer.assign(places)
        last_seen = ""
        while behind := [each for each in self.partitions.values() if not self._through(each, isolation)]:
            self._check_time(self._awaited(behind[0], isolation), last_seen or "no record")
            first = consumer.poll(POLL_S)
            if first is not None:
                last_seen = self._take([first, *consumer.consume(BATCH, 0)], isolation, intake) or last_seen
        self.records += intake.count

    def _take(self, messages: Sequence[Message], isolation: str, intake: Intake) -> str:
        """Move the positions and journal the records below the end; return the last error's name, or ''."""
        good = []
        last_error = ""
        for message in messages:
            error = message.error()
            if error is not None and error.code() != PARTITION_EOF:
                last_error = error.name()
                log(f"{last_error}: {error.str()}")
                continue
            partition = self.partitions[place_of(message)]
            offset = offset_of(message)
            if error is not None:  # all up to this offset was passed, control records too
                partition.position[isolation] = offset
            else:
                partition.position[isolation] = offset + 1
                if offset < partition.end(isolation):
                    good.append(message)
        if good:
            intake.take(good)
        return last_error

    def _through(self, partition: Partition, isolation: str) -> bool:
        return partition.position.get(isolation, -1) >= partition.end(isolation)

    def _note_end(self, scout: Consumer, partition: Partition, isolation: str) -> None:
        """Write the `end` down; the log's start is taken last, so that what retention took meanwhile is known."""
        end: dict[str, Any] = {
            "topic": partition.topic,
            "partition": partition.number,
            "log_start": self._watermarks(scout, partition)[0],
            "log_end": partition.log_end,
            "last_stable": partition.last_stable,
            "isolation": isolation,
        }
        self._journal.note("end", "ok", **end)
        self.ends.append(end)

    def _consumer(self, isolation: str) -> Consumer:
        """Return a fresh consumer; it is kept until the process ends, because closing one takes half a second."""
        consumer = Consumer(
            {
                **self._settings,
                "group.id": "ktrial-final-reader",  # required by the library, never joined
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "check.crcs": True,
                "fetch.wait.max.ms": 100,
            }
        )
        self._consumers.append(consumer)
        return consumer

    def _awaited(self, partition: Partition, isolation: str) -> str:
        return (
            f"{partition.topic} [{partition.number}] to be read to its end {partition.end(isolation)} ({isolation}; "
            f"position {partition.position.get(isolation, -1)})"
        )

    def _check_time(self, awaited: str, last_seen: str) -> None:
        if time.monotonic() > self._deadline:
            raise WaitTimedOut(awaited, self.limit_s, last_seen)


def life(channel: Channel, specification: Command) -> int:
    """Read once, say how it went, and return the exit status."""
    reader = FinalReader(specification)
    request: Command = {"do": "read", "n": specification.get("n")}
    try:
        reader.read()
    except WaitTimedOut as problem:
        log(str(problem))
        channel.refuse(request, str(problem), kind="WaitTimedOut", waiting=reader.waiting())
        return problem.exit_status
    channel.reply(request, records=reader.records, ends=reader.ends)
    return 0


def _named(places: Sequence[Place]) -> str:
    return ", ".join(f"{topic} [{number}]" for topic, number in places[:3]) + (
        ", ..." if len(places) > 3 else ""
    )


if __name__ == "__main__":
    live(life)
