"""Labs and trials by numbers and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ktrial.cli.choose import find_lab, make_plan
from ktrial.errors import UsageProblem

if TYPE_CHECKING:
    from ktrial.lab import Lab


def _named(asked: list[str], labs: tuple[Lab, ...]) -> list[str]:
    return [f"{lab.name}/{trial.name}" for lab, trials in make_plan(asked, labs) for trial in trials]


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ([], ["acks/leader-dies", "acks/acks-cost", "replication/isr-shrinks"]),
        (["3"], ["acks/leader-dies", "acks/acks-cost"]),
        (["lab03"], ["acks/leader-dies", "acks/acks-cost"]),
        (["ACKS"], ["acks/leader-dies", "acks/acks-cost"]),
        (["acks-cost"], ["acks/acks-cost"]),
        (["3/acks-cost"], ["acks/acks-cost"]),
        (["7", "acks/acks-cost", "acks-cost"], ["acks/acks-cost", "replication/isr-shrinks"]),
    ],
)
def test_what_is_asked_comes_once_and_in_the_courses_order(
    course: tuple[Lab, ...], asked: list[str], chosen: list[str]
) -> None:
    """Numbers, names and lab/trial may be mixed; the order of asking does not matter."""
    assert _named(asked, course) == chosen


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ("akcs", "acks"),
        ("leader-die", "leader-dies"),
        ("acks/acks-cots", "acks-cost"),
        ("aks/acks-cost", "acks"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_names(course: tuple[Lab, ...], asked: str, offered: str) -> None:
    """An unknown name is refused, with an offer."""
    with pytest.raises(UsageProblem, match=f"Did you mean.*{offered}"):
        make_plan([asked], course)


def test_a_lab_that_is_not_there_is_answered_with_those_that_are(course: tuple[Lab, ...]) -> None:
    """Nothing is like 12, so all labs are named."""
    with pytest.raises(UsageProblem, match="3 acks, 7 replication"):
        find_lab("12", course)
