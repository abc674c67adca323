"""Delivery: is every acknowledged record in the log once, where it was acknowledged, and nothing else?

Kinds: lost, lost_tail, overwritten, unseen, duplicate, phantom, failed_but_visible, unknown_tally,
unacknowledged_missing. Left out: compaction; a compacted topic loses old values legally (a judge of its own).

Counts: of records, each once, however many readers saw it; of `overwritten`, offsets. `measured["lost"]` is all
acknowledged records that are gone (lost and lost_tail together).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ktrial.judges.claim import Findings, Found
from ktrial.judges.gone import absent
from ktrial.judges.intruders import intruders
from ktrial.verdict import Doubt, Text

if TYPE_CHECKING:
    from ktrial.judges.case import Case
    from ktrial.judges.gone import Absent


@dataclass(frozen=True, slots=True)
class Delivery:
    """The part that judges delivery."""

    def __call__(self, case: Case) -> Findings:
        """Return the numbers of the whole run, and every anomaly of delivery."""
        gone = absent(case.ledger)
        measured = _measured(case, gone)
        found = (*_losses(case, gone, measured), *intruders(case), *_numbers(case, gone, measured))
        held = Text(
            ko=f"승인된 메시지 {gone.acknowledged}개가 모두 로그에 있습니다.",
            en=f"All {gone.acknowledged} acknowledged records are in the log.",
        )
        if not gone.acknowledged and gone.unacknowledged:
            held = Text(
                ko=f"보낸 메시지 {gone.unacknowledged}개 중 {gone.unacknowledged - gone.missing.size}개가 로그에 있습니다.",
                en=f"{gone.unacknowledged - gone.missing.size} of {gone.unacknowledged} records sent are in the log.",
            )
        return Findings(measured, found, _doubts(case, gone), held)
