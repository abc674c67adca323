"""Which labs and trials are meant by `3`, `acks`, `one-broker-dies`, `acks/one-broker-dies`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ktrial.errors import UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ktrial.lab import Lab, Trial

Plan = tuple[tuple["Lab", tuple["Trial", ...]], ...]


def find_lab(asked: str, labs: Sequence[Lab]) -> Lab:
    """Return the lab of a number or a name; raises UsageProblem that offers the nearest names."""
    lab = _lab(asked, labs)
    if lab is None:
        raise UsageProblem(f"There is no lab {asked!r}.", mend=_hint(asked, [lab.name for lab in labs], labs))
    return lab


def make_plan(asked: Sequence[str], labs: Sequence[Lab]) -> Plan:
    """Return what was asked for in the course's order; everything when nothing was named.

    Raises UsageProblem that offers the nearest names for one that is unknown.
    """
    chosen = {place for name in asked for place in _places(name, labs)} if asked else None
    plan = []
    for lab in labs:
        trials = tuple(trial for trial in lab.trials if chosen is None or (lab.name, trial.name) in chosen)
        if trials:
            plan.append((lab, trials))
    return tuple(plan)


def _places(asked: str, labs: Sequence[Lab]) -> list[tuple[str, str]]:
    """Return the (lab, trial) names that one argument means."""
    lab_asked, slash, trial_asked = asked.strip().lower().partition("/")
    if slash:
        lab = find_lab(lab_asked, labs)
        named = [trial.name for trial in lab.trials]
        if trial_asked not in named:
            mend = nearest(trial_asked, named) or f"It has {', '.join(named)}."
            raise UsageProblem(f"The lab {lab.name} has no trial {trial_asked!r}.", mend=mend)
        return [(lab.name, trial_asked)]
    lab_found = _lab(lab_asked, labs)
    if lab_found is not None:
        return [(lab_found.name, trial.name) for trial in lab_found.trials]
    places = [(lab.name, trial.name) for lab in labs for trial in lab.trials]
    found = [place for place in places if place[1] == lab_asked]
    if not found:
        names = [lab.name for lab in labs] + [trial for _lab_name, trial in places]
        raise UsageProblem(f"There is no lab or trial {asked!r}.", mend=_hint(lab_asked, names, labs))
    return found


def _lab(asked: str, labs: Sequence[Lab]) -> Lab | None:
    number = re.fullmatch(r"(?:lab)?0*(\d{1,4})", asked.strip().lower())
    for lab in labs:
        if lab.name == asked.strip().lower() or (number and lab.number == int(number[1])):
            return lab
    return None


def _hint(asked: str, names: Sequence[str], labs: Sequence[Lab]) -> str:
    known = ", ".join(f"{lab.number} {lab.name}" for lab in labs)
    return nearest(asked, names) or f"The labs are {known}; `ktrial list` names their trials."
