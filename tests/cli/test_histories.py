"""`ktrial judge` and `ktrial history export`: the exchange format in and out."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ktrial.cli import histories
from ktrial.cli.entry import enter
from ktrial.history.contract import CONTRACT
from ktrial.history.tables import History
from ktrial.judges import everything
from ktrial.judges.kinds import KINDS
from ktrial.store import create_run

CALLED = '{"t":1,"actor":"p","op":"send","outcome":"called","id":117,"topic":"orders"}'
ACKNOWLEDGED = (
    '{"t":2,"actor":"p","op":"send","outcome":"ok","id":117,"topic":"orders","partition":0,"offset":0}'
)
READ = (
    '{"t":3,"actor":"r","op":"read","outcome":"ok","id":117,"topic":"orders","partition":0,"offset":0,'
    '"isolation":"read_uncommitted"}'
)
END = (
    '{"t":4,"actor":"r","op":"end","outcome":"ok","topic":"orders","partition":0,"log_start":0,"log_end":1,'
    '"last_stable":1,"isolation":"read_uncommitted"}'
)
HELD = (CALLED, ACKNOWLEDGED, READ, END)
BROKEN = (CALLED, ACKNOWLEDGED, END)
DOUBTFUL = (CALLED, ACKNOWLEDGED)


def _file(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "history.ndjson"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("lines", "status", "verdict"),
    [(HELD, 0, "held"), (BROKEN, 1, "broken"), (DOUBTFUL, 2, "inconclusive")],
)
def test_a_verdict_is_an_exit_status(
    tmp_path: Path, lines: tuple[str, ...], status: int, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 held, 1 broken, 2 inconclusive; the JSON has the contract's shape."""
    assert enter(["judge", _file(tmp_path, *lines), "--json"]) == status
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == verdict
    assert told["measured"]["acknowledged"] == 1
    for anomaly in told["anomalies"]:
        assert {"kind", "count", "examples", "sentence"} <= anomaly.keys()
        assert set(anomaly["sentence"]) == {"ko", "en"}


def test_people_get_sentences_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The record that is gone is named, and what was counted."""
    assert enter(["judge", _file(tmp_path, *BROKEN), "--lang", "en"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("✗ broken: ")
    assert "record 117" in out
    assert "acknowledged  " in out


def test_a_broken_line_gets_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File, line and reason; exit status 64; nothing on stdout."""
    file = _file(tmp_path, CALLED, "{not json")
    assert enter(["judge", file, "--json"]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{file}, line 2" in err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file is the caller's mistake."""
    assert enter(["judge", str(tmp_path / "none.ndjson")]) == 64
    assert "none.ndjson" in capsys.readouterr().err


def test_an_unknown_claim_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A claim that means nothing must not look as if it held."""
    assert enter(["judge", _file(tmp_path, *HELD), "--claim", "duplicat"]) == 64
    assert "duplicate" in capsys.readouterr().err


def test_a_history_may_come_through_a_pipe() -> None:
    """`-` is standard input; the real program reads it."""
    judged = subprocess.run(
        [sys.executable, "-m", "ktrial", "judge", "-", "--json"],
        input="\n".join(BROKEN),
        check=False,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert judged.returncode == 1, judged.stderr
    assert json.loads(judged.stdout)["verdict"] == "broken"


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    """A run that has kept two histories: acks=1 is broken, acks=all held."""
    run = create_run(tmp_path / "runs", "acks")
    for setting, lines in (("acks=1", BROKEN), ("acks=all", HELD)):
        History.read_ndjson(_path(tmp_path, lines)).save(run.history("acks", "leader-dies", setting))
    return run.path


def _path(tmp_path: Path, lines: tuple[str, ...]) -> Path:
    path = tmp_path / "lines.ndjson"
    path.write_text("\n".join(lines))
    return path


def test_an_exported_history_is_judged_the_same(tmp_path: Path, run_path: Path) -> None:
    """Export loses nothing that a judge sees."""
    file = tmp_path / "out.ndjson"
    runs = ["--runs", str(run_path.parent)]
    for setting, status in (("acks=1", 1), ("acks=all", 0)):
        assert enter(["history", "export", "last", setting, "--output", str(file), *runs]) == 0
        assert enter(["judge", str(file), "--json"]) == status
        folder = run_path / "history" / "acks" / "leader-dies" / setting
        assert enter(["judge", str(folder), "--json"]) == status


def test_one_history_goes_to_standard_output(run_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --output the lines can be piped on."""
    into = io.BytesIO()
    monkeypatch.setattr(histories, "sys", SimpleNamespace(stdout=SimpleNamespace(buffer=into)))
    assert enter(["history", "export", str(run_path), "acks/leader-dies/acks=all"]) == 0
    operations = [json.loads(line)["op"] for line in into.getvalue().splitlines()]
    assert sorted(operations) == ["end", "read", "send", "send"]


def test_several_histories_go_into_a_folder(
    tmp_path: Path, run_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two histories are never mixed into one file: without a folder that is refused, and both are named."""
    assert enter(["history", "export", str(run_path)]) == 64
    err = capsys.readouterr().err
    assert "acks/leader-dies/acks=1" in err
    assert "acks/leader-dies/acks=all" in err
    assert enter(["history", "export", str(run_path), "--output", str(tmp_path / "all")]) == 0
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert names == ["acks.leader-dies.acks=1.ndjson", "acks.leader-dies.acks=all.ndjson"]


def test_a_setting_that_was_not_run_is_named(run_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was kept is listed where nothing is alike."""
    assert enter(["history", "export", str(run_path), "acks=0"]) == 64
    assert "acks/leader-dies/acks=all" in capsys.readouterr().err


def test_a_run_with_several_histories_is_not_one_history(
    run_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`judge` wants one of them."""
    assert enter(["judge", str(run_path)]) == 64
    assert "2 histories" in capsys.readouterr().err


def _page() -> str:
    return (Path(__file__).resolve().parents[2] / "docs" / "history.md").read_text(encoding="utf-8")


def test_the_documented_history_is_broken_as_documented(tmp_path: Path) -> None:
    """The example of docs/history.md is judged as the page says: record 118 is lost."""
    lines = _page().split("```ndjson\n")[1].split("```")[0]
    judgement = everything()(History.read_ndjson(_path(tmp_path, tuple(lines.splitlines()))))
    assert str(judgement.verdict) == "broken"
    assert [(each.kind, each.examples[0]["id"]) for each in judgement.anomalies if each.breaks] == [
        ("lost", 118)
    ]


def test_the_documented_settings_excuse_what_compaction_took(tmp_path: Path) -> None:
    """A foreign history with the page's line for a compacted topic: a record with a successor is not lost."""
    lines = _page().split("```ndjson\n")[2].split("```")[0].splitlines()
    for record in (117, 118):
        told = f'"actor":"p","op":"send","id":{record},"topic":"prices"'
        place = f'"partition":0,"offset":{record - 117}'
        lines.append(f'{{"t":{record},{told},"outcome":"called","key":"a"}}')
        lines.append(f'{{"t":{record},{told},"outcome":"ok",{place}}}')
    lines.append(READ.replace("117", "118").replace("orders", "prices").replace('"offset":0', '"offset":1'))
    lines.append(END.replace("orders", "prices").replace('"log_end":1', '"log_end":2'))
    judged = [everything()(History.read_ndjson(_path(tmp_path, tuple(some)))) for some in (lines, lines[1:])]
    assert [str(each.verdict) for each in judged] == ["held", "broken"]


def _fields_on_the_page() -> dict[tuple[str, str], tuple[set[str], set[str]]]:
    """Return, for each operation and outcome in the page's table, the fields that it must and may have."""
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    operations: list[str] = []
    for line in _page().split("## The operations")[1].split("\n- ")[0].splitlines()[4:]:
        if not line.startswith("|"):
            continue
        names, outcomes, described = (part.strip() for part in line.strip("|").split("|", 2))
        operations = re.findall(r"`(\w+)`", names) or operations
        fields = re.findall(r"`([a-z_]+\??)`", described)
        must = {field for field in fields if not field.endswith("?")}
        may = {field.rstrip("?") for field in fields if field.endswith("?")}
        found |= {
            (op, outcome): (must, may) for op in operations for outcome in re.findall(r"`(\w+)`", outcomes)
        }
    return found


def test_the_page_lists_every_field() -> None:
    """The table of docs/history.md says of each operation exactly the fields that the reader demands and takes."""
    wanted = {
        (op, outcome): (set(shape.must), set(shape.may))
        for op, shapes in CONTRACT.items()
        for outcome, shape in shapes.items()
    }
    assert _fields_on_the_page() == wanted


def test_the_page_names_every_operation_and_kind() -> None:
    """docs/history.md leaves out nothing that is read or looked for."""
    names = {*CONTRACT, *KINDS}
    assert [name for name in names if f"`{name}`" not in _page()] == []
