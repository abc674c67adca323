"""The house keeps its own rules: sizes, names, text, layers, locks."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ktrial.cli import develop, tidy

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-test.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("rule", [tidy.too_long, tidy.badly_named, tidy.foreign_text])
def test_tree_keeps_rule(rule: tidy.Rule) -> None:
    """No function above 40 lines, no module above 400, no empty names, no text of one machine or registry."""
    assert rule(ROOT, tidy.files(ROOT)) == []


def pins(lock: str) -> dict[str, str]:
    """Return name to version of a lock's packages."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements-test.lock", PROJECT["dependency-groups"]["test"]),
    ],
)
def test_locks_are_fresh(lock: str, wanted: list[str]) -> None:
    """All that pyproject.toml asks for is in the lock, at a version that it allows."""
    pinned = pins(lock)
    for text in wanted:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text


def test_imports_are_declared() -> None:
    """Every package that ktrial imports stands in pyproject.toml: nothing is there by way of another package."""
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    providers = packages_distributions()
    for name in sorted(imported(ROOT / "src" / "ktrial") - sys.stdlib_module_names - {"ktrial"}):
        assert declared & {canonicalize_name(provider) for provider in providers.get(name, [])}, name


def imported(package: Path) -> set[str]:
    """Return the top-level names of all imports below a package."""
    names = set()
    for module in package.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    """Each package of a lock is pinned to files by SHA-256."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_locks_agree() -> None:
    """A package in both locks has one version, so that test packages change nothing of what runs."""
    runtime, test = pins(LOCKS[0]), pins(LOCKS[1])
    assert {name: runtime[name] for name in runtime.keys() & test.keys()} == {
        name: test[name] for name in runtime.keys() & test.keys()
    }


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("errors.py", "import ktrial.verdict", "Imports run only downward"),
        ("nowhere.py", "", "Imports run only downward"),
        ("judges/planted.py", "import time", "A judge sees history and verdict"),
    ],
)
def test_contracts_can_fail(tmp_path: Path, module: str, line: str, broken: str) -> None:
    """An import that runs upward, a module without a layer, a judge with a clock: each breaks a contract."""
    shutil.copytree(
        ROOT / "src" / "ktrial", tmp_path / "ktrial", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "ktrial" / module).open("a", encoding="utf-8") as planted:
        planted.write(f"\n{line}\n")
    done = subprocess.run(
        [sys.executable, "-c", develop.IMPORT_LINTER],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "NO_COLOR": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert re.search(rf"{broken}.*BROKEN", done.stdout), done.stdout


@pytest.mark.parametrize("client", ["producer", "consumer", "reader"])
def test_clients_start_lean(client: str) -> None:
    """A client process does not import polars: it must be there at once, three at a time."""
    code = f"import sys, ktrial.clients.{client}; sys.exit('polars' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
