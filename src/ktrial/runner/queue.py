"""Jobs that wait, and who gets which: whoever has the right kind of cluster up already comes first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ktrial.runner.clusters import Clusters
    from ktrial.runner.schedule import Job
    from ktrial.stage import ClusterSpec


class Queue:
    """Jobs in order; several workers take from it."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Hold these."""
        self._left = list(jobs)
        self._kinds: dict[Clusters, ClusterSpec] = {}
        self._lock = threading.Lock()

    def take(self, clusters: Clusters) -> Job | None:
        """Return the first job for the kind of cluster that is up there, else the first that nobody else is up for.

        None when there is no job left.
        """
        with self._lock:
            mine = self._kinds.get(clusters)
            others = [kind for owner, kind in self._kinds.items() if owner is not clusters]
            choices = sorted(
                self._left, key=lambda job: (job.trial.cluster != mine, job.trial.cluster in others)
            )
            if not choices:
                return None
            job = choices[0]
            self._left.remove(job)
            self._kinds[clusters] = job.trial.cluster
            return job
