"""One member of a group as a scenario speaks of it: what it has done, what is done to it.

What is done to its process (SIGSTOP, SIGKILL, a record that takes long) is a fault of the actor, and written down like
every other: injected, landed with the proof, healed.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ktrial.errors import FaultDidNotLand, StageProblem, WaitTimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ktrial.clients.handle import Client
    from ktrial.stage.backstage import Backstage

ANSWER_LIMIT_S = 10.0
LAND_LIMIT_S = 10.0
WORK_LIMIT_S = 60.0
WAIT_LIMIT_S = 30.0
Place = tuple[str, int]


class Member:
    """One consumer process in a group; every incarnation has a name of its own in the history."""

    def __init__(self, back: Backstage, client: Client, instance: str | None) -> None:
        """Speak for this process; `instance` is a static member's group.instance.id."""
        self.known_as = instance or client.actor
        self._back = back
        self._client = client
        self._events: dict[str, int] = {}
        self._last: dict[str, Any] = {"processed": 0, "owned": [], "positions": []}
        self._paused_at = 0.0
        self._paused = False
        self._gone = False

    @property
    def actor(self) -> str:
        """Its name in the history."""
        return self._client.actor

    @property
    def present(self) -> bool:
        """Whether nobody has killed or closed it."""
        return not self._gone

    # ---- what it has done

    def assigned(self) -> frozenset[Place]:
        """Return the partitions that it owns now, as it knows: (topic on the cluster, partition)."""
        return frozenset((str(topic), int(partition)) for topic, partition in self._tally()["owned"])

    def processed(self) -> int:
        """Return how many records it has processed in all; of one that is paused or gone, what it said last."""
        return int(self._tally()["processed"])

    def positions(self) -> dict[Place, int]:
        """Return, of the partitions that it owns, the offset below which it has processed everything, where known."""
        tally = self._tally()
        owned = {(str(topic), int(partition)) for topic, partition in tally["owned"]}
        told = {(str(topic), int(partition)): int(offset) for topic, partition, offset in tally["positions"]}
        return {place: offset for place, offset in told.items() if place in owned}

    def await_assigned(self, partitions: int, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until it owns exactly so many partitions. Raises WaitTimedOut, ClientDied."""

        def come() -> tuple[bool, str]:
            owned = self.assigned()
            return len(owned) == partitions, f"it owns {_named(owned)}"

        self._await(f"{self.actor} to own {partitions} partitions", come, limit_s)

    def await_processed(self, records: int, limit_s: float = WORK_LIMIT_S) -> None:
        """Wait until it has processed so many records in all. Raises WaitTimedOut, ClientDied."""

        def come() -> tuple[bool, str]:
            done = self.processed()
            return done >= records, f"{done} processed"

        self._await(f"{self.actor} to process {records} records", come, limit_s)

    # ---- halting

    def halt(self, after: int) -> None:
        """Let it stop once it has processed exactly `after` records in all: after the last one's effect, no commit."""
        self._client.ask("halt", after=after).reply(ANSWER_LIMIT_S)

    def await_halted(self, limit_s: float = WORK_LIMIT_S) -> None:
        """Wait until it has halted. Raises WaitTimedOut, ClientDied."""
        self._await_event("halted", f"{self.actor} to halt", limit_s)
        self._back.happened(f"{self.actor} halted after {self.processed()} records")

    def go_on(self) -> None:
        """End the halt."""
        self._hear()
        self._events.pop("halted", None)
        self._client.ask("go_on").reply(ANSWER_LIMIT_S)

    # ---- faults

    def busy(self, ms: float, limit_s: float = WAIT_LIMIT_S) -> None:
        """Let the next record take `ms` milliseconds; returns once it has begun. `await_idle` waits for its end."""
        self._note("busy", "injected")
        self._client.ask("busy", ms=ms).reply(ANSWER_LIMIT_S)
        self._await_event("busy", f"{self.actor} to be busy", limit_s)
        self._note("busy", "landed", detail={"ms": ms})

    def await_idle(self, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until the long record is done."""
        self._await_event("idle", f"{self.actor} to be done with its long record", limit_s)
        self._note("busy", "healed")

    def pause(self) -> None:
        """SIGSTOP; raises FaultDidNotLand when the kernel does not say that it is stopped."""
        self.check_present()
        self._tally()
        self._note("pause", "injected")
        self._client.child.signal(signal.SIGSTOP)
        self._paused = True
        self._land("pause", "paused")
        self._paused_at = time.monotonic()

    def resume(self) -> None:
        """SIGCONT, if it is paused."""
        if self._paused:
            self._client.child.signal(signal.SIGCONT)
            self._paused = False
            self._note("pause", "healed")
            self._back.happened(f"pause {self.actor}: undone")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep it stopped while the body runs."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def await_paused_for(self, seconds: float) -> None:
        """Wait until the kernel has kept it stopped for so long. Raises WaitTimedOut when it runs again."""

        def come() -> tuple[bool, str]:
            stopped, seen = self._is("paused")
            return stopped and time.monotonic() - self._paused_at >= seconds, seen

        self._await(f"{self.actor} to stand still for {seconds:g} s", come, seconds + LAND_LIMIT_S)

    def kill(self) -> None:
        """SIGKILL, as a crash; nobody heals it: another member must take its place."""
        self.check_present()
        self._note("kill", "injected")
        self._client.kill()
        self._gone = True
        self._paused = False
        self._land("kill", "ended")

    # ---- its end

    def close(self, limit_s: float = 15.0) -> None:
        """Let it leave the group in good order, and end; closing twice is no error."""
        if not self._gone:
            self.resume()
            self._gone = True
            self._client.close(limit_s)
            self._back.happened(f"{self.actor} left")

    def check_present(self) -> None:
        """Raise StageProblem when it is gone, ClientDied when it ended by itself."""
        if self._gone:
            raise StageProblem(f"{self.actor} is gone already.")
        self._client.check_alive()

    # ---- inside

    def _tally(self) -> dict[str, Any]:
        if not self._gone and not self._paused:
            self._client.check_alive()
            self._last = self._client.ask("tally").reply(ANSWER_LIMIT_S)
        return self._last

    def _hear(self) -> None:
        while not self._client.events.empty():
            event = self._client.events.get()
            self._events[event["event"]] = self._events.get(event["event"], 0) + 1

    def _await_event(self, name: str, awaited: str, limit_s: float) -> None:
        """Wait for an event, and take it."""

        def come() -> tuple[bool, str]:
            self.check_present()
            self._hear()
            return name in self._events, f"{self.processed()} processed"

        self._await(awaited, come, limit_s)
        self._events.pop(name)

    def _land(self, fault: str, state: str) -> None:
        try:
            self._await(f"{fault} {self.actor} to land", lambda: self._is(state), LAND_LIMIT_S)
        except WaitTimedOut as error:
            raise FaultDidNotLand(fault, self.actor, error.last_seen) from error
        self._note(fault, "landed", detail={"state": state})
        self._back.happened(f"{fault} {self.actor}: landed")

    def _is(self, state: str) -> tuple[bool, str]:
        seen = self._client.child.status()
        return seen == state, f"the process is {seen}"

    def _note(self, fault: str, outcome: str, **more: object) -> None:
        self._back.ground.notebook.note("fault", outcome, fault=fault, target=self.actor, **more)

    def _await(self, awaited: str, seen: Callable[[], tuple[bool, str]], limit_s: float) -> None:
        self._back.await_seen(awaited, seen, limit_s)


def _named(places: frozenset[Place]) -> str:
    return ", ".join(f"{topic} [{partition}]" for topic, partition in sorted(places)) or "nothing"
