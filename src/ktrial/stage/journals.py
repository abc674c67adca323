"""What the stage itself writes into the history: faults, what the observer saw, what was measured."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ktrial.history.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


class Notebook:
    """A journal that any thread of this process may write to."""

    def __init__(self, folder: Path, actor: str) -> None:
        """Open the journal of `actor` in the run's journal folder."""
        self.folder = folder
        self._journal = Journal(folder, actor)
        self._lock = threading.Lock()

    def note(self, op: str, outcome: str, **fields: object) -> None:
        """Write one operation down, now."""
        self.note_at(time.monotonic_ns(), op, outcome, **fields)

    def note_at(self, t: int, op: str, outcome: str, **fields: object) -> None:
        """Write one operation down that happened at `t`, in ns of the monotonic clock."""
        with self._lock:
            self._journal.note(op, outcome, t=t, **fields)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._journal.close()
