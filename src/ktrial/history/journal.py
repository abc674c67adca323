"""The journal: what a client process writes down while it lives, so that kill -9 loses nothing that matters.

Each actor appends to six files in one folder. Rows of fixed width hold what happens a million times, NDJSON holds
the rest. A `calls` row is written before its record is handed to the client library, so a record that may be in the
log is always known; an `acks` row may be lost with its process, and then the record is unknown, which is sound.

Left out: `fsync`. The page cache survives the death of a process, and the machine's own death ends the run anyway.
This module does not import polars, because every client process imports it. `ktrial.history.collect` reads it back.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import time
from typing import TYPE_CHECKING

import numpy as np

from ktrial.errors import MachineProblem, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CALL = np.dtype([("t", "<i8"), ("id", "<i8"), ("topic", "<i4"), ("key", "<i4"), ("txn", "<i4")])
ACK = np.dtype(
    [
        ("t", "<i8"),
        ("id", "<i8"),
        ("offset", "<i8"),
        ("topic", "<i4"),
        ("partition", "<i4"),
        ("outcome", "<i4"),
        ("error", "<i4"),
    ]
)
READ = np.dtype(
    [
        ("t", "<i8"),
        ("id", "<i8"),
        ("offset", "<i8"),
        ("topic", "<i4"),
        ("partition", "<i4"),
        ("key", "<i4"),
        ("context", "<i4"),
        ("intact", "<i4"),
    ]
)
DONE = np.dtype(
    [
        ("t", "<i8"),
        ("id", "<i8"),
        ("offset", "<i8"),
        ("topic", "<i4"),
        ("partition", "<i4"),
        ("group", "<i4"),
    ]
)
ONE_DONE = struct.Struct("<qqqiii")
"""`DONE` for a single row: an effect is written down by itself, when it is done."""
ROWS = {"calls": CALL, "acks": ACK, "reads": READ, "done": DONE}
NO_NAME = -1
ACTOR_NAME = re.compile(r"[a-z0-9-]+")


class Journal:
    """One actor's journal; opening it again after the actor's death goes on behind the last whole row."""

    def __init__(self, folder: Path, actor: str) -> None:
        """Open or make the actor's files in `folder`.

        Raises UsageProblem for an actor name that is no safe file name, MachineProblem when nothing can be written.
        """
        if not ACTOR_NAME.fullmatch(actor):
            raise UsageProblem(
                f"{actor!r} cannot name an actor.", mend="Use small letters, digits and hyphens only."
            )
        self.folder = folder
        self.actor = actor
        self._numbers: dict[str, int] = {}
        self._files: dict[str, int] = {}
        with _disk_trouble(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for kind, layout in ROWS.items():
                self._open(kind, layout.itemsize)
            for kind in ("names", "ndjson"):
                self._open(kind, 0)
        self._numbers.update(
            {name: number for number, name in enumerate(read_names(folder / f"{actor}.names"))}
        )

    def calls(self, rows: NDArray[np.void]) -> None:
        """Append rows of `CALL`: sends that are about to be made."""
        self._append("calls", rows.tobytes())

    def acks(self, rows: NDArray[np.void]) -> None:
        """Append rows of `ACK`: sends whose outcome is known."""
        self._append("acks", rows.tobytes())

    def reads(self, rows: NDArray[np.void]) -> None:
        """Append rows of `READ`: records that a consumer was handed."""
        self._append("reads", rows.tobytes())

    def done(self, record_id: int, topic: str, partition: int, offset: int, group: str) -> None:
        """Append one row of `DONE`: the effect of a record is done, now."""
        numbers = self._numbers
        if topic not in numbers or group not in numbers:
            self.names([topic, group])
        row = (
            time.monotonic_ns(),
            record_id,
            offset,
            numbers[topic],
            partition,
            numbers[group],
        )
        self._append("done", ONE_DONE.pack(*row))

    def name(self, text: str | None) -> int:
        """Return the number that stands for `text` in this journal's rows; -1 stands for None."""
        if text is None:
            return NO_NAME
        known = self._numbers.get(text)
        return known if known is not None else int(self.names([text])[0])

    def names(self, texts: Sequence[str | None]) -> NDArray[np.int32]:
        """Return the numbers of many texts; the new ones are written down in one write, before any row uses them."""
        numbers = self._numbers
        lines = []
        for text in texts:
            if text is not None and text not in numbers:
                number = numbers[text] = len(numbers)
                lines.append(f'{{"n": {number}, "name": {json.dumps(text)}}}\n')
        if lines:
            self._append("names", "".join(lines).encode())
        return np.fromiter(
            (NO_NAME if text is None else numbers[text] for text in texts), dtype=np.int32, count=len(texts)
        )

    def note(self, op: str, outcome: str, *, t: int | None = None, **fields: object) -> None:
        """Append one line of the history contract; `t` is in ns of the monotonic clock and now by default."""
        line: Mapping[str, object] = {
            "t": time.monotonic_ns() if t is None else t,
            "actor": self.actor,
            "op": op,
            "outcome": outcome,
            **{field: value for field, value in fields.items() if value is not None},
        }
        self._append("ndjson", json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        """Close the files; closing twice is no error."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _open(self, kind: str, row_bytes: int) -> None:
        path = self.folder / f"{self.actor}.{kind}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._files[kind] = file
        size = os.fstat(file).st_size
        if size:  # an earlier life of this actor: what it left half-written would shift everything after it
            whole = size - size % row_bytes if row_bytes else path.read_bytes().rfind(b"\n") + 1
            os.ftruncate(file, whole)

    def _append(self, kind: str, data: bytes) -> None:
        file = self._files[kind]
        written = 0
        with _disk_trouble(self.folder):
            try:
                while written < len(data):
                    written += os.write(file, memoryview(data)[written:])
            except OSError:
                os.ftruncate(file, os.fstat(file).st_size - written)  # all of it or nothing
                raise


def read_rows(path: Path) -> NDArray[np.void]:
    """Return the whole rows of a `.calls`, `.acks`, `.reads` or `.done` file; a torn last row is left out."""
    layout = ROWS[path.suffix.removeprefix(".")]
    if not path.exists():
        return np.empty(0, dtype=layout)
    return np.fromfile(path, dtype=layout, count=path.stat().st_size // layout.itemsize)


def read_lines(path: Path) -> list[bytes]:
    """Return the whole lines of a file, without their ends; a torn last line is left out, a missing file is empty."""
    if not path.exists():
        return []
    return path.read_bytes().split(b"\n")[:-1]


def read_names(path: Path) -> list[str]:
    """Return a journal's interned names, each at the index that stands for it."""
    return [json.loads(line)["name"] for line in read_lines(path)]


@contextlib.contextmanager
def _disk_trouble(folder: Path) -> Iterator[None]:
    """Translate the operating system's refusals into the project's error."""
    try:
        yield
    except OSError as error:
        raise MachineProblem(
            f"The journal in {folder} cannot be written: {error.strerror}.",
            mend="Make room there, or choose another folder for runs.",
        ) from error
