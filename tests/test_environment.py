"""The environment beside the start script: whole or not at all, and never somebody else's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ktrial import environment
from ktrial.environment import MARK, RUNTIME, Environment, missing_wheels
from ktrial.errors import MachineProblem, UsageProblem

SOURCES = Path(environment.__file__).parents[1]


@pytest.fixture
def clone(tmp_path: Path) -> Environment:
    """A clone with a lock and an environment that was set up to the end, by the look of it."""
    made = Environment(tmp_path)
    (tmp_path / RUNTIME.name).write_text("rich==1\n", encoding="utf-8")
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to(sys.executable)
    (made.folder / MARK).touch()
    (made.folder / RUNTIME.name).write_text("rich==1\n", encoding="utf-8")
    return made


def test_same_lock_is_whole(clone: Environment) -> None:
    """An environment with a copy of the lock and an interpreter is whole."""
    assert clone.holds(RUNTIME)


def test_other_lock_is_not_whole(clone: Environment) -> None:
    """Any change of the lock asks for a new set-up."""
    (clone.root / RUNTIME.name).write_text("rich==2\n", encoding="utf-8")
    assert not clone.holds(RUNTIME)


def test_unfinished_is_not_whole(clone: Environment) -> None:
    """The copy of the lock comes last, so that without it the set-up was not finished."""
    (clone.folder / RUNTIME.name).unlink()
    assert not clone.holds(RUNTIME)


def test_vanished_interpreter_is_not_whole(clone: Environment) -> None:
    """When the Python that it was made of is gone, the environment is made anew."""
    clone.python.unlink()
    clone.python.symlink_to(clone.root / "gone")
    assert not clone.holds(RUNTIME)


def test_whole_environment_is_left_alone(clone: Environment, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is done, and nothing said, where nothing is to be done."""
    clone.ensure(RUNTIME)
    assert capfd.readouterr() == ("", "")


def test_foreign_folder_is_left_alone(clone: Environment) -> None:
    """A .venv without our mark is somebody else's: it is named, not deleted."""
    (clone.folder / MARK).unlink()
    with pytest.raises(UsageProblem, match="was not made by ktrial"):
        clone._clear()
    assert clone.python.exists()


def test_linked_folder_is_left_alone(clone: Environment, tmp_path: Path) -> None:
    """A .venv that is a symbolic link is not followed."""
    moved = clone.folder.rename(tmp_path / "elsewhere")
    clone.folder.symlink_to(moved)
    with pytest.raises(UsageProblem):
        clone._clear()
    assert (moved / MARK).exists()


def test_clearing_follows_no_links(clone: Environment, tmp_path: Path) -> None:
    """Deleting an environment deletes its links, not what they lead to."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (clone.folder / "lib64").symlink_to(kept)
    clone._clear()
    assert kept.exists()
    assert not clone.folder.exists()


def test_missing_wheels_are_named(tmp_path: Path) -> None:
    """The lock's packages without a wheel are named; names are compared in their normalised form."""
    lock = tmp_path / "a.lock"
    lock.write_text(
        "# c\nnumpy==2.4.6 \\\n    --hash=sha256:0\npolars-runtime-32==2.1.0 \\\n    --hash=sha256:1\n"
        "rich==15\n",
        encoding="utf-8",
    )
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "polars_runtime_32-2.1.0-cp311-abi3-manylinux_2_17_x86_64.whl").touch()
    (wheels / "numpy-2.4.5-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    assert missing_wheels(lock, wheels) == ["numpy 2.4.6", "rich 15"]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "No space is left"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "SHA-256 differs"),
        ("ERROR: No matching distribution found for rich==15", "connect it for one start"),
    ],
)
def test_words_of_installers_are_translated(told: str, sentence: str) -> None:
    """Each way to fail has a sentence that says what happened, and one that says what to do."""
    problem = environment._failure("pip could not fetch rich 15", told)
    assert isinstance(problem, MachineProblem)
    assert sentence in str(problem)
    assert "pip could not fetch rich 15" in str(problem)
    assert problem.mend


def test_full_disk_is_named(clone: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up while the environment is made is a sentence, not a traceback."""

    def fill(*_: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    (clone.folder / RUNTIME.name).unlink()
    monkeypatch.setattr(Environment, "_set_up", fill)
    with pytest.raises(MachineProblem, match="No space is left"):
        clone.ensure(RUNTIME)


def test_second_set_up_waits(clone: Environment, capfd: pytest.CaptureFixture[str]) -> None:
    """While one set-up runs, another waits, says so, and then finds the work done."""
    finished = (clone.folder / RUNTIME.name).rename(clone.root / "finished")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(SOURCES), str(clone.root), str(finished)], stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout
        other.stdout.readline()
        clone.ensure(RUNTIME)
    assert "waiting for it" in capfd.readouterr().err
    assert clone.holds(RUNTIME)


HOLD = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ktrial.environment import RUNTIME, _alone
root, finished = map(Path, sys.argv[2:])
with _alone(root, root):
    print("held", flush=True)
    time.sleep(0.3)  # the set-up that the other waits for
    os.replace(finished, root / ".venv" / RUNTIME.name)
"""


def test_bare_python_is_enough() -> None:
    """The module runs before any package is there: the standard library is all it needs."""
    code = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); import ktrial.environment"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
