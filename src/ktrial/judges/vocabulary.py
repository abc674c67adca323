"""The claims that a trial can state, each a few parts and the kinds that break it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ktrial.judges.claim import Claim
from ktrial.judges.conditions import Conditions, NotVacuous, ReadToEnd
from ktrial.judges.delivery import Delivery
from ktrial.judges.kinds import BREAKS_ANYWAY, SAFETY, checked
from ktrial.judges.order import Order

if TYPE_CHECKING:
    from collections.abc import Iterable

READ: Final = (Conditions(), NotVacuous(), ReadToEnd())


def nothing_lost() -> Claim:
    """No acknowledged record is gone."""
    return Claim((*READ, Delivery()), SAFETY)


def nothing_missing() -> Claim:
    """Nothing that was sent is missing: neither acknowledged records, nor those sent with acks=0."""
    return Claim((*READ, Delivery()), SAFETY | {"unacknowledged_missing"})


def no_duplicates() -> Claim:
    """No record is in the log more than once, and none is lost."""
    return Claim((*READ, Delivery()), SAFETY | {"duplicate"})


def in_order() -> Claim:
    """The log of each partition keeps the order of sending."""
    return Claim((*READ, Order()), frozenset({"reordered", "overtaken"}))


def everything(claims: Iterable[str] = ()) -> Claim:
    """Return the claim made of all judges; raises UsageProblem for a claim that names no kind."""
    return Claim((*READ, Delivery(), Order()), BREAKS_ANYWAY | checked(claims))
