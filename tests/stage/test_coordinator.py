"""The coordinator's log lines, read on from where they ended before, with times of the history's clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ktrial.stage.coordinator import Tail

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000


def line(at_s: float, text: str) -> str:
    """Return a log line with a wall-clock time, as a node writes it."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
    return f"[{stamp},{int(at_s % 1 * 1000):03d}] INFO {text} (org.apache.kafka.coordinator.group.Any)\n"


def tail_of(log: Path) -> Tail:
    """Return a tail that begins at the log's end now."""
    return Tail(1, log, log.stat().st_size, time.monotonic_ns())


def test_only_what_is_new_is_told_once(tmp_path: Path) -> None:
    """What stood there before is left out, a line that is not whole waits, and no line comes twice."""
    log = tmp_path / "broker-1.log"
    log.write_text(line(time.time(), "old"))
    tail = tail_of(log)
    second = line(time.time(), "second (with brackets)")
    with log.open("a") as file:
        file.write(line(time.time(), "first") + "\tat a.stack.Trace(Nobody.java)\n" + second[:30])
    assert [(level, text) for _, level, text in tail.lines()] == [("INFO", "first")]
    with log.open("a") as file:
        file.write(second[30:])
    assert [text for _, _, text in tail.lines()] == ["second (with brackets)"]
    assert list(tail.lines()) == []


def test_wall_clock_becomes_the_clock_of_the_history(tmp_path: Path) -> None:
    """To the millisecond that the log has."""
    log = tmp_path / "broker-1.log"
    log.write_text("")
    tail = tail_of(log)
    written = time.monotonic_ns()
    log.write_text(line(time.time(), "now"))
    time.sleep(0.05)
    ((t, _, _),) = tail.lines()
    assert abs(t - written) < 10_000_000


def test_a_clock_that_was_set_moves_no_line_out_of_its_look(tmp_path: Path) -> None:
    """A line lies between the look that did not find it and the one that did, whatever it says itself."""
    log = tmp_path / "broker-1.log"
    log.write_text("")
    tail = tail_of(log)
    before = tail.looked_ns
    log.write_text(line(time.time() - 3600, "an hour ago") + line(time.time() + 3600, "in an hour"))
    (past, _, _), (future, _, _) = tail.lines()
    assert past == before
    assert before < future <= time.monotonic_ns()


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    """A node may not have written anything yet."""
    assert list(Tail(1, tmp_path / "none.log", 0, time.monotonic_ns()).lines()) == []
