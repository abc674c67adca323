"""The commands for those who work on ktrial itself: test, lint, bench.

They need a clone, not an installed package. Each takes the arguments after its name and returns the
program's exit status.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ktrial import __version__
from ktrial.cli import tidy
from ktrial.environment import TEST, Environment
from ktrial.errors import UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

# The marks of what --fast leaves out, in the order in which they run.
SLOW_KINDS = ("house", "browser", "brokers")
LINT_FAILED = "KTRIAL_LINT_FAILED"  # tells the tests' summary that the lint before them failed


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the house; `run` returns what is wrong, '' for nothing."""

    name: str
    run: Callable[[Path], str]


def test(args: list[str]) -> int:
    """`test [--fast] [--no-browser] [pytest's arguments]`: lint, then the tests; pytest's summary comes last.

    Exit status: pytest's, or 1 when only the lint failed. Raises UsageProblem outside of a clone and
    MachineProblem when the test packages cannot be fetched.
    """
    if _explained(test, args):
        return 0
    root = _clone()
    left_out = SLOW_KINDS if "--fast" in args else ("browser",) if "--no-browser" in args else ()
    passed = [_absolute(arg) for arg in args if arg not in {"--fast", "--no-browser"}]
    linted = lint([])
    if left_out:
        passed = ["-m", " and ".join(f"not {kind}" for kind in left_out), *passed]
    surroundings = dict(os.environ)
    if linted:
        surroundings[LINT_FAILED] = "1"
    done = subprocess.run([sys.executable, "-m", "pytest", *passed], cwd=root, env=surroundings, check=False)
    return done.returncode or linted


def lint(args: list[str]) -> int:
    """`lint`: one line per check, and the details of those that failed; exit status 1 when any did."""
    if _explained(lint, args):
        return 0
    if args:
        raise UsageProblem(f"lint takes no arguments, but got {' '.join(args)}.")
    root = _clone()
    failed = False
    with ThreadPoolExecutor() as pool:
        for check, wrong in zip(CHECKS, pool.map(lambda check: check.run(root), CHECKS), strict=True):
            print(f"lint: {check.name:<28} {'failed' if wrong else 'ok'}", flush=True)
            if wrong:
                failed = True
                print("      " + wrong.strip().replace("\n", "\n      "), flush=True)
    return 1 if failed else 0


def bench(args: list[str]) -> int:
    """`bench [NAME ...] [--quick]`: run the named benchmarks, or all; print table and JSON file's path."""
    if _explained(bench, args):
        return 0
    root = _clone()
    known = sorted(
        path.stem for path in (root / "bench").glob("*.py") if path.stem not in {"__init__", "sides"}
    )
    names = [arg for arg in args if arg != "--quick"]
    for name in names:
        if name not in known:
            mend = nearest(name, known) or f"There are {', '.join(known)}."
            raise UsageProblem(f"There is no benchmark {name!r}.", mend=mend)
    sys.path.insert(0, str(root))
    for name in names or known:
        print(f"bench: {name}", flush=True)
        rows = importlib.import_module(f"bench.{name}").run(quick="--quick" in args)
        print(importlib.import_module("bench.sides").table(rows))
        kept = root / "bench" / "out" / f"{name}.json"
        kept.parent.mkdir(exist_ok=True)
        made = {"bench": name, "ktrial": __version__, "machine": platform.platform(), "cores": os.cpu_count()}
        kept.write_text(json.dumps({**made, "rows": rows}, indent=2) + "\n", encoding="utf-8")
        print(kept, flush=True)
    return 0


def _explained(command: Callable[[list[str]], int], args: list[str]) -> bool:
    """Whether --help was asked for; prints it."""
    if "--help" in args:
        print(inspect.getdoc(command))
    return "--help" in args


def _clone() -> Path:
    """Return the clone's root; its own environment gets the test packages, any other must have them."""
    root = Path(__file__).resolve().parents[3]
    if not (root / TEST.name).is_file():
        raise UsageProblem(
            "test, lint and bench work on ktrial's sources, and this is an installed package.",
            mend="Clone the repository and use ./ktrial there.",
        )
    if Path(sys.prefix) == Environment(root).folder:
        Environment(root).ensure(TEST)
    elif not importlib.util.find_spec("pytest"):
        raise UsageProblem(
            f"{sys.prefix} lacks the packages of {root / TEST.name}.", mend="Use ./ktrial instead."
        )
    return root


def _absolute(arg: str) -> str:
    """Return a path (or path::test) of the current folder as an absolute one; anything else as it is."""
    path, colons, test_name = arg.partition("::")
    return f"{Path(path).absolute()}{colons}{test_name}" if path and Path(path).exists() else arg


def _tool(*command: str) -> Callable[[Path], str]:
    """Return a check that runs a tool of this environment in the clone, silent where the tool is content."""

    def run(root: Path) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=root, check=False, capture_output=True, text=True, env=_plain()
        )
        return (done.stdout + done.stderr or f"exit status {done.returncode}") if done.returncode else ""

    return run


def _plain() -> dict[str, str]:
    """Return our surroundings for a tool whose output is kept: no colours, our sources importable."""
    sources = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "NO_COLOR": "1", "PYTHONPATH": sources}


def _lines(find: tidy.Rule) -> Callable[[Path], str]:
    """Return a check of the clone's files by one of our own rules."""
    return lambda root: "\n".join(find(root, tidy.files(root)))


IMPORT_LINTER = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(no_cache=True, no_logo=True))
"""
CONCISE = ("--quiet", "--output-format", "concise", ".")

CHECKS: tuple[Check, ...] = (
    Check("ruff check", _tool("-m", "ruff", "check", *CONCISE)),
    Check("ruff format", _tool("-m", "ruff", "format", "--check", *CONCISE)),
    Check("mypy --strict", _tool("-m", "mypy", "--no-error-summary")),
    Check("imports run downward", _tool("-c", IMPORT_LINTER)),
    Check("sizes of functions, modules", _lines(tidy.too_long)),
    Check("names of modules", _lines(tidy.badly_named)),
    Check("no machine paths or registries", _lines(tidy.foreign_text)),
)
