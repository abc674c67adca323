"""What all tests share: their order, and the reminder of a failed lint."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from ktrial.cli.develop import LINT_FAILED, SLOW_KINDS

if TYPE_CHECKING:
    import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell starts what it puts in the background with SIGINT ignored, and so would every program that tests start."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first and those with a real cluster last: what fails early is known early."""
    items.sort(
        key=lambda item: max(
            (SLOW_KINDS.index(mark.name) + 1 for mark in item.iter_markers() if mark.name in SLOW_KINDS),
            default=0,
        )
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say before the last line that a green summary is not the whole truth."""
    if os.environ.get(LINT_FAILED):
        terminalreporter.write_line("lint failed before the tests (see the top of this output)", red=True)
