"""Threads that play settings, and how they are interrupted.

Python delivers Ctrl-C to the main thread only, which does nothing but wait for the others; it hands the interrupt on
to each thread that plays (PyThreadState_SetAsyncExc), where it arrives at the next step of whatever wait is going on.
Judging and saving are not interrupted.
"""

from __future__ import annotations

import ctypes
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

JOIN_S = 0.2


class Worker:
    """One thread that does one piece of work after the other until there is no more, or it is interrupted."""

    def __init__(self, name: str, next_work: Callable[[], Callable[[Worker], None] | None]) -> None:
        """Take work from `next_work` until that returns None."""
        self.failure: BaseException | None = None
        self._next_work = next_work
        self._lock = threading.Lock()
        self._playing = False
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still works."""
        return self._thread.is_alive()

    def join(self, limit_s: float) -> None:
        """Wait for its end, or for the limit."""
        self._thread.join(limit_s)

    def interrupt(self) -> None:
        """End it: no more work, and a KeyboardInterrupt in what is being played."""
        with self._lock:
            self._ending = True
            if self._playing and self._thread.ident is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread.ident), ctypes.py_object(KeyboardInterrupt)
                )

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the thread be interrupted while the body runs."""
        with self._lock:
            if self._ending:
                raise KeyboardInterrupt
            self._playing = True
        try:
            yield
        finally:
            with self._lock:
                self._playing = False

    def _run(self) -> None:
        try:
            while not self._ending and (work := self._next_work()) is not None:
                work(self)
        except BaseException as error:  # noqa: BLE001 - the thread's outermost frame: whoever joins it is told
            self.failure = error


def work_through(workers: Sequence[Worker], *, limit_s: float = 90.0) -> None:
    """Start the workers and wait for all; the first failure of one ends the others and is raised.

    A KeyboardInterrupt here interrupts them all and is raised once they have ended, or after the limit.
    """
    failures: list[BaseException] = []
    try:
        for worker in workers:
            worker.start()
        while any(worker.alive for worker in workers) and not failures:
            for worker in workers:
                worker.join(JOIN_S)
            failures = [worker.failure for worker in workers if worker.failure is not None]
    finally:
        for worker in workers:
            worker.interrupt()
        for worker in workers:
            worker.join(limit_s)
    if failures:
        raise failures[0]
