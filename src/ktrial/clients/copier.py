"""The copier process: `python -m ktrial.clients.copier`. It consumes, transforms, produces, over and over.

    specification  {"actor", "journal": folder, "config": {librdkafka's consumer settings}, "source", "target",
                    "group", "first_id", "transactional_id": text or null, "batch",
                    "halt": {"at": POINT, "after": records} or null}
    go_on          {} out of a halt            tally {} -> {"copied"}
    close          {} -> {"copied"}, and the process ends
    events         ready, halted {"at"}, fenced

The output of an input is a record of its own with the input's id as its key, on the partition of the same number. With
a transactional.id offsets go into the transaction; without one they are committed after the outputs were acknowledged.
A consumer does not rewind when a transaction is aborted (KAFKA-17582): the copier seeks back itself.
Points to halt at: `produced` (outputs sent, offsets not), `offsets` (offsets in the transaction, not committed).
"""

from __future__ import annotations

import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from ktrial.clients.channel import Channel, Command, end_now, live, log
from ktrial.clients.deliveries import Deliveries
from ktrial.clients.intake import Intake, offset_of, place_of
from ktrial.clients.profile import check, complete
from ktrial.clients.transactions import Fenced, Transactions
from ktrial.errors import KtrialError
from ktrial.history.journal import CALL, Journal
from ktrial.history.payload import decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

POLL_S = 0.1
FLUSH_LIMIT_S = 30.0
RECORD_BYTES = 60
LOOK_S = 0.01


class CopierProcess:
    """What the copying thread does; the listening thread sets `closing` and `going_on`."""

    def __init__(self, channel: Channel, specification: Command) -> None:
        """Make journal, consumer and producer; raises UsageProblem for settings that the library refuses."""
        actor, config = specification["actor"], dict(specification.get("config") or {})
        check("consumer", config)
        self.channel = channel
        self.closing, self.going_on = threading.Event(), threading.Event()
        self.copied = 0
        self._target = str(specification["target"])
        self._batch = int(specification.get("batch") or 20)
        self._next_id = int(specification["first_id"])
        self._halt = dict(specification.get("halt") or {})
        self._journal = Journal(Path(specification["journal"]), actor)
        own = {"client.id": actor, "group.id": specification["group"]}
        self._consumer = Consumer(complete("consumer", {**own, **config, "enable.auto.commit": "false"}))
        self._intake = Intake(self._journal, "read_uncommitted", specification["group"])
        produces = {"bootstrap.servers": config["bootstrap.servers"], "client.id": actor, "acks": "all"}
        transactional_id = specification.get("transactional_id")
        if transactional_id:
            produces["transactional.id"] = transactional_id
        settings = complete("producer", produces)
        self._deliveries = Deliveries(self._journal, settings)
        self._producer = Producer(settings)
        self._transactions = (
            Transactions(self._producer, self._journal, transactional_id) if transactional_id else None
        )
        self._actor, self._turn = actor, 0
        self._consumer.subscribe([str(specification["source"])])

    def run(self) -> None:
        """Copy until closing; a failure of ours ends the whole process, and says so."""
        try:
            while not self.closing.is_set():
                self._copy(self._handed_over())
        except Fenced as problem:
            log(str(problem))
            self.channel.event("fenced")
            self.closing.wait()
        except KtrialError as problem:
            self.channel.event("failed", error=str(problem))
            end_now(problem.exit_status)
        except Exception as error:  # noqa: BLE001 - the thread's outermost frame: nobody else would tell
            log(traceback.format_exc())
            self.channel.event("failed", error=f"The copier process broke: {error!r}")
            end_now(KtrialError.exit_status)
        self._consumer.close()
        self._journal.close()

    def _handed_over(self) -> list[Message]:
        first = self._consumer.poll(POLL_S)
        messages = [] if first is None else [first, *self._consumer.consume(self._batch - 1, 0)]
        return [message for message in messages if message.error() is None]

    def _copy(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        self._intake.take(messages)
        if self._transactions:
            self._turn += 1
            self._transactions.begin(f"{self._actor}-{self._turn}")
        self._send(messages)
        self._point("produced", len(messages))
        try:
            self._commit(messages)
        except KafkaException as refusal:
            self._back(messages, refusal)
            return
        self.copied += len(messages)

    def _send(self, messages: Sequence[Message]) -> None:
        """Write the calls down, then produce each output; its key is the input's id."""
        told = [decode(message.value(), message.key()) for message in messages]
        outputs = [(message, each[0]) for message, each in zip(messages, told, strict=True) if each]
        ids = np.arange(self._next_id, self._next_id + len(outputs), dtype=np.int64)
        self._next_id += len(outputs)
        rows = np.empty(len(outputs), dtype=CALL)
        rows["id"], rows["topic"] = ids, self._journal.name(self._target)
        rows["key"] = self._journal.names([str(source) for _, source in outputs])
        rows["txn"] = self._transactions.number if self._transactions else -1
        rows["t"] = time.monotonic_ns() + np.arange(len(outputs))
        self._journal.calls(rows)
        for number, (message, source) in zip(ids.tolist(), outputs, strict=True):
            key = str(source).encode()
            self._deliveries.called += 1
            self._producer.produce(
                self._target,
                encode(number, key, RECORD_BYTES),
                key,
                partition=place_of(message)[1],
                on_delivery=self._deliveries.callback,
            )
        self._producer.poll(0)

    def _commit(self, messages: Sequence[Message]) -> None:
        """Commit outputs and offsets: as one, or one after the other."""
        ends = {place_of(message): offset_of(message) + 1 for message in messages}
        places = [TopicPartition(*place, offset) for place, offset in ends.items()]
        if self._transactions:
            self._transactions.add_offsets(places, self._consumer)
            self._point("offsets", len(messages))
            self._transactions.commit()
        else:
            self._producer.flush(FLUSH_LIMIT_S)
            self._consumer.commit(offsets=places, asynchronous=False)
        self._producer.poll(0)
        self._deliveries.write_down()

    def _back(self, messages: Sequence[Message], refusal: KafkaException) -> None:
        """Abort where that is safe, and take the position back to what was not copied."""
        error = refusal.args[0]
        log(f"{error.name()}: {error.str()}")
        if self._transactions:
            if (
                not error.txn_requires_abort()
            ):  # nobody knows whether it was committed: begin anew, never abort
                raise KtrialError(f"The outcome of a commit is unknown ({error.name()}).") from refusal
            self._transactions.abort()
        self._deliveries.write_down()
        firsts: dict[tuple[str, int], int] = {}
        for message in messages:
            firsts.setdefault(place_of(message), offset_of(message))
        for place, offset in firsts.items():
            self._consumer.seek(TopicPartition(*place, offset))

    def _point(self, name: str, more: int) -> None:
        """Halt here, if this is the point and enough was copied."""
        if self._halt.get("at") != name or self.copied + more < int(self._halt.get("after", 0)):
            return
        self._halt = {}
        self._producer.flush(FLUSH_LIMIT_S)
        self._deliveries.write_down()
        self.channel.event("halted", at=name)
        while not self.going_on.wait(LOOK_S):
            if self.closing.is_set():
                return


def life(channel: Channel, specification: Command) -> int:
    """Listen until `close` or the end of input; return the exit status."""
    process = CopierProcess(channel, specification)
    copying = threading.Thread(target=process.run, daemon=True)
    copying.start()
    channel.event("ready")
    final: Command = {"do": "close"}
    for command in channel.commands():
        match command.get("do"):
            case "tally":
                channel.reply(command, copied=process.copied)
            case "go_on":
                process.going_on.set()
                channel.reply(command)
            case "close":
                final = command
                break
            case other:
                channel.refuse(command, f"A copier cannot {other!r}.")
    process.closing.set()
    copying.join(10.0)
    channel.reply(final, copied=process.copied)
    return 1 if copying.is_alive() else 0


if __name__ == "__main__":
    live(life)
