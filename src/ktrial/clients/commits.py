"""When a member commits what it has read, and what became of each commit.

    stored       now and then, at a poll, what the polls *before* it returned: Java's way of committing automatically
    handed-out   librdkafka's own way: stored when the record is handed out, committed in the background; a crash skips
    before       by hand, synchronously, before a batch is processed
    after        by hand, synchronously, after a batch was processed, or after every n records
    never        not at all

Whatever is done and not committed yet is committed when partitions are given up in good order, and before they are;
of partitions that were lost nothing is committed, for they are somebody else's by then. Java's way is made of commits
of our own, because the library tells late what became of its: only when the application polls again, and by then the
partition may be another member's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ktrial.clients.intake import offset_of, place_of
from ktrial.clients.outcome import Outcome
from ktrial.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from confluent_kafka import Consumer, Message

    from ktrial.clients.profile import Setting
    from ktrial.clients.work import Place
    from ktrial.history.journal import Journal

WAYS = ("stored", "handed-out", "before", "after", "never")
JAVA_INTERVAL_MS = 5000
NO_COMMIT = frozenset({"_NO_OFFSET"})
COMMIT_REFUSED = frozenset(
    {"GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "OFFSET_METADATA_TOO_LARGE"}
)
"""Commits that certainly did not happen; any other error may follow one that did (an earlier attempt's answer lost)."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to commit: `every` n records (0: every batch) where it is done afterwards, at most every `interval_s`."""

    name: str
    every: int = 0
    interval_s: float = 0.0

    @classmethod
    def of(cls, told: Mapping[str, Any] | None, settings: Mapping[str, Setting]) -> Self:
        """Return what a specification asks for, or else what the settings mean; raises UsageProblem."""
        interval_s = float(str(settings.get("auto.commit.interval.ms", JAVA_INTERVAL_MS))) / 1000
        if told is None:
            if not _is_on(settings.get("enable.auto.commit", True)):
                return cls("never")
            if _is_on(settings.get("enable.auto.offset.store", True)):
                return cls("handed-out")
            return cls("stored", 0, interval_s)
        name, every = told.get("when"), told.get("every", 0)
        if name not in WAYS or type(every) is not int or every < 0:
            raise UsageProblem(
                f"Nobody can commit like this: {told!r}.", mend=f"The ways are {', '.join(WAYS)}."
            )
        return cls(name, every, interval_s if name == "stored" else 0.0)

    @property
    def settings(self) -> dict[str, Setting]:
        """The library's settings that belong to it: only its own way is done by itself."""
        by_itself = self.name == "handed-out"
        return {"enable.auto.commit": by_itself, "enable.auto.offset.store": by_itself}


class Commits:
    """Commits for one member, in one way, and writes every outcome down."""

    def __init__(self, journal: Journal, group: str | None, way: Way) -> None:
        """Prepare; `consumer` must be set before anything is read."""
        self.consumer: Consumer
        self._journal = journal
        self._group = group
        self._way = way
        self._told: dict[Place, int] = {}  # what was committed last
        self._since = 0
        self._due_s = time.monotonic() + way.interval_s

    def batch_handed(self, messages: Sequence[Message]) -> None:
        """Commit a batch that nobody has looked at yet, where that is the way."""
        if self._way.name == "before":
            self._commit({place_of(message): offset_of(message) + 1 for message in messages})

    def one_done(self, positions: Mapping[Place, int]) -> None:
        """Commit after every n records, where that is the way."""
        if self._way.name == "after" and self._way.every:
            self._since += 1
            if self._since >= self._way.every:
                self._commit(positions)

    def batch_done(self, positions: Mapping[Place, int]) -> None:
        """Commit a batch that was processed, where that is the way."""
        if self._way.name == "after" and not self._way.every:
            self._commit(positions)

    def next_poll(self, positions: Mapping[Place, int]) -> None:
        """Commit what is done with, where that is the way and it is time: a new poll says so of the polls before."""
        if self._way.name == "stored" and time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + self._way.interval_s
            self._commit(positions)

    def giving_up(self, places: Collection[Place], positions: Mapping[Place, int]) -> None:
        """Commit what is done in partitions that are being given up, as long as they are ours."""
        if self._way.name in ("stored", "after"):
            self._commit({place: offset for place, offset in positions.items() if place in places})
        elif self._way.name == "handed-out":
            self._try(lambda: self.consumer.commit(asynchronous=False), ())
        self.forget(places)

    def forget(self, places: Collection[Place]) -> None:
        """Commit nothing of these partitions any more."""
        self._told = {place: offset for place, offset in self._told.items() if place not in places}

    def on_commit(self, error: KafkaError | None, places: Sequence[TopicPartition]) -> None:
        """Write down what became of a commit; the library calls this for those that it makes itself."""
        for place in places:
            wrong = place.error or error
            if place.offset < 0 or (wrong is not None and wrong.name() in NO_COMMIT):
                continue
            if wrong is None:
                outcome = Outcome.OK
            else:
                outcome = Outcome.FAILED if wrong.name() in COMMIT_REFUSED else Outcome.UNKNOWN
            self._journal.note(
                "committed",
                outcome.value,
                group=self._group,
                topic=place.topic,
                partition=place.partition,
                offset=place.offset,
                error=None if wrong is None else wrong.name(),
            )

    def _commit(self, positions: Mapping[Place, int]) -> None:
        self._since = 0
        news = self._news(positions)
        if not news:
            return
        asked = [TopicPartition(topic, partition, offset) for (topic, partition), offset in news.items()]
        if self._try(lambda: self.consumer.commit(offsets=asked, asynchronous=False), asked):
            self._told.update(news)

    def _try(
        self, commit: Callable[[], list[TopicPartition] | None], asked: Sequence[TopicPartition]
    ) -> bool:
        """Commit and write down what became of it; return whether the coordinator took it."""
        try:
            answered = commit() or []
        except KafkaException as refusal:
            self.on_commit(refusal.args[0], asked)
            return False
        self.on_commit(None, answered)
        return not any(each.error for each in answered)

    def _news(self, positions: Mapping[Place, int]) -> dict[Place, int]:
        return {place: offset for place, offset in positions.items() if self._told.get(place) != offset}


def _is_on(setting: Setting) -> bool:
    return str(setting).lower() in ("true", "t", "1")
