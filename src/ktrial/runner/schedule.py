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

WORTH_A_SECOND_CLUSTER_S = 30.0


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
    """Jobs that go on at the same time: `single` one after the other, `shared` several at once.

    `apart`: the shared ones get a cluster of their own, so that the faults of the single ones do not reach them.
    """

    single: tuple[Job, ...] = ()
    shared: tuple[Job, ...] = ()
    apart: bool = False

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


def scheduled(jobs: Sequence[Job], *, side_by_side: bool = True, roomy: bool = True) -> tuple[Phase, ...]:
    """Return the phases in which to run the jobs.

    `side_by_side=False` keeps to the order of trials (somebody is asked before each); `roomy=False` says that the
    machine has no memory for a second cluster.
    """
    if not side_by_side:
        return tuple(_one_by_one(jobs))
    shared = tuple(sorted((job for job in jobs if _shares(job)), key=lambda job: -job.trial.lasts_s))
    own = tuple(job for job in jobs if _has_own_cluster(job))
    single = tuple(job for job in jobs if job.trial.alone is Alone.CLUSTER and job not in own)
    timed = tuple(job for job in jobs if job.trial.alone is Alone.MACHINE)
    phases = []
    if roomy and min(_seconds(shared), _seconds((*own, *single))) > WORTH_A_SECOND_CLUSTER_S:
        phases.append(Phase((*own, *single), shared, apart=True))
    else:
        phases += [Phase(own), Phase(shared=shared), Phase(single)]
    phases.append(Phase(single=timed))
    return tuple(phase for phase in phases if phase.single or phase.shared)


def _one_by_one(jobs: Sequence[Job]) -> list[Phase]:
    phases: list[Phase] = []
    for trial in dict.fromkeys((job.lab.name, job.trial.name) for job in jobs):
        ours = tuple(job for job in jobs if (job.lab.name, job.trial.name) == trial)
        phases.append(Phase(shared=ours) if _shares(ours[0]) else Phase(single=ours))
    return phases


def _shares(job: Job) -> bool:
    return job.trial.alone is Alone.NOTHING and not _has_own_cluster(job)


def _has_own_cluster(job: Job) -> bool:
    return job.trial.alone is not Alone.MACHINE and job.trial.cluster != type(job.trial.cluster)()


def _seconds(jobs: Sequence[Job]) -> float:
    return sum(job.trial.lasts_s for job in jobs)
