"""The course as a list of values: what a trial must be made of, before any of it is run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import ktrial.labs
from ktrial.errors import KtrialError
from ktrial.judges import nothing_lost
from ktrial.lab import Lab, trial
from ktrial.labs import LABS
from ktrial.stage import Stage
from ktrial.verdict import BROKEN, HELD, Language, Text

FOLDER = Path(ktrial.labs.__file__).parent
QUESTION = Text(ko="?", en="?")


def _scenario(stage: Stage, value: object) -> None:
    """Do nothing with the stage."""


def test_every_lab_is_on_the_list() -> None:
    """A file labNN_NAME.py whose LAB is not in LABS was forgotten."""
    files = sorted(path.stem for path in FOLDER.glob("lab[0-9][0-9]_*.py"))
    assert [import_module(f"ktrial.labs.{name}").LAB for name in files] == list(LABS)


def test_every_trial_of_a_file_is_in_its_lab() -> None:
    """A trial that was written but not put into LAB would never run."""
    for lab in LABS:
        module = next(
            import_module(f"ktrial.labs.{path.stem}") for path in FOLDER.glob(f"lab{lab.number:02d}_*.py")
        )
        made = [value for value in vars(module).values() if type(value).__name__ == "Trial"]
        assert {each.name for each in made} == {each.name for each in lab.trials}


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_every_lab_teaches_in_both_languages(lab: Lab) -> None:
    """Each has a lesson in Korean and English that speaks of each of its trials, and a control."""
    languages: tuple[Language, ...] = ("ko", "en")
    for language in languages:
        lesson = lab.lesson(language)
        assert all(each.name in lesson for each in lab.trials)
    predicted = {setting.predicted for each in lab.trials for setting in each.settings}
    assert {HELD, BROKEN} <= predicted


def test_a_trial_that_predicts_no_difference_is_refused() -> None:
    """An experiment varies something; one that expects the same of every setting tries nothing."""
    with pytest.raises(KtrialError, match="predicts the same"):
        trial(question=QUESTION, varies="x", predict={1: HELD, 2: HELD}, judge=nothing_lost())(_scenario)


def test_a_setting_is_named_after_what_varies() -> None:
    """`partitions=1` where what varies has a name; otherwise the value's own words."""
    made = trial(question=QUESTION, varies="partitions", predict={1: HELD, 3: BROKEN}, judge=nothing_lost())(
        _scenario
    )
    assert [setting.label for setting in made.settings] == ["partitions=1", "partitions=3"]
    spoken = trial(
        question=QUESTION, varies="who reads", predict={"me": HELD, "you": BROKEN}, judge=nothing_lost()
    )
    assert [setting.label for setting in spoken(_scenario).settings] == ["me", "you"]
