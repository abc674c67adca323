"""What all commands' arguments have in common: errors of ours, not argparse's exits; the language."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ktrial.errors import UsageProblem
from ktrial.store import DEFAULT_RUNS

if TYPE_CHECKING:
    from ktrial.verdict import Language


class Parser(argparse.ArgumentParser):
    """An argument parser of one command whose complaints are UsageProblem (exit status 64)."""

    def __init__(self, command: str, about: str) -> None:
        """Make the parser of `ktrial COMMAND`."""
        super().__init__(prog=f"ktrial {command}", description=about, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise UsageProblem instead of leaving the program."""
        raise UsageProblem(f"{self.prog}: {message}.", mend=f"`{self.prog} --help` tells what it takes.")

    def with_language(self) -> Parser:
        """Add --lang."""
        self.add_argument(
            "--lang", choices=("ko", "en"), default=default_language(), help="default: from the locale"
        )
        return self

    def with_runs(self) -> Parser:
        """Add --runs."""
        self.add_argument(
            "--runs",
            type=Path,
            metavar="DIR",
            default=DEFAULT_RUNS,
            help="where runs are kept (default: ./runs)",
        )
        return self


def default_language() -> Language:
    """Return KTRIAL_LANG, else Korean in a Korean locale, else English; raises UsageProblem for `fr`."""
    chosen = os.environ.get("KTRIAL_LANG", "")
    if chosen and chosen not in {"ko", "en"}:
        raise UsageProblem(f"KTRIAL_LANG is {chosen!r}.", mend="It may be ko or en.")
    locale = next(
        (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), ""
    )
    return "ko" if (chosen or locale).startswith("ko") else "en"
