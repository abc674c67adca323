"""Ctrl-C and its kin: the first one interrupts, further ones do not disturb the cleaning up."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STILL_CLEANING = "\nktrial: still healing, stopping and saving; this takes a few seconds.\n"


class Interruption:
    """The handler: raises KeyboardInterrupt once, and says something after that."""

    def __init__(self) -> None:
        """Begin as not interrupted."""
        self.came = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Take one signal."""
        if self.came:
            with contextlib.suppress(OSError):
                os.write(2, STILL_CLEANING.encode())
            return
        self.came = True
        raise KeyboardInterrupt


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Heed the signals while the body runs, but for those that our parent wants ignored (nohup, background jobs)."""
    handler = Interruption()
    before = {number: signal.getsignal(number) for number in HEEDED}
    for number, earlier in before.items():
        if earlier is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
