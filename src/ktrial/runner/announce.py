"""What came out, told trial by trial, whatever runs side by side; and put together in the order of the course.

A trial that goes on alone is told as it goes on, setting by setting; of those that run beside it, each is told as a
whole once it has ended and nobody else is being told of.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ktrial.results import LabResult, TrialResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ktrial.feed import Feed
    from ktrial.results import SettingResult
    from ktrial.runner.schedule import Job


class Announcer:
    """Takes results as they come, from any thread, and tells the feed of them in an order that can be followed."""

    def __init__(self, jobs: Sequence[Job], feed: Feed) -> None:
        """Know the course, in its order."""
        self._feed = feed
        self._results: dict[int, SettingResult] = {}
        self._trials: dict[tuple[str, str], list[Job]] = {}
        for job in jobs:
            self._trials.setdefault(_trial_of(job), []).append(job)
        self._open: tuple[str, str] | None = None
        self._ended: list[tuple[str, str]] = []
        self._introduced: set[int] = set()
        self._lab_told = ""
        self._labs_ended: set[str] = set()
        self._lock = threading.RLock()

    def begin(self, job: Job, *, live: bool) -> None:
        """Note that a setting begins; a live one's trial is announced now, if none is being told of."""
        with self._lock:
            trial = _trial_of(job)
            if live and self._open is None and trial not in self._ended:
                self._open = trial
                self._introduce(job)
            if self._open == trial:
                self._introduce_setting(job)

    def take(self, job: Job, result: SettingResult) -> None:
        """Take one result, and tell what may be told now."""
        with self._lock:
            trial = _trial_of(job)
            self._results[job.turn] = result
            if self._open == trial:
                self._feed.tell("judged", result=result)
            if all(each.turn in self._results for each in self._trials[trial]):
                if self._open == trial:
                    self._open = None
                    self._end_lab(job)
                else:
                    self._ended.append(trial)
            if self._open is None:
                self._tell_ended()

    def labs(self) -> tuple[LabResult, ...]:
        """Return what came out of every lab, as far as it came."""
        firsts: dict[str, Job] = {}
        for jobs in self._trials.values():
            firsts.setdefault(jobs[0].lab.name, jobs[0])
        labs = [self._lab(job) for job in firsts.values()]
        return tuple(lab for lab in labs if lab.trials)

    def _tell_ended(self) -> None:
        for trial in sorted(self._ended, key=list(self._trials).index):
            jobs = self._trials[trial]
            self._introduce(jobs[0])
            for job in jobs:
                self._introduce_setting(job)
                self._feed.tell("judged", result=self._results[job.turn])
            self._end_lab(jobs[0])
        self._ended = []

    def _introduce(self, job: Job) -> None:
        if self._lab_told != job.lab.name:
            self._lab_told = job.lab.name
            self._feed.tell("lab", number=job.lab.number, name=job.lab.name, title=job.lab.title)
        self._feed.tell("trial", name=job.trial.name, question=job.trial.question)

    def _introduce_setting(self, job: Job) -> None:
        if job.turn in self._introduced:
            return
        self._introduced.add(job.turn)
        told = {"lab": job.lab.name, "trial": job.trial.name, "setting": job.setting.label}
        self._feed.tell("setting", **told, predicted=job.setting.predicted)

    def _end_lab(self, of: Job) -> None:
        ours = [job for jobs in self._trials.values() for job in jobs if job.lab is of.lab]
        if of.lab.name not in self._labs_ended and all(job.turn in self._results for job in ours):
            self._labs_ended.add(of.lab.name)
            self._feed.tell("lab_ended", result=self._lab(of))

    def _lab(self, of: Job) -> LabResult:
        trials = []
        for jobs in self._trials.values():
            settings = tuple(self._results[job.turn] for job in jobs if job.turn in self._results)
            if jobs[0].lab is of.lab and settings:
                trial = jobs[0].trial
                trials.append(TrialResult(trial.name, trial.question, settings, trial.by_hand))
        seconds = sum(setting.seconds for trial in trials for setting in trial.settings)
        return LabResult(of.lab.number, of.lab.name, of.lab.title, tuple(trials), seconds)


def _trial_of(job: Job) -> tuple[str, str]:
    return job.lab.name, job.trial.name
