"""The consumer process: `python -m ktrial.clients.consumer`, spoken to over a `Channel`.

    specification  {"actor", "journal": folder, "config": {librdkafka settings, verbatim}, and either
                    "topics": [...], "group" or "assign": [[topic, partition, offset], ...]
                    "process": {"each_ms", "batch"}: every record is processed, and `processed` written down
                    "commit": {"when", "every"}: see `ktrial.clients.commits`}
    tally          {} -> {"read", "processed", "positions": [[topic, partition, next offset], ...], "owned"}
    halt           {"after": n} it stops once n records in all are processed, before any commit of the last one
    go_on          {} ends the halt                 busy  {"ms"} the next record takes that long
    close          {"limit_s"} -> {"read"}, and the process ends
    events         ready, assigned | revoked | lost {"partitions"}, error {"error"}, halted {"processed"},
                   busy | idle {"ms", "offset"}

Unless the settings say otherwise it commits as the Java client does: every five seconds at a poll, on revocation and
on closing, what the polls *before* the current one returned. Told to close, it finishes the records in hand, unless it
is halted; and those of a partition that it has to give up, but not of one that it lost.
"""

from __future__ import annotations

import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, TopicPartition

from ktrial.clients.channel import Channel, Command, end_now, live, log
from ktrial.clients.commits import Commits, Way
from ktrial.clients.intake import PARTITION_EOF, Intake, place_of
from ktrial.clients.membership import Membership
from ktrial.clients.profile import check, complete
from ktrial.clients.work import Work
from ktrial.errors import KtrialError, UsageProblem
from ktrial.history.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

    from ktrial.clients.profile import Setting

POLL_S = 0.1
BATCH = 500  # Java's max.poll.records
CLOSE_LIMIT_S = 10.0


class ConsumerProcess:
    """What the reading thread does; the listening thread looks at the counts, halts the work and sets `closing`."""

    def __init__(self, channel: Channel, specification: Command) -> None:
        """Make the journal and the library's consumer; raises UsageProblem for settings that it refuses."""
        actor, group = specification["actor"], specification.get("group")
        settings, way = _settled(specification)
        process = specification.get("process")
        self.channel = channel
        self.closing = threading.Event()
        journal = self._journal = Journal(Path(specification["journal"]), actor)
        self.intake = Intake(journal, str(settings.get("isolation.level")), group)
        each_ms = None if process is None else float(process.get("each_ms", 0))
        self.work = Work(journal, channel, group, each_ms, self.closing)
        self.membership = Membership(journal, group)
        self._batch_records = int((process or {}).get("batch", BATCH))
        self._commits = Commits(journal, group, way)
        self._in_hand: list[Message] = []
        self._consumer = Consumer({**settings, "on_commit": self._commits.on_commit, "error_cb": _log_error})
        self._commits.consumer = self._consumer
        self._begin(specification)

    def _begin(self, specification: Command) -> None:
        topics, assigned = specification.get("topics"), specification.get("assign")
        if bool(topics) == bool(assigned) or (topics and not specification.get("group")):
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
            while not self.closing.is_set() and self.work.rest():
                self._take(self._batch())
            self._consumer.close()  # gives everything up in good order: see `_moved`
        except KtrialError as problem:
            self.channel.event("failed", error=str(problem))
            end_now(problem.exit_status)
        except Exception as error:  # noqa: BLE001 - the thread's outermost frame: nobody else would tell
            log(traceback.format_exc())
            self.channel.event("failed", error=f"The consumer process broke: {error!r}")
            end_now(KtrialError.exit_status)
        self._journal.close()

    def _batch(self) -> list[Message]:
        """Wait for one record, then take what else is there: `consume` alone would wait until it has them all.

        Taking more may be when a partition has to be given up; the record in hand is then dealt with before it goes.
        """
        self._commits.next_poll(self.work.positions)
        first = self._consumer.poll(POLL_S)
        if first is None:
            return []
        self._in_hand = [first]
        more = self._consumer.consume(self._batch_records - 1, 0) if self._batch_records > 1 else []
        batch, self._in_hand = [*self._in_hand, *more], []
        return batch

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
            self._commits.batch_handed(good)
            if self.work.do(good, lambda: self._commits.one_done(self.work.positions)):
                self._commits.batch_done(self.work.positions)

    def _moved(self, op: str, partitions: Sequence[TopicPartition]) -> None:
        """Note that partitions came or went; the library does the rest, whole or in steps, once this returns.

        A revocation is noted when the partition is done with, a loss at once: it happened before we were told.
        """
        places = [(each.topic, each.partition) for each in partitions]
        in_hand, self._in_hand = self._in_hand, []
        theirs = [each for each in in_hand if each.error() is None and place_of(each) in places]
        self._in_hand = [each for each in in_hand if each not in theirs]
        if op == "revoked":
            self._take(theirs)
            self._commits.giving_up(places, self.work.positions)
        self.membership.note(op, places, self._consumer.consumer_group_metadata)
        self._commits.forget(places)
        self.work.give_up(places)
        self.channel.event(op, partitions=places)


def life(channel: Channel, specification: Command) -> int:
    """Listen until `close` or the end of input; return the exit status."""
    process = ConsumerProcess(channel, specification)
    reading = threading.Thread(target=process.run, daemon=True)
    reading.start()
    channel.event("ready")
    final: Command = {"do": "close"}
    for command in channel.commands():
        if command.get("do") == "close":
            final = command
            break
        try:
            channel.reply(command, **_done(process, command))
        except (KeyError, TypeError, ValueError) as error:
            channel.refuse(command, f"A consumer cannot do this: {error!r}.")
    process.closing.set()
    reading.join(float(final.get("limit_s", CLOSE_LIMIT_S)))
    channel.reply(final, read=process.intake.count)
    return 1 if reading.is_alive() else 0


def _done(process: ConsumerProcess, command: Command) -> dict[str, object]:
    """Carry a command out and return what it answers; raises KeyError, TypeError, ValueError for nonsense."""
    work = process.work
    match command.get("do"):
        case "tally":
            return {
                "read": process.intake.count,
                "processed": work.done,
                "positions": [[*place, offset] for place, offset in sorted(work.positions.copy().items())],
                "owned": sorted(process.membership.owned),
            }
        case "halt":
            work.halt(int(command["after"]))
        case "go_on":
            work.go_on()
        case "busy":
            work.make_busy(float(command["ms"]))
        case other:
            raise ValueError(other)
    return {}


def _settled(specification: Command) -> tuple[dict[str, Setting], Way]:
    """Return the library's whole settings and the way to commit; raises UsageProblem."""
    chosen = specification.get("config") or {}
    check("consumer", chosen)
    group = specification.get("group")
    own: dict[str, Setting] = {"client.id": specification["actor"]}
    own["group.id"] = group or f"ktrial-{specification['actor']}"
    told = specification.get("commit") if group else {"when": "never"}
    settings = complete("consumer", {**own, **chosen})
    way = Way.of(told, settings)
    return {**settings, **way.settings}, way


def _log_error(error: KafkaError) -> None:
    log(f"{error.name()}: {error.str()}")


if __name__ == "__main__":
    live(life)
