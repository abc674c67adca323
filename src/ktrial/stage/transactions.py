"""What a scenario says about copiers: processes that consume, transform and produce, with or without transactions."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ktrial.stage.backstage import WAIT_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ktrial.clients.handle import Client
    from ktrial.stage.backstage import Backstage
    from ktrial.stage.topic import Topic

ANSWER_LIMIT_S = 10.0
COPY_LIMIT_S = 60.0
MOST_OUTPUTS = 100_000


class Copier:
    """One copier process; what is done to it is a fault of the actor, written down like every other."""

    def __init__(self, back: Backstage, client: Client) -> None:
        """Speak for this process."""
        self._back, self._client = back, client
        self._said: list[str] = []

    @property
    def actor(self) -> str:
        """Its name in the history."""
        return self._client.actor

    def await_halted(self, limit_s: float = COPY_LIMIT_S) -> None:
        """Wait until it stands at the point at which it was told to halt."""
        self._await("halted", limit_s)

    def await_fenced(self, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until it has been told that another one took over its transactional.id."""
        self._await("fenced", limit_s)

    def await_copied(self, records: int, limit_s: float = COPY_LIMIT_S) -> None:
        """Wait until it has copied so many records."""

        def come() -> tuple[bool, str]:
            copied = int(self._client.ask("tally").reply(ANSWER_LIMIT_S)["copied"])
            return copied >= records, f"{copied} copied"

        self._back.await_seen(f"{self.actor} to copy {records} records", come, limit_s)

    def go_on(self) -> None:
        """Let it go on from where it halted."""
        self._client.ask("go_on").reply(ANSWER_LIMIT_S)

    def kill(self) -> None:
        """Kill it with -9."""
        self._note("kill", "injected")
        self._client.kill()
        self._note("kill", "landed")

    def pause(self) -> None:
        """Stop its process (SIGSTOP)."""
        self._note("pause", "injected")
        self._client.child.signal(signal.SIGSTOP)
        self._back.await_seen(
            f"{self.actor} to be stopped", lambda: (self._client.child.status() == "paused", "still running")
        )
        self._note("pause", "landed")

    def resume(self) -> None:
        """Let its process go on (SIGCONT)."""
        self._client.child.signal(signal.SIGCONT)
        self._note("pause", "healed")

    def close(self) -> None:
        """Let it end in good order."""
        self._client.close()

    def _await(self, event: str, limit_s: float) -> None:
        def come() -> tuple[bool, str]:
            while not self._client.events.empty():
                self._said.append(str(self._client.events.get()["event"]))
            self._client.check_alive()
            return event in self._said, f"it said {self._said}"

        self._back.await_seen(f"{self.actor} to be {event}", come, limit_s)

    def _note(self, fault: str, outcome: str) -> None:
        self._back.ground.notebook.note("fault", outcome, fault=fault, target=self.actor)


class Transactions:
    """The copiers of one stage."""

    def __init__(self, back: Backstage) -> None:
        """Begin without any."""
        self._back = back

    def copier(  # noqa: PLR0913 - what is copied where, and how, each named where it is used
        self,
        source: Topic,
        target: Topic,
        *,
        group: str,
        transactional_id: str | None = None,
        config: Mapping[str, str] | None = None,
        batch: int = 20,
        halt_at: str = "",
        after: int = 0,
    ) -> Copier:
        """Start a copier of `source` into `target`; it halts at `halt_at` (`produced`, `offsets`) `after` so many."""
        settings = {"auto.offset.reset": "earliest", **(config or {})}
        more = {
            "source": self._back.topic(source),
            "target": self._back.topic(target),
            "group": self._back.ground.group(group),
            "first_id": self._back.take_ids(MOST_OUTPUTS),
            "transactional_id": transactional_id and self._back.ground.group(transactional_id),
            "batch": batch,
            "halt": {"at": halt_at, "after": after} if halt_at else None,
        }
        client = self._back.start("copier", settings, more)
        client.await_ready()
        return Copier(self._back, client)
