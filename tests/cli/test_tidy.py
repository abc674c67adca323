"""The house rules find what breaks them, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ktrial.cli import tidy

if TYPE_CHECKING:
    from pathlib import Path

LONG_METHOD = "class Long:\n    def speak(self):\n" + "        pass\n" * tidy.FUNCTION_LINES


def write(root: Path, name: str, text: str) -> list[str]:
    """Put a file below the root and return its name as the rules want it."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return [name]


def test_function_at_limit_passes(tmp_path: Path) -> None:
    """A function of exactly the limit is not too long."""
    text = "def speak():\n" + "    pass\n" * (tidy.FUNCTION_LINES - 1)
    assert tidy.too_long(tmp_path, write(tmp_path, "a.py", text)) == []


def test_long_method_is_found(tmp_path: Path) -> None:
    """A method one line above the limit is named with its class, even beside a short one of the same name."""
    text = LONG_METHOD + "class Short:\n    def speak(self): ...\n"
    found = tidy.too_long(tmp_path, write(tmp_path, "a.py", text))
    assert found == ["a.py:Long.speak has 41 lines; the limit is 40"]


def test_long_module_is_found(tmp_path: Path) -> None:
    """A module above the limit is found."""
    assert tidy.too_long(tmp_path, write(tmp_path, "a.py", "\n" * 401)) == [
        "a.py has 401 lines; the limit is 400"
    ]


def test_broken_module_is_left_to_others(tmp_path: Path) -> None:
    """A file that is no Python is for the linter to report; the sizes of the others are still checked."""
    names = write(tmp_path, "a.py", "def (") + write(tmp_path, "b.py", LONG_METHOD)
    assert len(tidy.too_long(tmp_path, names)) == 1


def test_allowance_holds_and_only_shrinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was long before is allowed at its size; once it is shorter, the allowance must go down with it."""
    names = write(tmp_path, "a.py", LONG_METHOD)
    monkeypatch.setattr(tidy, "ALLOWED", {"a.py:Long.speak": 41})
    assert tidy.too_long(tmp_path, names) == []
    monkeypatch.setattr(tidy, "ALLOWED", {"a.py:Long.speak": 42})
    assert "shrink or remove" in tidy.too_long(tmp_path, names)[0]
    monkeypatch.setattr(tidy, "ALLOWED", {"gone.py": 500})
    assert "gone.py is down to 0 lines" in tidy.too_long(tmp_path, [])[0]


@pytest.mark.parametrize("name", ["src/utils.py", "src/core/offsets.py", "src/helpers/__init__.py"])
def test_empty_names_are_found(tmp_path: Path, name: str) -> None:
    """A module or package called after nothing in particular is refused."""
    assert tidy.badly_named(tmp_path, [name])
    assert not tidy.badly_named(tmp_path, ["src/score.py", "docs/core.md"])


@pytest.mark.parametrize("part", ["root", "home/somebody", "Users/somebody", "work"])
def test_machine_paths_are_found(tmp_path: Path, part: str) -> None:
    """A folder of somebody's machine is found, with file and line."""
    names = write(tmp_path, "notes.md", f"First.\nSee /{part}/notes for more.\n")
    assert tidy.foreign_text(tmp_path, names) == [f"notes.md:2: a path of some machine: /{part}/"]


@pytest.mark.parametrize(
    "parts", ["pypi org", "files pythonhosted org", "repo1 maven org", "repo maven apache org"]
)
def test_registry_hosts_are_found(tmp_path: Path, parts: str) -> None:
    """The host of a package registry is found, whatever stands before and after it."""
    host = parts.replace(" ", ".")  # in pieces, because this file is looked through as well
    assert tidy.foreign_text(tmp_path, write(tmp_path, "a.lock", f"index = https://{host}/simple\n"))


@pytest.mark.parametrize(
    "text", ["~/root/kafka", "$HOME/root/", "a/root/b", "Maven coordinates", "framework/"]
)
def test_innocent_text_passes(tmp_path: Path, text: str) -> None:
    """Paths below something, and words that only resemble a host, are not found."""
    assert tidy.foreign_text(tmp_path, write(tmp_path, "a.md", text)) == []


def test_bytes_that_are_no_text_pass(tmp_path: Path) -> None:
    """A binary file is looked through without an error."""
    (tmp_path / "kept.bin").write_bytes(bytes(range(256)))
    assert tidy.foreign_text(tmp_path, ["kept.bin"]) == []
