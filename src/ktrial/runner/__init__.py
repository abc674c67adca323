"""The life of a run: boot, play, stop, judge, save; for each setting of each trial that was asked for.

Knows nothing of which labs there are. A scenario that cannot be played to its end, a judge that raises, a broker that
dies by itself: each makes that one setting inconclusive, with its reason, and the run goes on with a sound cluster.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from ktrial.children import Session
from ktrial.cluster.runtime import find_runtime
from ktrial.cluster.training import prepare
from ktrial.results import RunResult
from ktrial.runner.announce import Announcer
from ktrial.runner.clusters import Booted, Clusters
from ktrial.runner.play import Player
from ktrial.runner.queue import Queue
from ktrial.runner.schedule import jobs_of, scheduled
from ktrial.runner.workers import Worker, work_through
from ktrial.stage.circumstances import circumstances
from ktrial.stage.overrides import sort_out
from ktrial.store import create_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ktrial.cluster.runtime import Runtime
    from ktrial.feed import Feed
    from ktrial.lab import Lab, Trial
    from ktrial.runner.schedule import Job, Phase
    from ktrial.verdict import Language

AT_ONCE = 4
"""How many settings share a cluster at the same time; mostly they wait for timers of Kafka's."""
MOST_CLUSTERS = 3  # and no more than processors: booting and restarting them is work
CLUSTER_BYTES = 2_000_000_000
"""Memory that must be free for each cluster (one takes about 1 GB)."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked of a run: where runs are kept, the seed, settings over everything, the language.

    `side_by_side=False`: trial after trial, in order, because somebody is asked before each.
    """

    runs: Path
    seed: int = 0
    overrides: Mapping[str, str] = field(default_factory=dict)
    language: Language = "en"
    side_by_side: bool = True


def run(plan: Sequence[tuple[Lab, Sequence[Trial]]], options: RunOptions, feed: Feed) -> RunResult:
    """Run the trials of the plan and return what came out, lab by lab; report.json and histories are saved.

    Raises UsageProblem and MachineProblem before the first boot only. An interrupt heals, saves what there is, and
    comes back as a result that says so.
    """
    overrides = sort_out(options.overrides)
    name = "-".join(lab.name for lab, _ in plan[:3]) if len(plan) <= 3 else "course"
    folder = create_run(options.runs, name)
    began = time.monotonic()
    session = Session.open()
    jobs = jobs_of(plan)
    announcer = Announcer(jobs, feed)
    booted = Booted()
    interrupted = False
    try:
        said = lambda text: feed.tell("said", text=text)  # noqa: E731 - one line, used once
        runtime = prepare(find_runtime(_fetching(feed)), session, said)
        player = Player(session, folder, options.seed, overrides, feed)
        phases = scheduled(jobs, side_by_side=options.side_by_side, clusters=_room_for_clusters())
        _House(player, announcer, runtime, booted).through(phases)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        session.close()
        with suppress(OSError):
            folder.path.rmdir()  # goes only if nothing ran, and so nothing is in it
    result = RunResult(
        folder=folder.path,
        **circumstances(booted.specs, overrides),
        seed=options.seed,
        features=booted.features,
        labs=announcer.labs(),
        seconds=time.monotonic() - began,
        disk_bytes=booted.data_bytes + folder.size_bytes(),
        interrupted=interrupted,
    )
    folder.write_report(result.as_json())
    return result


def _room_for_clusters() -> int:
    """Return how many clusters this machine has memory and processors for."""
    room = psutil.virtual_memory().available // CLUSTER_BYTES
    return max(1, min(MOST_CLUSTERS, room, os.cpu_count() or 1))


def _fetching(feed: Feed) -> Callable[[str, int, int], None]:
    return lambda what, done, total: feed.tell("fetching", what=what, done=done, total=total)


class _House:
    """Where the phases of a run take place: lanes, each with a cluster of its own, and a cluster that is shared."""

    def __init__(self, player: Player, announcer: Announcer, runtime: Runtime, booted: Booted) -> None:
        """Begin without clusters."""
        self._player, self._announcer = player, announcer
        self._runtime, self._booted = runtime, booted
        self._lanes: list[Clusters] = [self._clusters()]

    def through(self, phases: Sequence[Phase]) -> None:
        """Go through the phases; whatever ends this ends all clusters."""
        try:
            for phase in phases:
                self._phase(phase)
                self._keep_one_lane()
        finally:
            self._keep_one_lane()
            self._lanes[0].close()

    def _phase(self, phase: Phase) -> None:
        self._lanes += [self._clusters() for _ in range(phase.lanes + phase.apart - 1)]
        live = phase.is_one_trial
        shared, single = Queue(phase.shared), Queue(phase.single)
        workers = [
            Worker(f"side-{n}", self._work(shared, self._lanes[-1], live=live))
            for n in range(min(AT_ONCE, len(phase.shared)))
        ]
        if phase.single:
            lanes = self._lanes[: phase.lanes]
            workers += [
                Worker(f"lane-{n}", self._work(single, lane, live=True)) for n, lane in enumerate(lanes)
            ]
        if live:  # on this thread, because somebody may be asked, who may rather press Ctrl-C
            self._announcer.begin((*phase.single, *phase.shared)[0], live=True)
        work_through(workers)

    def _keep_one_lane(self) -> None:
        while len(self._lanes) > 1:
            self._lanes.pop().close()

    def _work(
        self, jobs: Queue, clusters: Clusters, *, live: bool
    ) -> Callable[[], Callable[[Worker], None] | None]:
        def next_work() -> Callable[[Worker], None] | None:
            job = jobs.take(clusters)
            return None if job is None else lambda worker: self._play(job, clusters, worker, live=live)

        return next_work

    def _play(self, job: Job, clusters: Clusters, worker: Worker, *, live: bool) -> None:
        self._announcer.begin(job, live=live)
        self._announcer.take(job, self._player.play(job, clusters, worker.interruptible))

    def _clusters(self) -> Clusters:
        player = self._player
        return Clusters(
            player.session, self._runtime, player.folder, player.feed, self._booted, player.overrides.broker
        )
