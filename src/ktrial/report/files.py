"""What a finished run leaves in its folder beside the history: report.json, junit.xml, report.html and report.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ktrial.errors import KtrialError
from ktrial.report.junit import junit_xml
from ktrial.report.markdown import markdown
from ktrial.report.page import html_page
from ktrial.store import JUNIT, RunFolder, holds_history

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ktrial.history.tables import History
    from ktrial.results import RunResult
    from ktrial.verdict import Language

PAGE, MARKDOWN = "report.html", "report.md"


def write_reports(result: RunResult, language: Language) -> None:
    """Write all four, each in one step; raises MachineProblem when the disk refuses."""
    folder = RunFolder(result.folder)
    report = result.as_json()
    folder.write_report(report)
    folder.write_text(JUNIT, junit_xml(result))
    write_views(folder, report, language)


def write_views(folder: RunFolder, report: Mapping[str, Any], language: Language) -> list[str]:
    """Write report.html and report.md from report.json and the histories; return which histories cannot be read."""
    unread: list[str] = []

    def history(place: str) -> History | None:
        from ktrial.history.tables import History  # noqa: PLC0415 - slow to import

        path: Path = folder.path / place
        if not place or not holds_history(path):
            unread.append(place)
            return None
        try:
            return History.load(path)
        except KtrialError:
            unread.append(place)
            return None

    folder.write_text(PAGE, html_page(report, history, language))
    folder.write_text(MARKDOWN, markdown(report, language))
    return [place for place in unread if place]
