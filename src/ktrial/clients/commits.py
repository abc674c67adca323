"""When a member commits what it has read, and what became of each commit.

    stored       the library commits in the background what the polls *before* the current one returned: Java's way
    handed-out   librdkafka's own way: an offset is stored when the record is handed out, and a crash loses the record
    before       by hand, synchronously, before a batch is processed
    after        by hand, synchronously, after a batch was processed, or after every n records
    never        not at all

Whatever is done and not committed yet is committed when partitions are given up in good order; of partitions that
were lost nothing is committed, for they are somebody else's by then.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from ktrial.clients.intake import offset_of, place_of
from ktrial.clients.outcome import Outcome
from ktrial.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from confluent_kafka import Consumer, Message

    from ktrial.clients.profile import Setting
    from ktrial.clients.work import Place
    from ktrial.history.journal import Journal

WAYS = ("stored", "handed-out", "before", "after", "never")
NO_COMMIT = frozenset({"_NO_OFFSET"})
COMMIT_REFUSED = frozenset(
    {"GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "OFFSET_METADATA_TOO_LARGE"}
)
"""Commits that certainly did not happen; any other error may follow one that did (an earlier attempt's answer lost)."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to commit; `every` n records (0: every batch) where it is done by hand afterwards."""

    name: str
    every: int = 0

    @classmethod
    def of(cls, told: Mapping[str, Any] | None, settings: Mapping[str, Setting]) -> Self:
        """Return what a specification asks for, or else what the settings mean; raises UsageProblem."""
        if told is None:
            if not _is_on(settings.get("enable.auto.commit", True)):
                return cls("never")
            return cls("handed-out" if _is_on(settings.get("enable.auto.offset.store", True)) else "stored")
        name, every = told.get("when"), told.get("every", 0)
        if name not in WAYS or type(every) is not int or every < 0:
            raise UsageProblem(
                f"Nobody can commit like this: {told!r}.", mend=f"The ways are {', '.join(WAYS)}."
            )
        return cls(name, every)

    @property
    def settings(self) -> dict[str, Setting]:
        """The library's settings that belong to it."""
        automatic = self.name in ("stored", "handed-out")
        return {"enable.auto.commit": automatic, "enable.auto.offset.store": self.name == "handed-out"}


class Commits:
    """Commits for one member, in one way, and writes every outcome down."""

    def __init__(self, journal: Journal, group: str | None, way: Way) -> None:
        """Prepare; `consumer` must be set before anything is read."""
        self.consumer: Consumer
        self._journal = journal
        self._group = group
        self._way = way
        self._told: dict[Place, int] = {}  # what was stored or committed last
        self._since = 0

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
        """Store what is done with, where that is the way: as in Java, a new poll says so of the polls before it."""
        if self._way.name != "stored":
            return
        for (topic, partition), offset in self._news(positions).items():
            with contextlib.suppress(KafkaException):  # no longer ours: nothing to store
                self.consumer.store_offsets(offsets=[TopicPartition(topic, partition, offset)])
                self._told[topic, partition] = offset

    def giving_up(self, places: Collection[Place], positions: Mapping[Place, int]) -> None:
        """Commit what is done in partitions that are being given up; what is stored the library commits itself."""
        theirs = {place: offset for place, offset in positions.items() if place in places}
        self.next_poll(theirs)
        if self._way.name == "after":
            self._commit(theirs)
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
        try:
            answered = self.consumer.commit(offsets=asked, asynchronous=False)
        except KafkaException as refusal:
            self.on_commit(refusal.args[0], asked)
        else:
            self.on_commit(None, answered or [])
            self._told.update(news)

    def _news(self, positions: Mapping[Place, int]) -> dict[Place, int]:
        return {place: offset for place, offset in positions.items() if self._told.get(place) != offset}


def _is_on(setting: Setting) -> bool:
    return str(setting).lower() in ("true", "t", "1")
