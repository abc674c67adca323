"""House rules that no linter knows: sizes, names of modules, and what no tracked file may say.

Each rule takes the clone's root and its files (relative paths) and returns one line per breach.
"""

from __future__ import annotations

import ast
import contextlib
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Rule = Callable[[Path, Sequence[str]], list[str]]

FUNCTION_LINES = 40
MODULE_LINES = 400

# What was longer when the rule came, by 'file' or 'file:function', and its lines then. Entries shrink or go.
ALLOWED: dict[str, int] = {}

NAMES_THAT_SAY_NOTHING = frozenset({"base", "common", "core", "helper", "helpers", "misc", "util", "utils"})

# Folders of somebody's machine, and hosts of package registries (an installer's own settings name those).
FOREIGN = {
    "a path of some machine": re.compile(
        r"(?<![\w.~*$}])/(?:root|work|home/\w+|Users/\w+|tmp/dev)(?:/|\b(?=[\"'\s]))"
    ),
    "a package registry's host": re.compile(
        r"\b(?:[a-z0-9-]+\.)*(?:pypi|pythonhosted|npmjs|crates|maven|golang)(?:\.apache)?\.(?:org|com|io)\b",
        re.IGNORECASE,
    ),
}


def files(root: Path) -> list[str]:
    """Return the relative paths of all files that git tracks, or would if asked to add everything.

    Raises CalledProcessError where git is missing or this is no clone.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return sorted(name for name in listed.stdout.split("\0") if name and (root / name).is_file())


def too_long(root: Path, names: Sequence[str]) -> list[str]:
    """Return the functions and modules above the limit, and allowances larger than what they allow."""
    sizes = dict(_sizes(root, [name for name in names if name.endswith(".py")]))
    breaches = []
    for place, (lines, limit) in sizes.items():
        if lines > max(limit, ALLOWED.get(place, 0)):
            breaches.append(f"{place} has {lines} lines; the limit is {limit}")
    for place, allowed in ALLOWED.items():
        lines, limit = sizes.get(place, (0, 0))
        if lines <= limit or lines < allowed:
            breaches.append(
                f"{place} is down to {lines} lines; shrink or remove its entry in {__name__}.ALLOWED"
            )
    return breaches


def badly_named(_root: Path, names: Sequence[str]) -> list[str]:
    """Return the modules and packages whose name says nothing about what is in them."""
    return [
        f"{name}: a module called by what it is about would be found"
        for name in names
        if name.endswith(".py")
        and NAMES_THAT_SAY_NOTHING & {PurePath(part).stem for part in PurePath(name).parts}
    ]


def foreign_text(root: Path, names: Sequence[str]) -> list[str]:
    """Return the lines that name a folder of one machine or the host of a package registry."""
    breaches = []
    for name in names:
        text = (root / name).read_bytes().decode("utf-8", errors="replace")
        for what, pattern in FOREIGN.items():
            breaches += [
                f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {what}: {found.group()}"
                for found in pattern.finditer(text)
            ]
    return breaches


def _sizes(root: Path, names: Sequence[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield (place, (lines, limit)) of every module and function."""
    for name in names:
        text = (root / name).read_text(encoding="utf-8")
        yield name, (len(text.splitlines()), MODULE_LINES)
        with contextlib.suppress(SyntaxError):  # which other checks report
            for function, lines in _functions(ast.parse(text, name), ""):
                yield f"{name}:{function}", (lines, FUNCTION_LINES)


def _functions(inside: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield (dotted name, lines from `def` to the last) of every function, methods and inner ones too."""
    for node in ast.iter_child_nodes(inside):
        path = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            path = f"{prefix}{node.name}."
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield path[:-1], (node.end_lineno or node.lineno) - node.lineno + 1
        yield from _functions(node, path)
