"""Threads that play: an interrupt reaches each of them in the middle of whatever it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from ktrial.runner.workers import Worker, work_through

LONG_S = 60.0


def _once(work: Callable[[Worker], None]) -> Callable[[], Callable[[Worker], None] | None]:
    """Return a source of work that gives one piece."""
    left = [work]
    return lambda: left.pop() if left else None


def test_all_work_is_done() -> None:
    """Each piece once, by whoever is free."""
    pieces = list(range(20))
    done: list[int] = []
    lock = threading.Lock()

    def next_work() -> Callable[[Worker], None] | None:
        with lock:
            piece = pieces.pop() if pieces else None
        return None if piece is None else lambda _worker: done.append(piece)

    work_through([Worker(f"w{n}", next_work) for n in range(4)])
    assert sorted(done) == list(range(20))


def test_a_failure_ends_the_others_and_is_raised() -> None:
    """The others are interrupted where they wait."""
    waiting = threading.Event()
    ended: list[str] = []

    def waits(worker: Worker) -> None:
        try:
            with worker.interruptible():
                waiting.set()
                deadline = time.monotonic() + LONG_S
                while time.monotonic() < deadline:
                    time.sleep(0.01)
        except KeyboardInterrupt:
            ended.append("interrupted")
            raise

    def fails(_worker: Worker) -> None:
        waiting.wait(LONG_S)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work_through([Worker("waits", _once(waits)), Worker("fails", _once(fails))])
    assert ended == ["interrupted"]


def test_what_must_not_be_torn_is_not_interrupted() -> None:
    """Outside of `interruptible` the work goes on to its end, and no more is begun."""
    begun = threading.Event()
    released = threading.Event()
    done: list[str] = []

    def saves(worker: Worker) -> None:
        with worker.interruptible():
            pass
        begun.set()
        released.wait(LONG_S)
        done.append("saved")

    worker = Worker("saves", lambda: saves)
    worker.start()
    begun.wait(LONG_S)
    worker.interrupt()
    released.set()
    worker.join(LONG_S)
    assert done == ["saved"]
    assert worker.failure is None
