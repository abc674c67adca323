"""The consumer process: `python -m ktrial.clients.consumer`, spoken to over a `Channel`.

    specification  {"actor", "journal": folder, "config": {librdkafka settings, verbatim}, and either
                    "topics": [...], "group" or "assign": [[topic, partition, offset], ...]}
    tally          {} -> {"read", "positions": [[topic, partition, next offset], ...]}
    close          {"limit_s"} -> {"read"}, and the process ends
    events         ready, assigned | revoked | lost {"partitions"}, error {"error"}

Unless the settings say otherwise it commits as the Java client does: every five seconds, on revocation and on
closing, what the polls *before* the current one returned. librdkafka's own way (`enable.auto.offset.store=true`)
stores an offset when the record is handed out, and loses it in a crash.
Members of a group learn their generation from the library only inside opaque metadata, so it is not noted.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from ktrial.clients.channel import Channel, Command, end_now, live, log
from ktrial.clients.intake import PARTITION_EOF, Intake, offset_of, place_of
from ktrial.clients.outcome import Outcome
from ktrial.clients.profile import check, complete
from ktrial.errors import KtrialError, UsageProblem
from ktrial.history.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

POLL_S = 0.1
BATCH = 500  # Java's max.poll.records
CLOSE_LIMIT_S = 10.0
NO_COMMIT = frozenset({"_NO_OFFSET"})
COMMIT_REFUSED = frozenset(
    {"GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "OFFSET_METADATA_TOO_LARGE"}
)
"""Commits that certainly did not happen; any other error may follow one that did (an earlier attempt's answer lost)."""


class ConsumerProcess:
    """What the reading thread does; the listening thread looks at the counts and sets `closing`."""

    def __init__(self, channel: Channel, specification: Command) -> None:
        """Make the journal and the library's consumer; raises UsageProblem for settings that it refuses."""
        actor, self.group = specification["actor"], specification.get("group")
        chosen = specification.get("config") or {}
        check("consumer", chosen)
        own = {"client.id": actor, "group.id": self.group or f"ktrial-{actor}"}
        if not self.group:
            own["enable.auto.commit"] = "false"
        settings = complete("consumer", {**own, **chosen})
        self.channel = channel
        self.closing = threading.Event()
        self.positions: dict[tuple[str, int], int] = {}
        self._journal = Journal(Path(specification["journal"]), actor)
        isolation = str(settings.get("isolation.level"))
        self.intake = Intake(self._journal, isolation, self.group)
        self._stores = str(settings.get("enable.auto.offset.store")).lower() == "false"
        self._stores = self._stores and str(settings.get("enable.auto.commit", True)).lower() == "true"
        self._consumer = Consumer({**settings, "on_commit": self._on_commit, "error_cb": _log_error})
        self._begin(specification)

    def _begin(self, specification: Command) -> None:
        topics, assigned = specification.get("topics"), specification.get("assign")
        if bool(topics) == bool(assigned) or (topics and not self.group):
            raise UsageProblem("A consumer needs topics and a group, or partitions to assign.")
        if assigned:
            places = [
                TopicPartition(topic, int(partition), int(offset)) for topic, partition, offset in assigned
            ]
            self._consumer.assign(places)
        else:
            self._consumer.subscribe(
                list(topics or ()),
                on_assign=lambda _, places: self._moved("assigned", places),
                on_revoke=lambda _, places: self._moved("revoked", places),
                on_lost=lambda _, places: self._moved("lost", places),
            )

    def run(self) -> None:
        """Read until closing; a failure of ours ends the whole process, and says so."""
        try:
            while not self.closing.is_set():
                self._take(self._batch())
        except KtrialError as problem:
            self.channel.event("failed", error=str(problem))
            end_now(problem.exit_status)
        except Exception as error:  # noqa: BLE001 - the thread's outermost frame: nobody else would tell
            log(traceback.format_exc())
            self.channel.event("failed", error=f"The consumer process broke: {error!r}")
            end_now(KtrialError.exit_status)
        self._store()
        self._consumer.close()
        self._journal.close()

    def _batch(self) -> list[Message]:
        """Wait for one record, then take what else is there: `consume` alone would wait until it has them all."""
        self._store()  # as Java: a new poll means that the records of the one before are done with
        first = self._consumer.poll(POLL_S)
        return [] if first is None else [first, *self._consumer.consume(BATCH - 1, 0)]

    def _take(self, messages: Sequence[Message]) -> None:
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.code() != PARTITION_EOF:
                log(f"{error.name()}: {error.str()}")
                self.channel.event("error", error=error.name())
        if good:
            self.intake.take(good)
            positions = self.positions.copy()  # the listener may be looking at the old one
            positions.update({place_of(message): offset_of(message) + 1 for message in good})
            self.positions = positions

    def _moved(self, op: str, places: Sequence[TopicPartition]) -> None:
        """Note that partitions came or went; the library does the rest once this returns."""
        partitions = [[place.topic, place.partition] for place in places]
        self._journal.note(op, "ok", group=self.group, partitions=partitions)
        if op == "revoked":
            self._store()  # the library commits what is stored before it gives them up
        gone = {(place.topic, place.partition) for place in places}
        self.positions = {place: offset for place, offset in self.positions.items() if place not in gone}
        self.channel.event(op, partitions=partitions)

    def _store(self) -> None:
        if not self._stores:
            return
        for (topic, partition), offset in self.positions.items():
            with contextlib.suppress(KafkaException):  # no longer ours: nothing to store
                self._consumer.store_offsets(offsets=[TopicPartition(topic, partition, offset)])

    def _on_commit(self, error: KafkaError | None, places: Sequence[TopicPartition]) -> None:
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
                group=self.group,
                topic=place.topic,
                partition=place.partition,
                offset=place.offset,
                error=None if wrong is None else wrong.name(),
            )


def life(channel: Channel, specification: Command) -> int:
    """Listen until `close` or the end of input; return the exit status."""
    process = ConsumerProcess(channel, specification)
    reading = threading.Thread(target=process.run, daemon=True)
    reading.start()
    channel.event("ready")
    final: Command = {"do": "close"}
    for command in channel.commands():
        match command.get("do"):
            case "tally":
                positions = [[*place, offset] for place, offset in sorted(process.positions.items())]
                channel.reply(command, read=process.intake.count, positions=positions)
            case "close":
                final = command
                break
            case other:
                channel.refuse(command, f"A consumer cannot {other!r}.")
    process.closing.set()
    reading.join(float(final.get("limit_s", CLOSE_LIMIT_S)))
    channel.reply(final, read=process.intake.count)
    return 1 if reading.is_alive() else 0


def _log_error(error: KafkaError) -> None:
    log(f"{error.name()}: {error.str()}")


if __name__ == "__main__":
    live(life)
