"""Judges: pure functions from a history to a judgement. This is the vocabulary that a trial states its claim with.

Every function here returns a frozen `Claim`, which is called with a history. `everything` is what `ktrial judge` uses.
"""

from ktrial.judges.claim import Claim, all_of
from ktrial.judges.vocabulary import (
    all_read_by,
    compacted_truthfully,
    costs_in_order,
    everyone_has_work,
    everything,
    expires_after,
    in_order,
    keeps_its_partitions,
    kept_partitions_go_on,
    keys_together,
    no_duplicates,
    no_rebalance,
    nothing_lost,
    nothing_missing,
    read_in_send_order,
    reads_on,
    replicas_agree,
    stays_in_sync,
    taken_over_within,
    writes_continue,
)

__all__ = [
    "Claim",
    "all_of",
    "all_read_by",
    "compacted_truthfully",
    "costs_in_order",
    "everyone_has_work",
    "everything",
    "expires_after",
    "in_order",
    "keeps_its_partitions",
    "kept_partitions_go_on",
    "keys_together",
    "no_duplicates",
    "no_rebalance",
    "nothing_lost",
    "nothing_missing",
    "read_in_send_order",
    "reads_on",
    "replicas_agree",
    "stays_in_sync",
    "taken_over_within",
    "writes_continue",
]
