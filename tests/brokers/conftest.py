"""A real cluster for the tests that need one, booted once, and a stage on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from ktrial.children import Session
from ktrial.cluster.embedded import EmbeddedCluster
from ktrial.cluster.runtime import Runtime, find_runtime
from ktrial.cluster.topology import ClusterSpec
from ktrial.cluster.training import prepare
from ktrial.feed import Feed
from ktrial.history.collect import read_journals
from ktrial.history.tables import History
from ktrial.stage import Stage
from ktrial.stage.ground import Ground
from ktrial.stage.journals import Notebook

SEED = 11
Staged = Callable[[Path], AbstractContextManager[Stage]]


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """Own every process of the tests, and end them."""
    session = Session.open()
    yield session
    session.close()


@pytest.fixture(scope="session")
def runtime(session: Session) -> Runtime:
    """Return the runtime with all its made parts."""
    return prepare(find_runtime(lambda _what, _done, _total: None), session, lambda _text: None)


@pytest.fixture(scope="session")
def booted(
    session: Session, runtime: Runtime, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[EmbeddedCluster]]:
    """Hold the cluster that is up; a test that breaks it has it replaced for the next one."""
    holder = [EmbeddedCluster.boot(session, runtime, ClusterSpec(), tmp_path_factory.mktemp("logs"))]
    yield holder
    holder[0].close()


@pytest.fixture
def cluster(
    booted: list[EmbeddedCluster], session: Session, runtime: Runtime, tmp_path: Path
) -> EmbeddedCluster:
    """Return a whole cluster of one controller and three brokers."""
    if any(node.state() != "running" for node in booted[0].nodes.values()):
        booted[0].close()
        booted[0] = EmbeddedCluster.boot(session, runtime, ClusterSpec(), tmp_path)
    booted[0].await_whole()
    return booted[0]


_turns = itertools.count(1)


@pytest.fixture
def staged(cluster: EmbeddedCluster, session: Session) -> Staged:
    """Return a context manager that gives a stage on the cluster; its journals lie in the folder given."""

    @contextmanager
    def on_stage(folder: Path) -> Iterator[Stage]:
        journals = folder / "journal"
        journals.mkdir()
        notebook = Notebook(journals, "stage")
        stage = Stage(Ground(cluster, session, notebook, folder, Feed(), SEED, 1000 + next(_turns)))
        try:
            yield stage
        finally:
            stage.close()
            notebook.close()

    return on_stage


def history_of(folder: Path) -> History:
    """Return what a stage's journals hold by now."""
    return read_journals(folder / "journal")
