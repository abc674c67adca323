"""`ktrial runs`: the runs that are kept, and `ktrial runs prune`: old ones deleted, which nothing else ever does."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from ktrial.cli.arguments import Parser
from ktrial.errors import MachineProblem, UsageProblem
from ktrial.store import all_runs

if TYPE_CHECKING:
    import argparse

    from ktrial.store import RunFolder

MEGABYTE = 1_000_000
DEFAULT_KEPT = 10


def runs(arguments: list[str]) -> int:
    """Do `runs` (list them, oldest first) and `runs prune [--keep N]` (delete all but the newest N)."""
    parser = Parser("runs", "List the kept runs with their sizes, or delete old ones.").with_runs()
    parser.add_argument("what", nargs="?", choices=("list", "prune"), default="list", help="default: list")
    parser.add_argument(
        "--keep", type=int, metavar="N", help=f"prune: how many of the newest stay (default: {DEFAULT_KEPT})"
    )
    asked = parser.parse_args(arguments)
    if asked.what == "prune":
        return _prune(asked)
    if asked.keep is not None:
        raise UsageProblem("--keep belongs to prune.", mend="Write ktrial runs prune --keep N.")
    for run in all_runs(asked.runs):
        sys.stdout.write(f"{_megabytes(run):>8.1f} MB  {run.path.name}\n")
    return 0


def _prune(asked: argparse.Namespace) -> int:
    keep = DEFAULT_KEPT if asked.keep is None else asked.keep
    if keep < 0:
        raise UsageProblem(
            f"--keep {keep} makes no sense.", mend="Name how many runs are to stay, 0 or more."
        )
    kept = all_runs(asked.runs)
    for run in kept[: len(kept) - keep] if keep < len(kept) else []:
        freed = _megabytes(run)
        try:
            shutil.rmtree(run.path)
        except OSError as error:
            raise MachineProblem(
                f"{run.path} could not be deleted: {error.strerror or error}.", mend="Delete it by hand."
            ) from error
        sys.stdout.write(f"deleted {run.path.name} ({freed:.1f} MB)\n")
    return 0


def _megabytes(run: RunFolder) -> float:
    return run.size_bytes() / MEGABYTE
