"""What a finished run came to: labs, trials, settings with their judgements, in the shape of the report contract.

Values only: the runner fills them, the store writes them, reports show them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ktrial.verdict import INCONCLUSIVE, Judgement, Text, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = "ktrial.report/1"
EXIT_AS_PREDICTED, EXIT_DIFFERS, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class SettingResult:
    """One run of one setting; `predicted` None means: measured, not predicted. `history` is relative to the run."""

    setting: str
    predicted: Verdict | None
    judgement: Judgement
    faults: tuple[Mapping[str, object], ...]
    seconds: float
    history: str = ""
    judging_s: float = 0.0

    @property
    def as_predicted(self) -> bool:
        """Whether the verdict is the predicted one; a setting without a prediction cannot differ from it."""
        return self.predicted is None or self.judgement.verdict is self.predicted

    def as_json(self) -> dict[str, object]:
        """Return the setting's part of report.json."""
        judged = self.judgement.as_json()
        return {
            "setting": self.setting,
            "predicted": None if self.predicted is None else str(self.predicted),
            "verdict": judged["verdict"],
            "as_predicted": self.as_predicted,
            "summary": judged["summary"],
            "measured": judged["measured"],
            "anomalies": judged["anomalies"],
            "doubts": judged["doubts"],
            "faults": [dict(fault) for fault in self.faults],
            "history": self.history,
            "seconds": round(self.seconds, 3),
            "judging_s": round(self.judging_s, 3),
        }


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial with all its settings, in the order in which they were run."""

    name: str
    question: Text
    settings: tuple[SettingResult, ...]
    by_hand: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the trial's part of report.json."""
        return {
            "name": self.name,
            "question": self.question.as_json(),
            "settings": [setting.as_json() for setting in self.settings],
            "by_hand": list(self.by_hand),
        }


@dataclass(frozen=True, slots=True)
class LabResult:
    """One lab with the trials of it that were run."""

    number: int
    name: str
    title: Text
    trials: tuple[TrialResult, ...]
    seconds: float

    def as_json(self) -> dict[str, object]:
        """Return the lab's part of report.json."""
        return {
            "number": self.number,
            "name": self.name,
            "title": self.title.as_json(),
            "seconds": round(self.seconds, 3),
            "trials": [trial.as_json() for trial in self.trials],
        }


@dataclass(frozen=True, slots=True)
class RunResult:
    """A whole run: what ran where with which settings, and what came out."""

    folder: Path
    ktrial: str
    kafka: str
    client: str
    seed: int
    machine: Mapping[str, object]
    settings_changed: Mapping[str, object]
    features: Mapping[str, object]
    labs: tuple[LabResult, ...]
    seconds: float
    disk_bytes: int = 0
    interrupted: bool = False
    score: Mapping[str, object] = field(default_factory=dict)

    @property
    def settings(self) -> tuple[SettingResult, ...]:
        """All settings of all trials."""
        return tuple(setting for lab in self.labs for trial in lab.trials for setting in trial.settings)

    @property
    def exit_status(self) -> int:
        """Return 130 when interrupted, 1 when some verdict differs, 2 when some is inconclusive, else 0.

        A setting that is only measured may stay inconclusive: nothing was predicted of it.
        """
        if self.interrupted:
            return EXIT_INTERRUPTED
        predicted = [setting for setting in self.settings if setting.predicted is not None]
        wrong = [setting for setting in predicted if not setting.as_predicted]
        if any(setting.judgement.verdict is not INCONCLUSIVE for setting in wrong):
            return EXIT_DIFFERS
        return EXIT_INCONCLUSIVE if wrong or not self.settings else EXIT_AS_PREDICTED

    def as_json(self) -> dict[str, object]:
        """Return report.json."""
        return {
            "schema": SCHEMA,
            "ktrial": self.ktrial,
            "kafka": self.kafka,
            "client": self.client,
            "seed": self.seed,
            "machine": dict(self.machine),
            "settings_changed": dict(self.settings_changed),
            "features": dict(self.features),
            "seconds": round(self.seconds, 3),
            "disk_bytes": self.disk_bytes,
            "interrupted": self.interrupted,
            "score": dict(self.score),
            "labs": [lab.as_json() for lab in self.labs],
        }
