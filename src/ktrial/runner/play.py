"""One setting: played on a stage, judged, kept. Whatever goes wrong in it makes it inconclusive, with the reason."""

from __future__ import annotations

import shutil
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ktrial.errors import KtrialError
from ktrial.history.collect import read_journals
from ktrial.results import SettingResult
from ktrial.stage import Stage
from ktrial.stage.ground import Ground
from ktrial.stage.journals import Notebook
from ktrial.verdict import INCONCLUSIVE, Judgement, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ktrial.children import Session
    from ktrial.cluster.embedded import EmbeddedCluster
    from ktrial.feed import Feed
    from ktrial.history.tables import History
    from ktrial.runner.clusters import Clusters
    from ktrial.runner.schedule import Job
    from ktrial.stage.overrides import Overrides
    from ktrial.store import RunFolder


@dataclass(frozen=True, slots=True)
class Player:
    """What all settings of a run have in common."""

    session: Session
    folder: RunFolder
    seed: int
    overrides: Overrides
    feed: Feed

    def play(
        self, job: Job, clusters: Clusters, interruptible: Callable[[], AbstractContextManager[None]]
    ) -> SettingResult:
        """Play, judge and keep one setting; a KeyboardInterrupt in it is raised again, its history kept unjudged.

        Only within `interruptible` may the thread be interrupted.
        """
        feed = self.feed.within(place=job.place)
        feed.tell("entered")
        began = time.monotonic()
        kept = self.folder.history(job.lab.name, job.trial.name, job.setting.label)
        journals = kept / "journal"
        journals.mkdir(parents=True)
        notebook = Notebook(journals, "stage")
        try:
            with interruptible():
                problem = self._scenario(job, clusters, notebook, feed)
        except KeyboardInterrupt:
            notebook.close()
            _gather(journals).save(kept)  # unjudged, but not lost
            feed.tell("left")
            raise
        notebook.close()
        played = time.monotonic()
        feed.tell("judging")
        history = _gather(journals)
        judging = time.monotonic()
        judgement = self._judged(job, history, problem)
        judged = time.monotonic()
        history.save(kept)
        feed.tell("left")
        return SettingResult(
            setting=job.setting.label,
            predicted=job.setting.predicted,
            judgement=judgement,
            faults=faults_of(history),
            seconds=played - began,
            judging_s=judged - judging,
            history=self.folder.relative(kept),
        )

    def _scenario(self, job: Job, clusters: Clusters, notebook: Notebook, feed: Feed) -> Text | None:
        """Play the scenario; return why it could not be played to its end, if so."""
        try:
            with (
                clusters.use(job.trial.cluster) as cluster,
                self._stage(job, cluster, notebook, feed) as stage,
            ):
                job.trial.scenario(stage, job.setting.value)
        except KtrialError as error:
            return Text(
                ko=f"실험을 끝까지 진행하지 못했습니다: {error}",
                en=f"The scenario could not be played: {error}",
            )
        except Exception as error:  # noqa: BLE001 - a scenario that breaks must not take the run with it
            self._keep_traceback(f"scenario-{job.trial.name}-{job.turn}")
            return Text(ko=f"실험 코드가 멈췄습니다: {error!r}", en=f"The scenario itself broke: {error!r}")
        return None

    @contextmanager
    def _stage(self, job: Job, cluster: EmbeddedCluster, notebook: Notebook, feed: Feed) -> Iterator[Stage]:
        logs = self.folder.logs / f"{job.trial.name}-{job.turn}"
        logs.mkdir(parents=True, exist_ok=True)
        ground = Ground(
            cluster=cluster,
            session=self.session,
            notebook=notebook,
            logs=logs,
            feed=feed,
            seed=self.seed,
            turn=job.turn,
            topic_settings=self.overrides.topic,
            producer_settings=self.overrides.producer,
        )
        stage = Stage(ground)
        try:
            yield stage
        finally:
            stage.close()

    def _judged(self, job: Job, history: History, problem: Text | None) -> Judgement:
        """Judge the history; what could not be played or judged is inconclusive, with the reason."""
        if problem is None:
            try:
                return job.trial.judge_for(job.setting.value)(history)
            except Exception as error:  # noqa: BLE001 - a judge that breaks must not become a verdict
                self._keep_traceback(f"judge-{job.trial.name}-{job.turn}")
                problem = Text(
                    ko=f"판정 코드가 멈췄습니다: {error!r}", en=f"The judge itself broke: {error!r}"
                )
        return Judgement(INCONCLUSIVE, {}, (), (problem,), problem)

    def _keep_traceback(self, name: str) -> None:
        self.folder.write_text(f"logs/{name}.traceback.txt", traceback.format_exc())


def _gather(journals: Path) -> History:
    """Return what the journals hold as one history, and remove them."""
    history = read_journals(journals)
    shutil.rmtree(journals)
    return history


def faults_of(history: History) -> tuple[dict[str, object], ...]:
    """Return each fault of a run once: what, on whom, whether it landed, and when, in seconds of the run."""
    began = history.began_ns()
    found: dict[tuple[str, str, int], dict[str, object]] = {}
    order: dict[tuple[str, str], int] = {}
    for row in history.faults.sort("t").iter_rows(named=True):
        fault, target = str(row["fault"]), str(row["target"])
        at = round((row["t"] - began) / 1e9, 3)
        if row["outcome"] == "injected":
            order[fault, target] = order.get((fault, target), -1) + 1
            key = (fault, target, order[fault, target])
            found[key] = {"fault": fault, "target": target, "landed": False, "injected_s": at}
            continue
        entry = found.get((fault, target, order.get((fault, target), 0)))
        if entry is not None:
            entry |= {"landed": True, "landed_s": at} if row["outcome"] == "landed" else {"healed_s": at}
    return tuple(found.values())
