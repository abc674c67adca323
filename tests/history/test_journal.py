"""The journal: what survives, what is left out, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ktrial.children.session import child_environment
from ktrial.errors import MachineProblem, UsageProblem
from ktrial.history.journal import CALL, Journal, read_lines, read_names, read_rows

if TYPE_CHECKING:
    from pathlib import Path

CRASHING = """
import sys, time
from pathlib import Path
import numpy as np
from ktrial.history.journal import CALL, Journal

journal = Journal(Path(sys.argv[1]), "p1")
first = 0
while True:
    rows = np.zeros(100, dtype=CALL)
    rows["id"] = np.arange(first, first + 100)
    rows["topic"] = journal.name(f"topic-{first}")
    journal.calls(rows)
    journal.note("handed", "ok", upto=first + 100)
    first += 100
    print(first, flush=True)
"""


def calls(*ids: int, topic: int = 0) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return call rows with these ids."""
    rows = np.zeros(len(ids), dtype=CALL)
    rows["id"], rows["topic"] = ids, topic
    return rows


def test_kill_minus_nine_keeps_what_was_called(tmp_path: Path) -> None:
    """Everything that a process had written before it said so is there after SIGKILL, whole and with its names."""
    process = subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(tmp_path)], stdout=subprocess.PIPE, env=child_environment()
    )
    assert process.stdout
    said = [int(process.stdout.readline()) for _ in range(50)][-1]
    os.kill(process.pid, signal.SIGKILL)
    said = max([said, *(int(line) for line in process.stdout.read().splitlines()[:-1])])
    process.wait()
    process.stdout.close()
    rows = read_rows(tmp_path / "p1.calls")
    assert rows["id"].tolist() == list(range(len(rows)))
    assert len(rows) >= said
    names = read_names(tmp_path / "p1.names")
    assert [names[number] for number in rows["topic"][::100]] == [
        f"topic-{i}" for i in range(0, len(rows), 100)
    ]


@pytest.mark.parametrize("torn", [1, 15, CALL.itemsize - 1])
def test_torn_row_is_left_out(tmp_path: Path, torn: int) -> None:
    """A last row that is not whole is not read, and a later life of the actor writes over it."""
    journal = Journal(tmp_path, "p1")
    journal.calls(calls(1, 2, 3))
    journal.close()
    path = tmp_path / "p1.calls"
    os.truncate(path, 2 * CALL.itemsize + torn)
    assert read_rows(path)["id"].tolist() == [1, 2]
    again = Journal(tmp_path, "p1")
    again.calls(calls(4))
    again.close()
    assert read_rows(path)["id"].tolist() == [1, 2, 4]


def test_torn_line_is_left_out(tmp_path: Path) -> None:
    """A last line without its end is not read, and a later life goes on with the names that are whole."""
    journal = Journal(tmp_path, "p1")
    assert (journal.name("orders"), journal.name("payments")) == (0, 1)
    journal.close()
    path = tmp_path / "p1.names"
    os.truncate(path, path.stat().st_size - 4)
    assert read_names(path) == ["orders"]
    again = Journal(tmp_path, "p1")
    assert (again.name("orders"), again.name("refunds")) == (0, 1)
    again.close()
    assert read_names(path) == ["orders", "refunds"]


def test_names_are_interned(tmp_path: Path) -> None:
    """A name is written once, before its first use; None is -1; any text comes back as it was."""
    journal = Journal(tmp_path, "p1")
    strange = 'a "quoted"\n한국어 \x00'
    assert journal.names(["orders", None, strange, "orders"]).tolist() == [0, -1, 1, 0]
    assert journal.name(None) == -1
    assert journal.name(strange) == 1
    journal.close()
    assert read_names(tmp_path / "p1.names") == ["orders", strange]


def test_notes_follow_the_contract(tmp_path: Path) -> None:
    """A note is one line with t, actor, op and outcome; what is None is left out."""
    journal = Journal(tmp_path, "c1")
    journal.note("assigned", "ok", t=5, group="g", partitions=[["orders", 0]], generation=None)
    journal.close()
    (line,) = read_lines(tmp_path / "c1.ndjson")
    assert json.loads(line) == {
        "t": 5,
        "actor": "c1",
        "op": "assigned",
        "outcome": "ok",
        "group": "g",
        "partitions": [["orders", 0]],
    }


@pytest.mark.parametrize("actor", ["", "P1", "a/b", "..", "a b"])
def test_unsafe_actor_is_refused(tmp_path: Path, actor: str) -> None:
    """An actor whose name is no safe file name is refused."""
    with pytest.raises(UsageProblem):
        Journal(tmp_path, actor)


def test_full_disk_leaves_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fills in the middle of a write, nothing of it stays, and the error says what to do."""
    journal = Journal(tmp_path, "p1")
    journal.calls(calls(1))
    room = [40]
    write = os.write

    def write_while_there_is_room(file: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = write(file, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr("os.write", write_while_there_is_room)
    with pytest.raises(MachineProblem, match="No space left on device"):
        journal.calls(calls(2, 3))
    monkeypatch.undo()
    journal.calls(calls(4))
    journal.close()
    assert read_rows(tmp_path / "p1.calls")["id"].tolist() == [1, 4]


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    """A folder that cannot be made is a problem of the machine, and is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineProblem, match="file"):
        Journal(tmp_path / "file", "p1")
