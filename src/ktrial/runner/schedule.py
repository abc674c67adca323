"""What runs when: the settings of a plan, in phases; in each one track of its own, and others side by side.

What injects faults into brokers has a cluster to itself and goes one after the other; what harms nobody shares a
cluster and goes on at the same time, the longest first, so that Kafka's own timers are waited for only once. What
measures time runs when nothing else does. Results are told in the order of the course, whatever ran first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ktrial.lab import Alone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ktrial.lab import Lab, Setting, Trial

WORTH_A_CLUSTER_S = 15.0
"""How many seconds of work a further cluster must have, to be worth its boot."""


@dataclass(frozen=True, slots=True)
class Job:
    """One setting to be run; `turn` is its place in the plan, from 1: names and leaders follow it."""

    lab: Lab
    trial: Trial
    setting: Setting
    turn: int

    @property
    def place(self) -> str:
        """Where it belongs, in words: lab/trial/setting."""
        return f"{self.lab.name}/{self.trial.name}/{self.setting.label}"


@dataclass(frozen=True, slots=True)
class Phase:
    """Jobs that go on at the same time: each `single` one with a cluster to itself, the `shared` ones on one together.

    There are `lanes` clusters for single jobs. `apart`: the shared ones get another one, so that the faults of the
    single ones do not reach them.
    """

    single: tuple[Job, ...] = ()
    shared: tuple[Job, ...] = ()
    apart: bool = False
    lanes: int = 1

    @property
    def is_one_trial(self) -> bool:
        """Whether all its jobs are settings of one trial."""
        return len({(job.lab.name, job.trial.name) for job in (*self.single, *self.shared)}) == 1


def jobs_of(plan: Sequence[tuple[Lab, Sequence[Trial]]]) -> tuple[Job, ...]:
    """Return the settings of a plan in order."""
    settings = [
        (lab, trial, setting) for lab, trials in plan for trial in trials for setting in trial.settings
    ]
    return tuple(Job(*each, turn) for turn, each in enumerate(settings, 1))


def scheduled(jobs: Sequence[Job], *, side_by_side: bool = True, clusters: int = 1) -> tuple[Phase, ...]:
    """Return the phases in which to run the jobs.

    `side_by_side=False` keeps to the order of trials (somebody is asked before each); `clusters` says how many the
    machine has room for at the same time.
    """
    if not side_by_side:
        return tuple(_one_by_one(jobs, clusters))
    shared = tuple(sorted((job for job in jobs if _shares(job)), key=lambda job: -job.trial.lasts_s))
    own = tuple(job for job in jobs if _has_own_cluster(job))
    single = (*own, *(job for job in jobs if job.trial.alone is Alone.CLUSTER and job not in own))
    timed = tuple(job for job in jobs if job.trial.alone is Alone.MACHINE)
    phases = []
    if clusters > 1 and min(_seconds(shared), _seconds(single)) > WORTH_A_CLUSTER_S:
        phases.append(Phase(single, shared, apart=True, lanes=_lanes(single, clusters - 1)))
    else:
        phases += [Phase(shared=shared), Phase(single, lanes=_lanes(single, clusters))]
    phases.append(Phase(timed))
    return tuple(phase for phase in phases if phase.single or phase.shared)


def _lanes(jobs: Sequence[Job], clusters: int) -> int:
    """Return how many clusters to run single jobs on: another one only where it has enough to do."""
    return max(1, min(clusters, len(jobs), int(_seconds(jobs) / WORTH_A_CLUSTER_S)))


def _one_by_one(jobs: Sequence[Job], clusters: int) -> list[Phase]:
    phases: list[Phase] = []
    for trial in dict.fromkeys((job.lab.name, job.trial.name) for job in jobs):
        ours = tuple(job for job in jobs if (job.lab.name, job.trial.name) == trial)
        if _shares(ours[0]):
            phases.append(Phase(shared=ours))
        else:
            alone = ours[0].trial.alone is Alone.MACHINE
            phases.append(Phase(ours, lanes=1 if alone else _lanes(ours, clusters)))
    return phases


def _shares(job: Job) -> bool:
    return job.trial.alone is Alone.NOTHING and not _has_own_cluster(job)


def _has_own_cluster(job: Job) -> bool:
    return job.trial.alone is not Alone.MACHINE and job.trial.cluster != type(job.trial.cluster)()


def _seconds(jobs: Sequence[Job]) -> float:
    return sum(job.trial.lasts_s for job in jobs)
