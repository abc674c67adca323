"""A course of two small labs and a runner that starts nothing, for the tests of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

import ktrial.labs
from ktrial import runner
from ktrial.judges import everything
from ktrial.lab import Lab, Setting, Trial
from ktrial.results import LabResult, RunResult, SettingResult, TrialResult
from ktrial.store import create_run
from ktrial.verdict import BROKEN, HELD, Anomaly, Judgement, Text, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ktrial.feed import Feed

LOST = Anomaly("lost", 5, ({"id": 117},), Text("메시지 117이 없음", "Record 117 is gone"), breaks=True)


def _trial(name: str, *settings: tuple[str, Verdict | None]) -> Trial:
    return Trial(
        name=name,
        question=Text(f"{name}에서 사라질까요?", f"Is it lost in {name}?"),
        settings=tuple(Setting(label, label, predicted) for label, predicted in settings),
        scenario=lambda _stage, _value: None,
        judge_for=lambda _value: everything(),
        by_hand=("kafka-topics --list",),
    )


COURSE = (
    Lab(
        3,
        "acks",
        Text("승인", "Acknowledgements"),
        (
            _trial("leader-dies", ("acks=1", BROKEN), ("acks=all", HELD)),
            _trial("acks-cost", ("acks=0", None)),
        ),
    ),
    Lab(7, "replication", Text("복제", "Replication"), (_trial("isr-shrinks", ("killed", BROKEN)),)),
)


@dataclass(slots=True)
class FakeRunner:
    """Stands where ktrial.runner.run is: tells the feed what a runner tells, and measures what `verdicts` says.

    A setting without an entry there comes out as predicted. `asked` keeps what it was called with.
    """

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    raises: BaseException | None = None
    interrupted: bool = False
    asked: runner.RunOptions | None = None

    def __call__(
        self, plan: Sequence[tuple[Lab, Sequence[Trial]]], options: runner.RunOptions, feed: Feed
    ) -> RunResult:
        """Play the plan without a cluster."""
        self.asked = options
        if self.raises:
            raise self.raises
        folder = create_run(options.runs, "fake")
        feed.tell("fetching", what="Kafka", done=0, total=57_000_000)
        feed.tell("fetching", what="Kafka", done=57_000_000, total=57_000_000)
        labs = tuple(self._lab(lab, trials, feed) for lab, trials in plan)
        return RunResult(
            folder.path, "0", "4.3.1", "c", options.seed, {}, {}, {}, labs, 1.0, interrupted=self.interrupted
        )

    def _lab(self, lab: Lab, trials: Sequence[Trial], feed: Feed) -> LabResult:
        feed.tell("lab", number=lab.number, name=lab.name, title=lab.title)
        played = []
        for trial in trials:
            feed.tell("trial", name=trial.name, question=trial.question)
            settings = tuple(self._setting(setting, feed) for setting in trial.settings)
            played.append(TrialResult(trial.name, trial.question, settings, trial.by_hand))
        result = LabResult(lab.number, lab.name, lab.title, tuple(played), 0.5)
        feed.tell("lab_ended", result=result)
        return result

    def _setting(self, setting: Setting, feed: Feed) -> SettingResult:
        feed.tell("setting", setting=setting.label, predicted=setting.predicted)
        feed.tell("booting", brokers=3)
        feed.tell("booted", seconds=2.5)
        feed.tell("awaiting", what="a leader", limit_s=30.0)
        feed.tell("happened", text="kill broker-2: landed")
        verdict = self.verdicts.get(setting.label, setting.predicted or HELD)
        broken = verdict is BROKEN
        judgement = Judgement(
            verdict,
            {"lost": 5 if broken else 0},
            (LOST,) if broken else (),
            () if verdict in {HELD, BROKEN} else (Text("의심", "a doubt"),),
            Text("5개가 사라졌습니다.", "5 records are gone.")
            if broken
            else Text("좋습니다.", "All is there."),
        )
        result = SettingResult(setting.label, setting.predicted, judgement, (), 0.25)
        feed.tell("judged", result=result)
        return result


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> tuple[Lab, ...]:
    """Put the small course in the place of the real one."""
    monkeypatch.setattr(ktrial.labs, "LABS", COURSE)
    monkeypatch.delenv("KTRIAL_LANG", raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return COURSE


@pytest.fixture
def fake_runner(course: tuple[Lab, ...], monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    """Put a runner that starts nothing in the place of the real one."""
    assert course
    fake = FakeRunner()
    monkeypatch.setattr(runner, "run", fake)
    return fake
