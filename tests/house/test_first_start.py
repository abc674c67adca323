"""First starts for real: an environment made from the lock, and what is said when that cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import ktrial

pytestmark = pytest.mark.house

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone in a path with a space."""
    root = tmp_path / "fresh clone"
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("ktrial", "requirements.lock", "requirements-test.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    return root


def start(clone: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """Ask the clone's ktrial for its version."""
    surroundings = {**os.environ, **changed}
    surroundings.pop("PIP_FIND_LINKS", None)
    return subprocess.run(
        [clone / "ktrial", "--version"],
        env=surroundings,
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )


def test_first_start_then_second(clone: Path) -> None:
    """The first start sets up and then does as told, with stdout clean; the second start only does as told.

    What a set-up that was killed left behind is no obstacle.
    """
    left = clone / ".venv" / "lib"
    left.mkdir(parents=True)
    (clone / ".venv" / "made-by-ktrial").touch()
    first = start(clone)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"ktrial {ktrial.__version__}\n"
    assert "setting up the python packages" in first.stderr.lower()
    stamp = clone / ".venv" / "requirements.lock"
    made_ns = stamp.stat().st_mtime_ns
    second = start(clone)
    assert second.stdout == first.stdout
    assert second.stderr == ""
    assert stamp.stat().st_mtime_ns == made_ns


def test_cold_and_offline(clone: Path, tmp_path: Path) -> None:
    """Without a network and with nothing kept, it names what is missing and what to do; status 2.

    What it leaves behind does not pass for whole.
    """
    cold = {"KTRIAL_CACHE": str(tmp_path / "cold"), "UV_CACHE_DIR": str(tmp_path / "cold-uv")}
    done = start(clone, PIP_NO_INDEX="1", UV_OFFLINE="1", **cold)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "could not" in done.stderr
    assert "certifi" in done.stderr
    assert "connect it for one start" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / ".venv" / "requirements.lock").exists()
