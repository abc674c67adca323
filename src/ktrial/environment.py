"""The environment (`.venv`) beside the start script: made from a lock file, whole or not at all.

Runs on a bare Python 3.11 before any package is there, so it imports nothing but the standard library. A copy
of the lock is written into the environment last of all: where it is missing or differs, the set-up is done
anew. One set-up at a time is kept by a lock on the clone's folder, which the kernel lets go when all its
holders, installers included, are gone. pip cannot work offline from its own cache (it asks the index about
every package), so wheels are kept in `<cache>/wheels` and installed from there; uv's cache works offline.
Leaves out Windows.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ktrial.errors import KtrialError, MachineProblem, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARK = "made-by-ktrial"  # stands in every environment of ours, finished or not: nothing else is ever deleted
NO_SPACE = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")
OTHER_HASH = ("DO NOT MATCH THE HASHES", "Hash mismatch")


def cache_folder() -> Path:
    """Return the folder for what outlives a run: `KTRIAL_CACHE`, or the platform's cache folder."""
    chosen = os.environ.get("KTRIAL_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ktrial"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ktrial"


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file at the repository's root; `megabytes` is about what a first fetch of it transfers."""

    name: str
    purpose: str
    megabytes: int


RUNTIME = Lock("requirements.lock", "Python packages", 115)
TEST = Lock("requirements-test.lock", "test packages", 35)


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of the clone at `root`."""

    root: Path

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def holds(self, lock: Lock) -> bool:
        """Whether everything in the lock, as it is now, was installed to the end."""
        try:
            same = (self.folder / lock.name).read_bytes() == (self.root / lock.name).read_bytes()
        except OSError:
            return False
        return same and os.access(self.python, os.X_OK)

    def ensure(self, lock: Lock) -> None:
        """Install what the lock names, unless it is there; RUNTIME makes the whole environment anew.

        Raises MachineProblem (no network, no space, no venv) or UsageProblem (a `.venv` that is not ours).
        """
        if self.holds(lock):
            return
        try:
            with _alone(self.root, self.folder) as held:
                if not self.holds(lock):  # another start may have done it meanwhile
                    self._set_up(lock, held)
        except OSError as error:
            raise _foreign(error, self.folder) from error

    def _set_up(self, lock: Lock, held: int) -> None:
        began = "First start: setting up" if not self.folder.exists() else "Setting up"
        say(f"{began} the {lock.purpose} in {self.folder}")
        uv = _working_uv()
        if lock is RUNTIME:
            self._make(uv, held)
        (self.folder / lock.name).unlink(missing_ok=True)
        if uv:
            self._install_with_uv(uv, lock, held)
        else:
            self._install_with_pip(lock, held)
        copied = self.folder / f"{lock.name}.new"
        shutil.copyfile(self.root / lock.name, copied)
        copied.replace(self.folder / lock.name)
        say(f"{lock.purpose.capitalize()}: ready.")

    def _make(self, uv: str | None, held: int) -> None:
        """Make an environment with nothing in it but the way to our sources (and pip, if uv is missing)."""
        self._clear()
        self.folder.mkdir()
        (self.folder / MARK).touch()
        python = _base_python()
        if not uv and not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
            raise MachineProblem(
                f"{python} comes without venv or ensurepip, so {self.folder} cannot be made.",
                mend=f"Debian, Ubuntu: apt install {python.name}-venv. Or install uv, or name another: "
                "KTRIAL_PYTHON=/where/it/is/python3.",
            )
        command = [str(python), "-I", "-m", "venv", *(["--without-pip"] if uv else []), str(self.folder)]
        status, told = _run_unseen(command, held)
        if status:
            raise _failure(f"{python} could not make {self.folder}", told)
        (site,) = (self.folder / "lib").glob("python*/site-packages")
        (site / "ktrial-sources.pth").write_text("../../../../src\n", encoding="utf-8")

    def _clear(self) -> None:
        """Delete what an earlier set-up left, and only that."""
        if not self.folder.exists() and not self.folder.is_symlink():
            return
        if self.folder.is_symlink() or not (self.folder / MARK).is_file():
            raise UsageProblem(
                f"{self.folder} was not made by ktrial, so it is left alone.",
                mend="Move it away, then start again.",
            )
        for part in sorted(self.folder.iterdir(), key=lambda part: part.name == MARK):  # the mark goes last
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part)
            else:
                part.unlink()
        self.folder.rmdir()

    def _install_with_uv(self, uv: str, lock: Lock, held: int) -> None:
        target = ["--python", str(self.python), "--reinstall", "--compile-bytecode"]
        command = [uv, "pip", "install", *target, *_exactly(self.root / lock.name)]
        status, told = _run_unseen([*command, "--offline"], held)
        if status == 0:
            return
        say(f"Fetching with uv: about {lock.megabytes} MB, less what uv keeps from before.")
        if _run_with_its_own_progress(command, held):
            raise _failure(f"uv could not install the {lock.purpose} of {self.root / lock.name}", told)

    def _install_with_pip(self, lock: Lock, held: int) -> None:
        locked, wheels = self.root / lock.name, cache_folder() / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        pip = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        install = [*pip, "install", "--force-reinstall", "--no-index", "--find-links", str(wheels)]
        with _alone(wheels, wheels) as both:
            missing = missing_wheels(locked, wheels)
            if not missing:
                say(f"Installing what is kept in {wheels}.")
                status, told = _run_unseen([*install, *_exactly(locked)], held, both)
                if status == 0:
                    return
                if any(words in told for words in NO_SPACE):
                    raise _failure(f"pip could not install into {self.folder}", told)
            say(f"Fetching {_few(missing)} (the whole set is about {lock.megabytes} MB).")
            status, told = _run_seen([*pip, "download", "--dest", str(wheels), *_exactly(locked)], held, both)
            if status:
                raise _failure(
                    f"pip could not fetch {_few(missing_wheels(locked, wheels))}", told, shown=True
                )
            say(f"All fetched; installing into {self.folder}.")
            status, told = _run_unseen([*install, *_exactly(locked)], held, both)
        if status:
            raise _failure(f"pip could not install the {lock.purpose} of {locked}", told)


def missing_wheels(lock: Path, wheels: Path) -> list[str]:
    """Return 'name version' of each of the lock's packages without a wheel (for any platform) there."""
    kept = {"-".join(wheel.name.split("-")[:2]).replace("_", "-").lower() for wheel in wheels.glob("*.whl")}
    pinned = re.findall(r"^([\w.-]+)==(\S+) *(?:\\|$)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return [f"{name} {version}" for name, version in pinned if f"{name}-{version}".lower() not in kept]


def say(sentence: str) -> None:
    """Tell the person at the terminal; stdout belongs to results."""
    sys.stderr.write(f"ktrial: {sentence}\n")
    sys.stderr.flush()


def start(root: str, arguments: Sequence[str]) -> NoReturn:
    """See to the environment of the clone at `root`, then become the program in it."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that installers end with us
    environment = Environment(Path(root))
    try:
        environment.ensure(RUNTIME)
    except KtrialError as problem:
        say(str(problem))
        sys.exit(problem.exit_status)
    except KeyboardInterrupt:
        say("Stopped before the set-up was done; the next start does it anew.")
        sys.exit(130)
    program = [str(environment.python), "-m", "ktrial", *arguments]
    os.execv(environment.python, program)  # noqa: S606 - becoming another program is the point


def _exactly(lock: Path) -> list[str]:
    """Return the options, the same for pip and uv, that install a lock and nothing but it."""
    return ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(lock)]


def _working_uv() -> str | None:
    """Return uv's path; None where it is missing, or a shim with nothing behind it."""
    uv = shutil.which("uv")
    return uv if uv and _run_unseen([uv, "--version"])[0] == 0 else None


def _base_python() -> Path:
    """Return this interpreter outside of any environment, by a name with its version where there is one.

    An environment of `python3` would go on without its packages when that becomes another version; one of
    `python3.11` then has no interpreter any more, and is made anew.
    """
    base = Path(getattr(sys, "_base_executable", sys.executable))
    versioned = base.with_name(f"python{sys.version_info.major}.{sys.version_info.minor}")
    return versioned if versioned.exists() else base


@contextlib.contextmanager
def _alone(folder: Path, what: Path) -> Iterator[int]:
    """Hold the folder's lock; yield its descriptor, inherited by installers, so none outlives it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another ktrial is busy with {what}; waiting for it.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _installer(
    command: Sequence[str], held: Sequence[int], errors: int | None
) -> Iterator[subprocess.Popen[str]]:
    """Run an installer in a session of its own, so that whatever it started can be ended with it."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if errors == subprocess.STDOUT else sys.stderr,
        stderr=errors,
        pass_fds=held,
        start_new_session=True,
        text=True,
        errors="replace",
    ) as child:
        try:
            yield child
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            raise


def _run_with_its_own_progress(command: Sequence[str], *held: int) -> int:
    """Leave the terminal to the installer; return its exit status."""
    with _installer(command, held, None) as child:
        return child.wait()


def _run_unseen(command: Sequence[str], *held: int) -> tuple[int, str]:
    """Return the exit status and all that was said."""
    with _installer(command, held, subprocess.STDOUT) as child:
        told, _ = child.communicate()
    return child.returncode, told


def _run_seen(command: Sequence[str], *held: int) -> tuple[int, str]:
    """Show progress (stdout) and complaints (stderr) as they come; return exit status and complaints."""
    told: list[str] = []
    with _installer(command, held, subprocess.PIPE) as child:
        for line in child.stderr or ():
            told.append(line)
            sys.stderr.write(line)
    return child.returncode, "".join(told)


def _few(missing: Sequence[str]) -> str:
    """Name the packages, at most four of them."""
    if not missing:
        return f"packages for Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
    return ", ".join(missing[:4]) + more


def _failure(what: str, told: str, *, shown: bool = False) -> MachineProblem:
    """Return the problem that an installer's words tell of; repeat the last of them if not shown."""
    if any(words in told for words in NO_SPACE):
        return MachineProblem(
            f"No space is left on the disk: {what}.", mend="Make 1 GB of room; start again."
        )
    if any(words in told for words in OTHER_HASH):
        return MachineProblem(
            f"A package arrived that is not the one in the lock (its SHA-256 differs): {what}.",
            mend="Start again; if it happens again, something between here and the index is at fault.",
        )
    last = [] if shown else ["Its last words:", *told.strip().splitlines()[-6:], ""]
    return MachineProblem(
        "\n".join([f"{what}.", *last]),
        mend="If this machine is offline, connect it for one start: what was fetched is kept, "
        "and later starts need no network.",
    )


def _foreign(error: OSError, folder: Path) -> MachineProblem:
    """Translate what the operating system said while the environment was made."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _failure(f"{folder} could not be made", NO_SPACE[0])
    return MachineProblem(
        f"{folder} could not be made: {error.strerror} ({error.filename}).",
        mend="ktrial must be able to write beside its start script and in its cache (or in KTRIAL_CACHE).",
    )
