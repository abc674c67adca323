"""Lab and Trial: what an experiment is made of, as frozen values that register themselves nowhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from importlib import resources
from typing import TYPE_CHECKING, Any

from ktrial.errors import KtrialError
from ktrial.stage import ClusterSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ktrial.stage import Stage
    from ktrial.verdict import Judge, Language, Text, Verdict


class Alone(Enum):
    """What a trial needs for itself while it runs; what it does not need, others may use at the same time."""

    MACHINE = "it measures time: nothing else runs"
    CLUSTER = "it injects faults into brokers: nobody else uses its cluster"
    NOTHING = "it harms nobody, and nobody's load harms it"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of the thing that varies; `predicted` None = measured, not predicted."""

    label: str
    value: Any
    predicted: Verdict | None


@dataclass(frozen=True, slots=True)
class Trial:
    """One experiment: a question, what varies, what is predicted of each setting, a scenario, a judge.

    `judge_for` is a function from the setting's value to a judge. `lasts_s` is about how long a setting takes, in
    seconds, where Kafka's own timers decide that: long ones begin first.
    """

    name: str
    question: Text
    settings: tuple[Setting, ...]
    scenario: Callable[[Stage, Any], None]
    judge_for: Callable[[Any], Judge]
    cluster: ClusterSpec = field(default_factory=ClusterSpec)
    beyond: bool = False
    by_hand: tuple[str, ...] = ()
    alone: Alone = Alone.CLUSTER
    lasts_s: float = 5.0

    @property
    def doc(self) -> str:
        """What the scenario does, in its own docstring's words."""
        return (self.scenario.__doc__ or "").strip()


@dataclass(frozen=True, slots=True)
class Lab:
    """One chapter of the course: number, name, title, trials; the lesson is Markdown beside the labs."""

    number: int
    name: str
    title: Text
    trials: tuple[Trial, ...]

    def lesson(self, language: Language) -> str:
        """Return the lesson's Markdown in one language."""
        file = resources.files("ktrial.labs.lessons") / f"lab{self.number:02d}.{language}.md"
        return file.read_text(encoding="utf-8")


def trial(  # noqa: PLR0913 - the parts of an experiment, each named where it is used
    *,
    question: Text,
    varies: str,
    predict: Mapping[Any, Verdict | None],
    judge: Judge | None = None,
    judge_for: Callable[[Any], Judge] | None = None,
    cluster: ClusterSpec | None = None,
    beyond: bool = False,
    by_hand: tuple[str, ...] = (),
    alone: Alone = Alone.CLUSTER,
    lasts_s: float = 5.0,
) -> Callable[[Callable[[Stage, Any], None]], Trial]:
    """Make a Trial of a scenario; its name is the function's, its settings are the keys of `predict`.

    Raises KtrialError for a trial whose predictions do not differ: an experiment varies something. One that
    predicts nothing at all only measures, and may.
    """

    def made(scenario: Callable[[Stage, Any], None]) -> Trial:
        name = scenario.__name__.replace("_", "-")
        _check_differs(name, predict)
        settings = tuple(Setting(_label(varies, value), value, verdict) for value, verdict in predict.items())
        chosen = judge_for or (_always(judge) if judge else None)
        if chosen is None:
            raise KtrialError(f"The trial {name} has no judge.")
        spec = cluster or ClusterSpec()
        return Trial(name, question, settings, scenario, chosen, spec, beyond, by_hand, alone, lasts_s)

    return made


def _check_differs(name: str, predict: Mapping[Any, Verdict | None]) -> None:
    if len(predict) > 1 and len(set(predict.values())) == 1 and None not in predict.values():
        raise KtrialError(f"The trial {name} predicts the same of every setting, so it tries nothing.")


def _always(judge: Judge) -> Callable[[Any], Judge]:
    return lambda _value: judge


def _label(varies: str, value: object) -> str:
    """Return `acks=1` where what varies has a name, else the value's own words."""
    return f"{varies}={value}" if re.fullmatch(r"[\w.]+", varies) else str(value)
