"""ARCHITECTURE.md names every module, and no module that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "ktrial"


def test_every_module_has_its_line() -> None:
    """The table of modules and the files of the package are the same set."""
    table = (
        (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## Modules")[1].split("## Decisions")[0]
    )
    listed = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    files = {path.relative_to(PACKAGE).as_posix().removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    modules = {re.sub(r"__init__$", "", name) for name in files} - {""}
    assert listed == modules
