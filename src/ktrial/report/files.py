"""What a finished run leaves in its folder beside the history: report.json and junit.xml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktrial.report.junit import junit_xml
from ktrial.store import JUNIT, RunFolder

if TYPE_CHECKING:
    from ktrial.results import RunResult


def write_reports(result: RunResult) -> None:
    """Write both files, each in one step; raises MachineProblem when the disk refuses."""
    folder = RunFolder(result.folder)
    folder.write_report(result.as_json())
    folder.write_text(JUNIT, junit_xml(result))
