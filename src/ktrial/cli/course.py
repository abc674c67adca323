"""`ktrial list` and `ktrial show`: the course and its lessons, without starting anything."""

from __future__ import annotations

import sys

from ktrial.cli.arguments import Parser
from ktrial.cli.choose import find_lab
from ktrial.labs import LABS
from ktrial.report.course import course_page, course_table, trials_markdown


def list_course(arguments: list[str]) -> int:
    """`list [--lang] [--markdown]`: the labs with their trials."""
    parser = Parser(
        "list", "The course: labs, trials, how many settings each, and the question."
    ).with_language()
    parser.add_argument("--markdown", action="store_true", help="everything, as the page docs/labs.md")
    asked = parser.parse_args(arguments)
    if asked.markdown:
        sys.stdout.write(course_page(LABS))
    else:
        sys.stdout.write("\n".join(course_table(LABS, asked.lang)) + "\n")
    return 0


def show(arguments: list[str]) -> int:
    """`show LAB [--lang] [--answers]`: the lesson and the trials; drawn on a terminal, Markdown in a pipe."""
    parser = Parser("show", "One lab's lesson and its trials.").with_language()
    parser.add_argument("lab", metavar="LAB", help="number or name")
    parser.add_argument("--answers", action="store_true", help="with the predictions of the trials")
    asked = parser.parse_args(arguments)
    lab = find_lab(asked.lab, LABS)
    text = lab.lesson(asked.lang).rstrip() + "\n\n" + trials_markdown(lab, asked.lang, answers=asked.answers)
    if not sys.stdout.isatty():
        sys.stdout.write(text)
        return 0

    from rich.console import Console  # noqa: PLC0415 - slow to import, for terminals only
    from rich.markdown import Markdown  # noqa: PLC0415

    Console().print(Markdown(text))
    return 0
