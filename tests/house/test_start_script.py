"""The start script: from anywhere, in any folder, and quick when there is nothing to do.

The environment's interpreter is a fake here that says how it was called; set-ups are in test_first_start.py.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TELL = '#!/bin/sh\nprintf "%s\\n" "$0" "$PWD" "${PYTHONPATH-none}" "${PYTHONSAFEPATH-none}" "$@"\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone, in a path with spaces, whose environment is whole and has a fake interpreter."""
    root = tmp_path / "a clone's folder"
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    executable(python, TELL)
    shutil.copy(ROOT / "ktrial", root)
    for copy in (root / "requirements.lock", root / ".venv" / "requirements.lock"):
        shutil.copy(ROOT / "requirements.lock", copy)
    return root


def executable(path: Path, text: str) -> Path:
    """Write a script that can be run."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def told(command: list[str | Path], folder: Path, **changed: str) -> list[str]:
    """Run the start script in a folder; return what the fake interpreter says."""
    surroundings = {"PATH": "/usr/bin:/bin", **changed}
    return subprocess.run(
        command, cwd=folder, env=surroundings, check=True, capture_output=True, text=True
    ).stdout.splitlines()


def test_arguments_arrive_as_they_are(clone: Path) -> None:
    """Spaces, quotes, stars and empty arguments reach the program untouched."""
    given = ["run", "a b", "", "*", "'", "--x=$HOME"]
    assert told([clone / "ktrial", *given], clone)[4:] == ["-m", "ktrial", *given]


def test_from_another_folder(clone: Path, tmp_path: Path) -> None:
    """It finds its environment from any folder, and the program keeps the caller's folder."""
    python, folder, *_ = told([clone / "ktrial"], tmp_path)
    assert python == str(clone / ".venv" / "bin" / "python")
    assert folder == str(tmp_path)


def test_through_links(clone: Path, tmp_path: Path) -> None:
    """A chain of links, absolute and relative, leads back to the clone."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "first").symlink_to(clone / "ktrial")
    (tmp_path / "bin" / "second").symlink_to("../first")
    assert told([tmp_path / "bin" / "second"], tmp_path)[0].startswith(str(clone))


def test_from_the_path(clone: Path, tmp_path: Path) -> None:
    """It can be called by its bare name when its folder is on PATH."""
    called = told(["/bin/sh", "-c", "ktrial list"], tmp_path, PATH=f"{clone}:/usr/bin:/bin")
    assert called[0].startswith(str(clone))


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_as_a_shell_s_argument(clone: Path, shell: str) -> None:
    """`sh ktrial` and `bash ktrial` work as well."""
    assert told([shell, "ktrial", "list"], clone)[4:] == ["-m", "ktrial", "list"]


def test_foreign_paths_stay_out(clone: Path) -> None:
    """Neither the caller's PYTHONPATH nor a json.py in the current folder gets into the program."""
    assert told([clone / "ktrial"], clone, PYTHONPATH="/elsewhere")[2:4] == ["none", "1"]


@pytest.mark.parametrize("spoil", ["lock changed", "never finished", "interpreter gone"])
def test_set_up_when_not_whole(clone: Path, tmp_path: Path, spoil: str) -> None:
    """A changed lock, an unfinished set-up and a vanished interpreter each lead to the set-up."""
    if spoil == "lock changed":
        with (clone / "requirements.lock").open("a") as lock:
            lock.write("# newer\n")
    elif spoil == "never finished":
        (clone / ".venv" / "requirements.lock").unlink()
    else:
        (clone / ".venv" / "bin" / "python").unlink()
    fake = executable(tmp_path / "python3", TELL)
    called = told([clone / "ktrial", "list", "a b"], clone, KTRIAL_PYTHON=str(fake))
    assert "from ktrial.environment import start" in " ".join(called)
    assert called[-3:] == [str(clone), "list", "a b"]


def test_no_python_is_one_sentence(clone: Path, tmp_path: Path) -> None:
    """Without a Python that is new enough it says what is needed, where it looked, what to do; status 2."""
    (clone / ".venv" / "requirements.lock").unlink()
    old = executable(tmp_path / "python3", "#!/bin/sh\nexit 3\n")
    done = subprocess.run(
        [clone / "ktrial", "list"],
        env={"PATH": "/usr/bin:/bin", "KTRIAL_PYTHON": str(old)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Python 3.11 or newer is needed" in done.stderr
    assert f"KTRIAL_PYTHON={old}" in done.stderr
