"""Producers and consumers as a scenario speaks of them: values of work, and what to wait for before going on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from ktrial.errors import WaitTimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ktrial.clients.handle import Client

SEND_LIMIT_S = 60.0
TXN_LIMIT_S = 60.0
MOST_LOAD = 200_000
LOOK_S = 0.02
AwaitSeen = Callable[[str, Callable[[], tuple[bool, str]], float], None]
"""How the stage waits: what for, whether it has come and what is seen of it, at most how many seconds."""


class Await(Enum):
    """What `sends` waits for before the scenario goes on."""

    ACKNOWLEDGED = "every record has an outcome (acks=0: was handed to the network)"
    APPENDED = "every record is in its leader's log, acknowledged or not"
    NOTHING = "the records were handed to the client library"


ACKNOWLEDGED, APPENDED, NOTHING = Await.ACKNOWLEDGED, Await.APPENDED, Await.NOTHING


class ProducerHandle:
    """One producer process. Ids come in blocks from the stage, so that each record of a run has its own."""

    def __init__(
        self,
        client: Client,
        topic: str,
        take_ids: Callable[[int], int],
        log_end: Callable[[], int],
        await_seen: AwaitSeen,
    ) -> None:
        """Send to `topic`; `log_end` tells how many records its leaders' logs hold; `await_seen` is how to wait."""
        self._client = client
        self._topic = topic
        self._take_ids = take_ids
        self._log_end = log_end
        self._await_seen = await_seen

    @property
    def actor(self) -> str:
        """Its name in the history."""
        return self._client.actor

    @property
    def pid(self) -> int:
        """Its process."""
        return self._client.child.pid

    def sends(  # noqa: PLR0913 - what is sent, how, and what to wait for, each named where it is used
        self,
        count: int,
        *,
        then: Await = ACKNOWLEDGED,
        keys: str | dict[str, int] | Sequence[str | None] | None = None,
        size: int = 100,
        partition: int | None = None,
        one_by_one: bool = False,
        per_s: float | None = None,
        shape: str = "letters",
        limit_s: float = SEND_LIMIT_S,
    ) -> range:
        """Send records and wait as `then` says; return their ids. `shape` is one of payload's SHAPES.

        Raises WaitTimedOut when what is awaited does not come, ClientDied when the process ends.
        """
        first = self._take_ids(count)
        before = self._log_end() if then is APPENDED else 0
        how = {"partition": partition, "one_by_one": one_by_one, "per_s": per_s, "shape": shape}
        work = self._work(first, count, keys=keys, size=size, **how)
        self._client.ask("send", **work).reply(limit_s)
        if then is ACKNOWLEDGED:
            self.await_outcomes(limit_s)
        elif then is APPENDED:
            self._await(
                f"{count} records in the leaders' logs", lambda: self._log_end() - before, count, limit_s
            )
        return range(first, first + count)

    def deletes(self, keys: Sequence[str], limit_s: float = SEND_LIMIT_S) -> range:
        """Send a tombstone (a record without a value) for each key, wait for their outcomes, return their ids."""
        first = self._take_ids(len(keys))
        work = self._work(first, len(keys), keys=list(keys), tombstones=True)
        self._client.ask("send", **work).reply(limit_s)
        self.await_outcomes(limit_s)
        return range(first, first + len(keys))

    @contextmanager
    def transaction(self, name: str, *, commits: bool = True) -> Iterator[None]:
        """Let what is sent while the body runs be one transaction, committed or aborted at its end."""
        self._client.ask("begin", txn=name).reply(TXN_LIMIT_S)
        yield
        self._client.ask("commit" if commits else "abort").reply(TXN_LIMIT_S)

    @contextmanager
    def load(
        self, *, per_s: float, at_most: int = MOST_LOAD, keys: object = None, size: int = 100
    ) -> Iterator[None]:
        """Send steadily while the body runs, at most `at_most` records; waits for all outcomes at its end."""
        work = self._work(self._take_ids(at_most), at_most, keys=keys, size=size, per_s=per_s)
        asked = self._client.ask("send", **work)
        try:
            yield
        finally:
            self._client.ask("stop_sending").reply(SEND_LIMIT_S)
        asked.reply(SEND_LIMIT_S)
        self.await_outcomes(SEND_LIMIT_S)

    def await_acknowledged(self, more: int, limit_s: float = SEND_LIMIT_S) -> None:
        """Wait until `more` records than now have been acknowledged: the load gets through."""
        begin = self.tally()["ok"]
        self._await(f"{more} more acknowledgements", lambda: self.tally()["ok"] - begin, more, limit_s)

    def await_called(self, more: int, limit_s: float = SEND_LIMIT_S) -> None:
        """Wait until `more` records than now have been handed over, whatever becomes of them."""
        begin = self.tally()["called"]
        self._await(f"{more} more records sent", lambda: self.tally()["called"] - begin, more, limit_s)

    def await_outcomes(self, limit_s: float = SEND_LIMIT_S) -> None:
        """Wait until nothing is in flight."""

        def settled() -> int:
            tally = self.tally()
            return int(
                tally["called"] == sum(tally[word] for word in ("ok", "failed", "unknown", "unacknowledged"))
            )

        self._await("an outcome of every record", settled, 1, limit_s)

    def tally(self) -> dict[str, int]:
        """Return how many records were called, and how many ended how."""
        answer = self._client.ask("tally").reply(10)
        return {word: int(answer[word]) for word in ("called", "ok", "failed", "unknown", "unacknowledged")}

    def _work(self, first: int, count: int, **more: object) -> dict[str, object]:
        return {"topic": self._topic, "first_id": first, "count": count, **more}

    def _await(self, awaited: str, seen: Callable[[], int], wanted: int, limit_s: float) -> None:
        def come() -> tuple[bool, str]:
            self._client.check_alive()
            now = seen()
            return now >= wanted, f"{now} of {wanted}; {self.tally()}"

        self._await_seen(f"{awaited} of {self.actor}", come, limit_s)


class ConsumerHandle:
    """One consumer process, a member of a group or reading assigned partitions."""

    def __init__(self, client: Client) -> None:
        """Speak for this process."""
        self._client = client

    @property
    def actor(self) -> str:
        """Its name in the history."""
        return self._client.actor

    def await_read(self, count: int, limit_s: float = SEND_LIMIT_S) -> None:
        """Wait until it has read `count` records in all. Raises WaitTimedOut, ClientDied."""
        deadline = time.monotonic() + limit_s
        while (read := int(self._client.ask("tally").reply(10)["read"])) < count:
            self._client.check_alive()
            if time.monotonic() > deadline:
                raise WaitTimedOut(f"{count} records read by {self.actor}", limit_s, f"{read} read")
            time.sleep(LOOK_S)

    def kill(self) -> None:
        """Kill the process with -9."""
        self._client.kill()
