"""The producer process: `python -m ktrial.clients.producer`, spoken to over a `Channel`.

    specification  {"actor", "journal": folder, "config": {librdkafka settings, verbatim}, "seed"}
    send           {"topic", "first_id", "count", "size", "keys", "partition", "per_s", "one_by_one",
                    "tombstones", "shape"} -> {"called"}
    flush          {"limit_s"} -> {"outstanding"}          close  {"limit_s"} -> {"outstanding"}, and the process ends
    tally          {} -> {"called", "ok", "failed", "unknown", "unacknowledged"}
    begin {"txn"}, commit {}, abort {}   of a producer with a transactional.id; sends in between belong to it
    stop_sending   {} ends the sends asked for so far; each of them replies how many records it called

Two threads: one listens, answering `tally` and `stop_sending` at once, and one sends and polls. The listener sleeps
in a read, so they do not fight for the interpreter.

What to know of the library: with idempotence it keeps one batch per partition in flight (Java: five), and its threads
spin while a batch that is due waits for the one before. Both cost throughput on a machine that brokers share.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import confluent_kafka
import numpy as np

from ktrial.clients.channel import Channel, Command, end_now, live, log
from ktrial.clients.deliveries import Deliveries
from ktrial.clients.profile import check, complete
from ktrial.clients.requests import Send
from ktrial.clients.tombstones import Burial
from ktrial.clients.transactions import Transactions
from ktrial.errors import KtrialError, StageProblem, UsageProblem
from ktrial.history.journal import CALL, NO_NAME, Journal
from ktrial.history.payload import Encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

POLL_S = 0.01
IDLE_S = 0.2
ROOM_S = 0.1
GATHER_S = 0.003
CLOSE_LIMIT_S = 10.0
GRACE_S = 5.0
QUEUE_FULL = confluent_kafka.KafkaError._QUEUE_FULL  # noqa: SLF001 - the library's public constants begin like this


class ProducerProcess:
    """What the sending thread does; `stop_sending` and `closing` are how the listening thread interrupts it."""

    def __init__(self, channel: Channel, specification: Command) -> None:
        """Make the journal and the library's producer; raises UsageProblem for settings that it refuses."""
        chosen = specification.get("config") or {}
        check("producer", chosen)
        settings = complete("producer", {"client.id": specification["actor"], **chosen})
        self.channel = channel
        self.closing = threading.Event()
        self.commands: queue.SimpleQueue[tuple[int, Command]] = queue.SimpleQueue()
        self.stopped_through = 0
        self._seed = int(specification.get("seed") or 0)
        self._journal = Journal(Path(specification["journal"]), specification["actor"])
        self.deliveries = Deliveries(self._journal, settings)
        self._producer = confluent_kafka.Producer({**settings, "error_cb": _log_error})
        name = chosen.get("transactional.id")
        self._transactions = Transactions(self._producer, self._journal, str(name)) if name else None

    def run(self) -> None:
        """Carry out commands until `close`; a failure of ours ends the whole process, and says so."""
        try:
            while self._next():
                pass
        except KtrialError as problem:
            self.channel.event("failed", error=str(problem))
            end_now(problem.exit_status)
        except Exception as error:  # noqa: BLE001 - the thread's outermost frame: nobody else would tell
            log(traceback.format_exc())
            self.channel.event("failed", error=f"The producer process broke: {error!r}")
            end_now(KtrialError.exit_status)

    def _next(self) -> bool:
        """Serve reports, carry out at most one command, and return whether to go on."""
        try:
            if self.deliveries.outstanding:
                self._poll(POLL_S)
                place, command = self.commands.get_nowait()
            else:
                place, command = self.commands.get(timeout=IDLE_S)
        except queue.Empty:
            self._poll(0)
            return True
        match command.get("do"):
            case "send":
                self._send(place, command)
            case "begin" | "commit" | "abort":
                self._transact(command)
            case "flush":
                self._wait_for_outcomes(float(command.get("limit_s", CLOSE_LIMIT_S)), unless_closing=True)
                self.channel.reply(command, outstanding=self.deliveries.outstanding)
            case "close":
                self._close(command)
                return False
            case other:
                self.channel.refuse(command, f"A producer cannot {other!r}.")
        return True

    def _transact(self, command: Command) -> None:
        if self._transactions is None:
            self.channel.refuse(command, "This producer has no transactional.id.")
            return
        try:
            if command["do"] == "begin":
                self._transactions.begin(str(command["txn"]))
            elif command["do"] == "commit":
                self._transactions.commit()
            else:
                self._transactions.abort()
        except (StageProblem, confluent_kafka.KafkaException) as problem:
            self.channel.refuse(command, str(problem))
            return
        self._poll(0)
        self.channel.reply(command)

    def _send(self, place: int, command: Command) -> None:
        try:
            send = Send.of(command)
            encoder = Encoder(self._seed, send.size, send.shape)
        except (UsageProblem, ValueError) as problem:
            self.channel.refuse(command, str(problem))
            return
        began = time.monotonic()
        sent = 0
        while sent < send.count and not self._stopped(place):
            count = send.due(sent, time.monotonic() - began)
            if count:
                self._hand_over(place, send, encoder, sent, count)
                sent += count
                self._poll(0)
                while send.one_by_one and self.deliveries.outstanding and not self._stopped(place):
                    self._poll(POLL_S)
            else:
                self._wait_until(began + send.next_due_s(sent))
        self.channel.reply(command, called=sent, **({"stopped": True} if sent < send.count else {}))

    def _stopped(self, place: int) -> bool:
        return place <= self.stopped_through or self.closing.is_set()

    def _wait_until(self, moment: float) -> None:
        """Wait for a moment of the monotonic clock, or for a report that comes before it."""
        remaining = moment - time.monotonic()
        if remaining >= 0.001:  # the library polls in whole milliseconds
            self._poll(min(remaining, POLL_S))
        elif remaining > 0:
            time.sleep(remaining)

    def _hand_over(self, place: int, send: Send, encoder: Encoder, first: int, count: int) -> None:
        """Write `count` calls down, then give the records to the library, waiting while its queue is full."""
        ids = np.arange(send.first_id + first, send.first_id + first + count, dtype=np.int64)
        if send.tombstones:
            Burial(self._producer, self._journal, self.deliveries).carry_out(send, first, count)
            return
        texts = send.keys(first, count)
        keys = None if texts is None else [None if text is None else text.encode() for text in texts]
        values = encoder.encode(ids, keys)
        self._write_calls(ids, send.topic, texts)
        messages: list[dict[str, Any]] = [{"value": value} for value in values]
        if keys is not None:
            for message, key in zip(messages, keys, strict=True):
                message["key"] = key
        self.deliveries.called += count
        while messages:
            messages, ids = self._produce(send, messages, ids)
            if messages and self._stopped(place):
                self.deliveries.refused(send.topic, ids, confluent_kafka.KafkaError(QUEUE_FULL))
                return
            if messages:
                self._wait_for_room(len(messages))

    def _write_calls(self, ids: NDArray[np.int64], topic: str, keys: list[str | None] | None) -> None:
        rows = np.empty(len(ids), dtype=CALL)
        txn = self._transactions.number if self._transactions else NO_NAME
        rows["id"], rows["topic"], rows["txn"] = ids, self._journal.name(topic), txn
        rows["key"] = NO_NAME if keys is None else self._journal.names(keys)
        rows["t"] = time.monotonic_ns() + np.arange(
            len(ids)
        )  # the order within a batch is part of the history
        self._journal.calls(rows)

    def _produce(
        self, send: Send, messages: list[dict[str, Any]], ids: NDArray[np.int64]
    ) -> tuple[list[dict[str, Any]], NDArray[np.int64]]:
        """Give records to the library; return those for which its queue had no room, to be offered again."""
        partition = -1 if send.partition is None else send.partition
        try:
            taken = self._producer.produce_batch(
                send.topic, messages, partition=partition, on_delivery=self.deliveries.callback
            )
        except (
            confluent_kafka.KafkaException
        ) as refusal:  # a fatal error of before: it takes nothing any more
            self.deliveries.refused(send.topic, ids, refusal.args[0])
            return [], ids[:0]
        if taken == len(messages):
            return [], ids[:0]
        waiting = []
        for place, message in enumerate(messages):
            error = message.pop("_error", None)
            if error is not None and error.code() == QUEUE_FULL:
                waiting.append(place)
            elif error is not None:
                self.deliveries.refused(send.topic, ids[place : place + 1], error)
        return [messages[place] for place in waiting], ids[waiting]

    def _wait_for_room(self, count: int) -> None:
        """Poll until as many records have an outcome as are waiting to be queued, or for a moment at most.

        Sleeping in between gathers reports: waking up for each batch would cost the brokers processor time.
        """
        target = max(0, self.deliveries.outstanding - 2 * count)
        deadline = time.monotonic() + ROOM_S
        while self.deliveries.outstanding > target and time.monotonic() < deadline:
            time.sleep(GATHER_S)
            self._poll(0)

    def _poll(self, limit_s: float) -> None:
        self._producer.poll(limit_s)
        self.deliveries.write_down()

    def _wait_for_outcomes(self, limit_s: float, *, unless_closing: bool) -> None:
        deadline = time.monotonic() + limit_s
        while self.deliveries.outstanding and time.monotonic() < deadline:
            if unless_closing and self.closing.is_set():
                return
            self._poll(POLL_S)

    def _close(self, command: Command) -> None:
        """Give what is outstanding its chance, then leave it as it is: without an outcome, that is unknown."""
        self._wait_for_outcomes(float(command.get("limit_s", CLOSE_LIMIT_S)), unless_closing=False)
        self._poll(0)
        self._journal.close()
        self.channel.reply(command, outstanding=self.deliveries.outstanding)


def life(channel: Channel, specification: Command) -> int:
    """Listen until `close` or the end of input; return the exit status."""
    process = ProducerProcess(channel, specification)
    sending = threading.Thread(target=process.run, daemon=True)
    sending.start()
    channel.event("ready")
    place = 0
    final: Command = {"do": "close"}
    for command in channel.commands():
        match command.get("do"):
            case "tally":
                channel.reply(command, **process.deliveries.tally())
            case "stop_sending":
                process.stopped_through = place
                channel.reply(command)
            case "close":
                final = command
                break
            case _:
                place += 1
                process.commands.put((place, command))
    process.closing.set()
    process.commands.put((place + 1, final))
    sending.join(float(final.get("limit_s", CLOSE_LIMIT_S)) + GRACE_S)
    return 1 if sending.is_alive() else 0


def _log_error(error: confluent_kafka.KafkaError) -> None:
    log(f"{error.name()}: {error.str()}")


if __name__ == "__main__":
    live(life)
