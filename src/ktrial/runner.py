"""The life of a run: boot, play, stop, judge, save; for each setting of each trial that was asked for.

Knows nothing of which labs there are. A scenario that cannot be played to its end, a judge that raises, a broker that
dies by itself: each makes that one setting inconclusive, with its reason, and the run goes on with a sound cluster.
"""

from __future__ import annotations

import shutil
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ktrial.children import Session
from ktrial.cluster.embedded import EmbeddedCluster
from ktrial.cluster.runtime import find_runtime
from ktrial.cluster.training import prepare
from ktrial.errors import KtrialError, StageProblem
from ktrial.history.collect import read_journals
from ktrial.results import LabResult, RunResult, SettingResult, TrialResult
from ktrial.stage import Stage
from ktrial.stage.circumstances import circumstances, feature_levels
from ktrial.stage.ground import Ground
from ktrial.stage.journals import Notebook
from ktrial.stage.overrides import Overrides, sort_out
from ktrial.store import RunFolder, create_run
from ktrial.verdict import INCONCLUSIVE, Judgement, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ktrial.cluster.runtime import Runtime
    from ktrial.feed import Feed
    from ktrial.history.tables import History
    from ktrial.lab import Lab, Setting, Trial
    from ktrial.stage import ClusterSpec
    from ktrial.verdict import Language


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user asked of a run: where runs are kept, the seed, settings over everything, the language."""

    runs: Path
    seed: int = 0
    overrides: Mapping[str, str] = field(default_factory=dict)
    language: Language = "en"


def run(plan: Sequence[tuple[Lab, Sequence[Trial]]], options: RunOptions, feed: Feed) -> RunResult:
    """Run the trials of the plan, lab by lab, and return what came out; report.json and histories are saved.

    Raises UsageProblem and MachineProblem before the first boot only. An interrupt heals, saves what there is, and
    comes back as a result that says so.
    """
    overrides = sort_out(options.overrides)
    name = "-".join(lab.name for lab, _ in plan[:3]) if len(plan) <= 3 else "course"
    folder = create_run(options.runs, name)
    began = time.monotonic()
    session = Session.open()
    life = _Life(session, folder, options, overrides, feed)
    labs: list[LabResult] = []
    interrupted = False
    try:
        life.runtime = prepare(
            find_runtime(_fetching(feed)), session, lambda text: feed.tell("said", text=text)
        )
        for lab, trials in plan:
            labs.append(life.lab(lab, trials))
    except KeyboardInterrupt:
        interrupted = True
        labs.extend(life.unfinished())
    finally:
        life.close()
        session.close()
        with suppress(OSError):
            folder.path.rmdir()  # goes only if nothing ran, and so nothing is in it
    result = RunResult(
        folder=folder.path,
        **circumstances(life.specs, overrides),
        seed=options.seed,
        features=life.features,
        labs=tuple(labs),
        seconds=time.monotonic() - began,
        interrupted=interrupted,
    )
    folder.write_report(result.as_json())
    return result


def _fetching(feed: Feed) -> Callable[[str, int, int], None]:
    return lambda what, done, total: feed.tell("fetching", what=what, done=done, total=total)


class _Life:
    """What lasts from setting to setting: the cluster that is up now, and what has come out so far."""

    def __init__(
        self, session: Session, folder: RunFolder, options: RunOptions, overrides: Overrides, feed: Feed
    ) -> None:
        """Begin without a cluster."""
        self.runtime: Runtime | None = None
        self.specs: list[ClusterSpec] = []
        self.features: dict[str, object] = {}
        self._session, self._folder, self._options = session, folder, options
        self._overrides, self._feed = overrides, feed
        self._cluster: EmbeddedCluster | None = None
        self._turn = 0
        self._lab: Lab | None = None
        self._lab_began = 0.0
        self._trials: list[TrialResult] = []
        self._trial: Trial | None = None
        self._settings: list[SettingResult] = []

    def lab(self, lab: Lab, trials: Sequence[Trial]) -> LabResult:
        """Run some trials of one lab."""
        self._lab, self._lab_began, self._trials = lab, time.monotonic(), []
        self._feed.tell("lab", number=lab.number, name=lab.name, title=lab.title)
        for trial in trials:
            self._trial, self._settings = trial, []
            self._feed.tell("trial", name=trial.name, question=trial.question)
            for setting in trial.settings:
                self._settings.append(self._setting(lab, trial, setting))
            self._end_trial()
        return self._end_lab()

    def unfinished(self) -> list[LabResult]:
        """Return the lab that was interrupted, as far as it came."""
        if self._settings:
            self._end_trial()
        return [self._end_lab()] if self._trials else []

    def close(self) -> None:
        """End the cluster."""
        if self._cluster:
            self._cluster.close()
            self._cluster = None

    def _end_trial(self) -> None:
        trial, settings, self._settings = self._trial, tuple(self._settings), []
        if trial:
            self._trials.append(TrialResult(trial.name, trial.question, settings, trial.by_hand))

    def _end_lab(self) -> LabResult:
        assert self._lab is not None
        lab, trials, self._trials = self._lab, tuple(self._trials), []
        result = LabResult(lab.number, lab.name, lab.title, trials, time.monotonic() - self._lab_began)
        self._feed.tell("lab_ended", result=result)
        return result

    def _setting(self, lab: Lab, trial: Trial, setting: Setting) -> SettingResult:
        self._feed.tell(
            "setting", lab=lab.name, trial=trial.name, setting=setting.label, predicted=setting.predicted
        )
        began = time.monotonic()
        kept = self._folder.history(lab.name, trial.name, setting.label)
        problem, history = self._play(trial, setting, kept)
        judgement = self._judged(trial, setting, history, problem)
        history.save(kept)
        result = SettingResult(
            setting=setting.label,
            predicted=setting.predicted,
            judgement=judgement,
            faults=faults_of(history),
            seconds=time.monotonic() - began,
            history=self._folder.relative(kept),
        )
        self._feed.tell("judged", result=result)
        return result

    def _play(self, trial: Trial, setting: Setting, kept: Path) -> tuple[Text | None, History]:
        """Play one scenario; return why it could not be played to its end, if so, and its history."""
        self._turn += 1
        journals = kept / "journal"
        journals.mkdir(parents=True)
        notebook = Notebook(journals, "stage")
        problem: Text | None = None
        try:
            cluster = self._sound_cluster(trial.cluster)
            stage = Stage(self._ground(cluster, notebook, f"{trial.name}-{self._turn}"))
            try:
                trial.scenario(stage, setting.value)
            finally:
                stage.close()
        except KeyboardInterrupt:
            self._discard_cluster()
            notebook.close()
            _gather(journals).save(kept)  # unjudged, but not lost
            raise
        except KtrialError as error:
            problem = Text(
                ko=f"실험을 끝까지 진행하지 못했습니다: {error}",
                en=f"The scenario could not be played: {error}",
            )
            self._discard_cluster()
        except Exception as error:  # noqa: BLE001 - a scenario that breaks must not take the run with it
            self._keep_traceback(f"scenario-{trial.name}-{self._turn}")
            problem = Text(
                ko=f"실험 코드가 멈췄습니다: {error!r}", en=f"The scenario itself broke: {error!r}"
            )
            self._discard_cluster()
        finally:
            notebook.close()
        return problem, _gather(journals)

    def _ground(self, cluster: EmbeddedCluster, notebook: Notebook, logs: str) -> Ground:
        folder = self._folder.logs / logs
        folder.mkdir(parents=True, exist_ok=True)
        return Ground(
            cluster=cluster,
            session=self._session,
            notebook=notebook,
            logs=folder,
            feed=self._feed,
            seed=self._options.seed,
            turn=self._turn,
            topic_settings=self._overrides.topic,
            producer_settings=self._overrides.producer,
        )

    def _judged(self, trial: Trial, setting: Setting, history: History, problem: Text | None) -> Judgement:
        """Judge the history; what could not be played or judged is inconclusive, with the reason."""
        if problem is None:
            try:
                return trial.judge_for(setting.value)(history)
            except Exception as error:  # noqa: BLE001 - a judge that breaks must not become a verdict
                self._keep_traceback(f"judge-{trial.name}-{self._turn}")
                problem = Text(
                    ko=f"판정 코드가 멈췄습니다: {error!r}", en=f"The judge itself broke: {error!r}"
                )
        return Judgement(INCONCLUSIVE, {}, (), (problem,), problem)

    def _keep_traceback(self, name: str) -> None:
        self._folder.write_text(f"logs/{name}.traceback.txt", traceback.format_exc())

    def _sound_cluster(self, wanted: ClusterSpec) -> EmbeddedCluster:
        """Return a cluster of this kind in which nothing is broken: the one that is up, or a new one."""
        spec = replace(wanted, settings={**wanted.settings, **self._overrides.broker})
        if self._cluster and self._cluster.spec == spec:
            with suppress(StageProblem):
                self._cluster.await_whole()
                return self._cluster
        self._discard_cluster()
        assert self.runtime is not None
        self._feed.tell("booting", brokers=spec.brokers)
        began = time.monotonic()
        logs = self._folder.logs / f"cluster-{len(self.specs) + 1}"
        self._cluster = EmbeddedCluster.boot(self._session, self.runtime, spec, logs)
        self.specs.append(spec)
        self.features = feature_levels(self._cluster)
        self._feed.tell("booted", seconds=time.monotonic() - began)
        return self._cluster

    def _discard_cluster(self) -> None:
        if self._cluster:
            self._cluster.close()
            self._cluster = None


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
