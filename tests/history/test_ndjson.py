"""The exchange format: what is written is read back, and a broken line is named."""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING

import pytest
from tests.history.everything import full_history, same

from ktrial.errors import UsageProblem
from ktrial.history.tables import History

if TYPE_CHECKING:
    from pathlib import Path

CALL = '{"t":1,"actor":"p","op":"send","outcome":"called","id":7,"topic":"orders"}'
ACK = '{"t":2,"actor":"p","op":"send","outcome":"ok","id":7,"topic":"orders","partition":0,"offset":3}'
READ = (
    '{"t":3,"actor":"r","op":"read","outcome":"ok","id":7,"topic":"orders","partition":0,"offset":3,'
    '"isolation":"read_uncommitted"}'
)
FAULT = '{"t":4,"actor":"stage","op":"fault","outcome":"injected","fault":"kill","target":"broker-1"}'


def written(tmp_path: Path, *lines: str, end: str = "\n") -> Path:
    """Return a file of the given lines."""
    path = tmp_path / "history.ndjson"
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def test_every_table_comes_back(tmp_path: Path) -> None:
    """Export and import lose nothing, of any table."""
    history = full_history()
    path = tmp_path / "all.ndjson"
    history.write_ndjson(path)
    assert same(history, History.read_ndjson(path))


def test_an_open_file_can_be_written_to() -> None:
    """Export goes to an open file as well as to a path."""
    target = io.BytesIO()
    full_history().write_ndjson(target)
    assert all(json.loads(line)["op"] for line in target.getvalue().splitlines())


def test_absent_fields_are_left_out(tmp_path: Path) -> None:
    """A field without a value is not written, and `intact` only where it is false."""
    path = tmp_path / "out.ndjson"
    History.read_ndjson(written(tmp_path, CALL, READ)).write_ndjson(path)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        json.loads(CALL),
        json.loads(READ),
    ]


def test_words_that_look_like_fields_are_only_words(tmp_path: Path) -> None:
    """A key may contain anything, even what looks like a field without a value."""
    key = '\\",\\"topic\\":null,\\"op\\": \\"read\\" \\u2028 ✓'
    path = written(tmp_path, CALL.replace("}", f',"key":"{key}"}}'))
    history = History.read_ndjson(path)
    history.write_ndjson(path)
    assert same(history, History.read_ndjson(path))
    assert history.calls["key"].to_list() == [json.loads(f'"{key}"')]


def test_the_order_of_lines_carries_no_meaning(tmp_path: Path) -> None:
    """Shuffled lines make the same tables, row order apart."""
    path = tmp_path / "all.ndjson"
    full_history().write_ndjson(path)
    lines = path.read_text().splitlines(keepends=True)
    random.Random(7).shuffle(lines)
    path.write_text("".join(lines))
    assert same(full_history(), History.read_ndjson(path))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\n  \n"])
def test_blank_lines_and_foreign_line_ends_are_allowed(tmp_path: Path, end: str) -> None:
    """Blank lines and carriage returns mean nothing."""
    history = History.read_ndjson(written(tmp_path, "", CALL, ACK, FAULT, end=end))
    assert (history.calls.height, history.completions.height, history.faults.height) == (1, 1, 1)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_an_empty_history(tmp_path: Path, content: bytes) -> None:
    """Nothing written is nothing that happened."""
    path = tmp_path / "history.ndjson"
    path.write_bytes(content)
    assert all(frame.is_empty() for frame in History.read_ndjson(path).tables().values())


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    """A file may end without a line break."""
    path = tmp_path / "history.ndjson"
    path.write_text(f"{CALL}\n{ACK}")
    assert History.read_ndjson(path).completions.height == 1


def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    """A field that the contract does not know is not an error, whatever is in it."""
    more = ',"colour":"red","nested":{"op":"read"},"list":[1,"a"]}'
    history = History.read_ndjson(
        written(tmp_path, *(line.replace("}", more) for line in (CALL, ACK, FAULT)))
    )
    assert (history.calls.height, history.completions.height, history.faults.height) == (1, 1, 1)


def test_unknown_operations_are_kept(tmp_path: Path) -> None:
    """An operation that the contract does not know is kept whole, and exported again."""
    line = '{"t": 1, "actor": "x", "op": "weather", "outcome": "rain", "mm": [1, 2.5, {"a": null}]}'
    history = History.read_ndjson(written(tmp_path, CALL, line))
    target = io.BytesIO()
    history.write_ndjson(target)
    assert line in target.getvalue().decode()


BROKEN = {
    "not JSON": (CALL[:-1], "not JSON"),
    "not an object": ("[1]", "a list, not an object"),
    "two objects": (CALL + CALL, "not JSON"),
    "no actor": (CALL.replace('"actor":"p",', ""), "'actor' is missing"),
    "no id": (CALL.replace('"id":7,', ""), "'id' is missing"),
    "id null": (CALL.replace('"id":7', '"id":null'), "'id' is missing"),
    "id as text": (CALL.replace('"id":7', '"id":"7"'), "'id' is wrong: an integer was expected, not text"),
    "id with a fraction": (CALL.replace('"id":7', '"id":7.5'), "an integer was expected"),
    "id as truth": (CALL.replace('"id":7', '"id":true'), "an integer was expected, not true or false"),
    "id too large": (CALL.replace('"id":7', f'"id":{2**63}'), "out of range"),
    "topic as number": (CALL.replace('"orders"', "3"), "'topic' is wrong: text was expected, not a number"),
    "topic as object": (CALL.replace('"orders"', '{"a":1}'), "text was expected, not an object"),
    "key as number": (CALL.replace("}", ',"key":5}'), "'key' is wrong"),
    "no offset": (ACK.replace(',"offset":3', ""), "'offset' is missing"),
    "partition below 0": (ACK.replace('"partition":0', '"partition":-1'), "out of range"),
    "unknown outcome": (ACK.replace('"ok"', '"fine"'), "the outcome of send is one of called, ok, failed"),
    "unknown isolation": (READ.replace("read_uncommitted", "dirty"), "'isolation' is wrong: 'dirty'"),
    "no isolation": (READ.replace(',"isolation":"read_uncommitted"', ""), "'isolation' is missing"),
    "no target": (FAULT.replace(',"target":"broker-1"', ""), "'target' is missing"),
    "partitions not in pairs": (
        '{"t":1,"actor":"c","op":"assigned","outcome":"ok","group":"g","partitions":["orders"]}',
        "'partitions' is wrong",
    ),
    "not UTF-8": (CALL.replace("orders", "or\udcffders"), "not JSON"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_line_is_named(tmp_path: Path, what: str) -> None:
    """The error names the file, the line and the reason, and there is no history."""
    line, reason = BROKEN[what]
    path = tmp_path / "history.ndjson"
    path.write_bytes(
        "\n".join([CALL.replace("7", "8"), "", ACK.replace("7", "8"), line, READ]).encode(
            errors="surrogateescape"
        )
    )
    with pytest.raises(UsageProblem) as raised:
        History.read_ndjson(path)
    assert f"{path}, line 4: " in raised.value.what
    assert reason in raised.value.what


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    """The path is named when there is nothing to read."""
    with pytest.raises(UsageProblem, match="nowhere"):
        History.read_ndjson(tmp_path / "nowhere")
