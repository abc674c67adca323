"""Transactions of one producer: begun, committed, aborted, each written down; and which records belong to which.

A commit whose outcome is unknown is tried again (`commit_transaction` may be called again after a time-out), never
followed by an abort: the coordinator may have committed already. A producer that was fenced has certainly not
committed: whoever took its transactional.id over has had its open transaction aborted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import confluent_kafka

from ktrial.errors import StageProblem
from ktrial.history.journal import NO_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Consumer, Producer, TopicPartition

    from ktrial.history.journal import Journal

INIT_LIMIT_S: Final = 30.0
ENDING_LIMIT_S: Final = 10.0
TRIES: Final = 3
FENCED: Final = frozenset(
    {"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH", "INVALID_PRODUCER_ID_MAPPING"}
)


class Fenced(StageProblem):
    """Another producer has taken over this transactional.id."""


class Transactions:
    """The transactions of a producer with a transactional.id, one after the other."""

    def __init__(self, producer: Producer, journal: Journal, transactional_id: str) -> None:
        """Take the transactional.id over: earlier producers with it are fenced, their open transactions aborted."""
        self.transactional_id = transactional_id
        self._producer, self._journal = producer, journal
        self._name = ""
        producer.init_transactions(INIT_LIMIT_S)

    @property
    def number(self) -> int:
        """The number in the journal of the transaction that is open, -1 when none is."""
        return self._journal.name(self._name) if self._name else NO_NAME

    def begin(self, name: str) -> None:
        """Begin a transaction, known by this name in the history."""
        self._note("began", name)
        self._producer.begin_transaction()
        self._name = name

    def add_offsets(self, places: Sequence[TopicPartition], consumer: Consumer) -> None:
        """Let the consumer's offsets be committed with the transaction. Raises Fenced, KafkaException."""
        try:
            self._producer.send_offsets_to_transaction(
                list(places), consumer.consumer_group_metadata(), ENDING_LIMIT_S
            )
        except confluent_kafka.KafkaException as refusal:
            raise self._told(refusal) from refusal

    def commit(self) -> None:
        """Commit. Raises Fenced where it certainly did not happen, KafkaException where it must be aborted."""
        for turn in range(TRIES):
            try:
                self._producer.commit_transaction(ENDING_LIMIT_S)
            except confluent_kafka.KafkaException as refusal:
                error = refusal.args[0]
                if error.retriable() and turn + 1 < TRIES:
                    continue
                if error.name() in FENCED:
                    self._end("aborted", error.name())
                elif not error.txn_requires_abort():
                    self._end("unknown", error.name())
                raise self._told(refusal) from refusal
            self._end("committed")
            return

    def abort(self) -> None:
        """Abort. Raises Fenced, KafkaException."""
        try:
            self._producer.abort_transaction(ENDING_LIMIT_S)
        except confluent_kafka.KafkaException as refusal:
            self._end("aborted" if refusal.args[0].name() in FENCED else "unknown", refusal.args[0].name())
            raise self._told(refusal) from refusal
        self._end("aborted")

    def _told(self, refusal: confluent_kafka.KafkaException) -> Exception:
        error = refusal.args[0]
        if error.name() in FENCED:
            return Fenced(f"{self.transactional_id} was fenced ({error.name()}).")
        return refusal

    def _end(self, outcome: str, error: str | None = None) -> None:
        self._note(outcome, self._name, error)
        self._name = ""

    def _note(self, outcome: str, name: str, error: str | None = None) -> None:
        self._journal.note("txn", outcome, txn=name, transactional_id=self.transactional_id, error=error)
