"""Judges: pure functions from a history to a judgement. This is the vocabulary that a trial states its claim with.

Every function here returns a frozen `Claim`, which is called with a history. `everything` is what `ktrial judge` uses.
"""

from ktrial.judges.claim import Claim, all_of
from ktrial.judges.vocabulary import (
    everything,
    in_order,
    no_duplicates,
    nothing_lost,
    nothing_missing,
)

__all__ = [
    "Claim",
    "all_of",
    "everything",
    "in_order",
    "no_duplicates",
    "nothing_lost",
    "nothing_missing",
]
