"""Predictions of who runs: asked before each trial, revealed with each verdict, then scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ktrial.report.words import sign, verdict_word, word
from ktrial.results import SettingResult
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Verdict

if TYPE_CHECKING:
    from ktrial.cli.choose import Plan
    from ktrial.feed import Event
    from ktrial.lab import Trial
    from ktrial.report.screen import Screen
    from ktrial.results import RunResult
    from ktrial.verdict import Language

ANSWERS = {"h": HELD, "held": HELD, "ㅗ": HELD, "b": BROKEN, "broken": BROKEN, "ㅠ": BROKEN}
"""What may be typed; the Korean letters lie on the keys of h and b, for those who forgot to switch."""

EXPLAIN = {
    "ko": "예측해 보세요. h = 지켜진다(held), b = 깨진다(broken), 빈 줄 = 건너뛰기",
    "en": "Predict it: h = held, b = broken, an empty line skips",
}
AGAIN = {"ko": "h, b 또는 빈 줄로 답해 주세요.", "en": "Please answer h, b, or an empty line."}
Place = tuple[str, str, str]


@dataclass(slots=True)
class Predictions:
    """Listens to the feed: asks when a trial begins, compares when a setting was judged.

    It asks on the teller's thread on purpose: the trial must not begin before it is predicted.
    """

    plan: Plan
    screen: Screen
    language: Language
    said: dict[Place, Verdict] = field(default_factory=dict)
    _lab: str = ""
    _trial: str = ""
    _input_ended: bool = False

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if event.kind == "lab":
            self._lab = str(event.fields["name"])
        elif event.kind == "trial":
            self._trial = str(event.fields["name"])
            for lab, trials in self.plan:
                for trial in trials:
                    if (lab.name, trial.name) == (self._lab, self._trial):
                        self._ask(trial)
        elif event.kind == "judged":
            result = event.fields["result"]
            if isinstance(result, SettingResult):
                self._reveal(result)

    def _ask(self, trial: Trial) -> None:
        with self.screen.paused():
            if not self._input_ended:
                self.screen.remark((EXPLAIN[self.language], "italic"), inset=4)
            for setting in trial.settings:
                if setting.predicted is None or self._input_ended:
                    continue
                answer = self._answer(setting.label)
                if answer is not None:
                    self.said[self._lab, self._trial, setting.label] = answer

    def _answer(self, label: str) -> Verdict | None:
        while True:
            typed = self.screen.ask(f"    {label}? [h/b] ")
            self._input_ended = typed is None
            if not typed:
                return None
            if typed.lower() in ANSWERS:
                return ANSWERS[typed.lower()]
            self.screen.remark((AGAIN[self.language], ""), inset=4)

    def _reveal(self, result: SettingResult) -> None:
        said = self.said.get((self._lab, self._trial, result.setting))
        verdict = result.judgement.verdict
        if said is None or verdict is INCONCLUSIVE:
            return
        right = word("right" if said is verdict else "wrong", self.language)
        mark = sign(HELD if said is verdict else BROKEN, self.screen.encoding)
        told = f"{word('you said', self.language)}: {verdict_word(said, self.language)}: {mark} {right}"
        self.screen.result((told, "italic"), inset=8)

    def score(self, result: RunResult) -> dict[str, object]:
        """Return {"right", "of", "answers"}: said against measured, doubtful verdicts left out."""
        answers = []
        for lab in result.labs:
            for trial in lab.trials:
                for setting in trial.settings:
                    said = self.said.get((lab.name, trial.name, setting.setting))
                    verdict = setting.judgement.verdict
                    if said is not None and verdict is not INCONCLUSIVE:
                        place = {"lab": lab.name, "trial": trial.name, "setting": setting.setting}
                        answers.append(
                            {**place, "said": str(said), "verdict": str(verdict), "right": said is verdict}
                        )
        return {
            "right": sum(bool(answer["right"]) for answer in answers),
            "of": len(answers),
            "answers": answers,
        }
