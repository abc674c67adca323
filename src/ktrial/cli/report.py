"""`ktrial report RUN`: report.html and report.md made again from a run's folder."""

from __future__ import annotations

import sys

from ktrial.cli.arguments import Parser
from ktrial.errors import UsageProblem
from ktrial.results import SCHEMA
from ktrial.store import find_run


def report(arguments: list[str]) -> int:
    """Do `report RUN`: read report.json and the histories, write both views, print where they are."""
    parser = Parser("report", "Make report.html and report.md again from a run's folder.")
    parser.with_language().with_runs()
    parser.add_argument("run", metavar="RUN", help="a run's folder, its name, or `last`")
    asked = parser.parse_args(arguments)
    folder = find_run(asked.run, asked.runs)
    told = folder.read_report()

    from ktrial.report.files import MARKDOWN, PAGE, write_views  # noqa: PLC0415 - slow to import

    if told.get("schema") != SCHEMA:
        raise UsageProblem(
            f"{folder.path / 'report.json'} is no report of this kind (schema {told.get('schema')!r}).",
            mend=f"A report of {SCHEMA} is needed.",
        )
    try:
        unread = write_views(folder, told, asked.lang)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageProblem(
            f"{folder.path / 'report.json'} lacks something that a report has ({error!r}).",
            mend="Run it again.",
        ) from error
    for place in unread:
        sys.stderr.write(f"ktrial: The history {place} cannot be read; its pictures are left out.\n")
    for name in (PAGE, MARKDOWN):
        sys.stdout.write(f"{folder.path / name}\n")
    return 0
