"""Clusters in a run: who may use which one, whether it is still sound, and when a new one is booted.

A cluster on which a scenario failed is suspect: nobody new gets it, and it is replaced once its last user has left it.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ktrial.cluster.embedded import EmbeddedCluster
from ktrial.errors import StageProblem
from ktrial.stage.circumstances import feature_levels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ktrial.children import Session
    from ktrial.cluster.runtime import Runtime
    from ktrial.feed import Feed
    from ktrial.stage import ClusterSpec
    from ktrial.store import RunFolder


@dataclass(slots=True)
class Booted:
    """What clusters a run has booted: their kinds, the feature levels, the most bytes that the data of one took."""

    specs: list[ClusterSpec] = field(default_factory=list)
    features: dict[str, object] = field(default_factory=dict)
    data_bytes: int = 0


class Clusters:
    """The clusters of one track: at most one is up at a time, and several settings may use it at once."""

    def __init__(
        self,
        session: Session,
        runtime: Runtime,
        folder: RunFolder,
        feed: Feed,
        booted: Booted,
        overrides: Mapping[str, str],
    ) -> None:
        """Begin without a cluster; `overrides` are the user's broker settings, `booted` is shared by all tracks."""
        self._session, self._runtime, self._folder = session, runtime, folder
        self._feed, self._booted, self._overrides = feed, booted, overrides
        self._cluster: EmbeddedCluster | None = None
        self._users = 0
        self._suspect = False
        self._changed = threading.Condition()

    @contextmanager
    def use(self, wanted: ClusterSpec) -> Iterator[EmbeddedCluster]:
        """Lend a sound cluster of this kind while the body runs; a body that raises leaves it suspect.

        Raises MachineProblem when none can be booted.
        """
        cluster = self._take(replace(wanted, settings={**wanted.settings, **self._overrides}))
        try:
            yield cluster
        except BaseException:
            self._suspect = True
            raise
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()
            self._booted.data_bytes = max(self._booted.data_bytes, cluster.data_bytes())

    def close(self) -> None:
        """End the cluster, whoever uses it."""
        if self._cluster:
            self._cluster.close()
            self._cluster = None

    def _take(self, spec: ClusterSpec) -> EmbeddedCluster:
        with self._changed:
            while True:
                if self._cluster and self._cluster.spec == spec and not self._suspect:
                    with suppress(StageProblem):
                        self._cluster.await_whole()
                        break
                    self._suspect = True
                if not self._users:
                    self._boot(spec)
                    break
                self._changed.wait(1.0)
            self._users += 1
            assert self._cluster is not None
            return self._cluster

    def _boot(self, spec: ClusterSpec) -> None:
        self.close()
        self._feed.tell("booting", brokers=spec.brokers)
        began = time.monotonic()
        with BOOTING:
            self._booted.specs.append(spec)
            logs = self._folder.logs / f"cluster-{len(self._booted.specs)}"
            self._cluster = EmbeddedCluster.boot(self._session, self._runtime, spec, logs)
            self._booted.features |= feature_levels(self._cluster)
        self._suspect = False
        self._feed.tell("booted", seconds=time.monotonic() - began)


BOOTING = threading.Lock()
"""One cluster boots at a time: ports are chosen before they are taken."""
