"""Kafka's jars: named by Maven coordinates in a lock file that ships with ktrial, fetched by jgo, checked before use.

Leaves out resolution: the lock is the whole list. Jars live in `<cache>/kafka-<version>/jars`; a download is
verified aside and moved there in one step, so what lies in the folder was whole once. Its checksum is compared again
at every start, because disks and people change files.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ktrial.errors import MachineProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KAFKA_VERSION = "4.3.1"
DOWNLOADS_AT_ONCE = 8
DOWNLOAD_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar by its Maven coordinates; `sha256` is the checksum of the file."""

    group: str
    artifact: str
    version: str
    bytes: int
    sha256: str
    classifier: str = ""

    @property
    def file_name(self) -> str:
        """The file's name in a Maven repository."""
        tail = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{tail}.jar"


def locked_jars() -> tuple[Jar, ...]:
    """Return the jars of the lock file that ships with this version of ktrial."""
    return tuple(Jar(**entry) for entry in tomllib.loads(lock_text())["jar"])


def lock_text() -> str:
    """Return the lock file's text (its hash is part of the AOT cache's key)."""
    return (resources.files("ktrial.cluster") / f"kafka-{KAFKA_VERSION}.lock.toml").read_text()


def provide(folder: Path, progress: Callable[[str, int, int], None]) -> tuple[Path, ...]:
    """Return the paths of all locked jars in `folder`, fetching those that are missing.

    Raises MachineProblem for a jar whose checksum is wrong (it names the file), for a network that is needed and
    not there, and for a full disk.
    """
    jars = locked_jars()
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if missing:
        _fetch(missing, folder, progress)
    paths = tuple(folder / jar.file_name for jar in jars)
    with ThreadPoolExecutor(2) as pool:
        sums = list(pool.map(_sha256, paths))
    for jar, path, found in zip(jars, paths, sums, strict=True):
        if found != jar.sha256:
            what = f"The jar {path} is damaged or was replaced: its SHA-256 is not the one in ktrial's lock."
            raise MachineProblem(what, mend="Delete that file and start again; it is then fetched anew.")
    return paths


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(missing: Sequence[Jar], folder: Path, progress: Callable[[str, int, int], None]) -> None:
    total = sum(jar.bytes for jar in missing)
    what = f"Kafka {KAFKA_VERSION} ({len(missing)} jars)"
    progress(what, 0, total)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as aside:
        done = 0

        def count(size: int) -> None:
            nonlocal done
            done += size
            progress(what, min(done, total), total)

        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            arrivals = [pool.submit(_fetch_one, jar, Path(aside), folder, count) for jar in missing]
            for arrival in arrivals:
                try:
                    arrival.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    progress(what, total, total)


def _fetch_one(jar: Jar, aside: Path, folder: Path, count: Callable[[int], None]) -> None:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - slow to import, needed on first start only

    @contextmanager
    def counted(_file_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield count

    context = MavenContext(
        PythonResolver(progress_callback=counted),
        repo_cache=aside / jar.file_name,
        timeout=DOWNLOAD_TIMEOUT_S,
    )
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    try:
        path = component.artifact(classifier=jar.classifier).resolve()
    except OSError as error:  # requests' errors are OSErrors
        raise _not_fetched(jar, error) from error
    except RuntimeError as error:
        raise _not_fetched(jar, error) from error
    if _sha256(path) != jar.sha256:
        what = f"The download of {jar.file_name} did not arrive whole: its SHA-256 is not the lock's."
        raise MachineProblem(
            what, mend="Start again; if it happens again, something between here and there alters files."
        )
    shutil.move(path, folder / jar.file_name)


def _not_fetched(jar: Jar, error: Exception) -> MachineProblem:
    if getattr(error, "errno", None) == 28:
        return MachineProblem(
            f"No space left on the disk while fetching {jar.file_name}.", mend="Make room, then start again."
        )
    name = f"{jar.group}:{jar.artifact}:{jar.version}"
    what = f"Kafka's jar {name} is not here yet and could not be fetched ({type(error).__name__})."
    mend = "The first start needs a network that reaches Maven Central (about 57 MB); later starts need none."
    return MachineProblem(what, mend=mend)
