"""The kinds of anomaly, and what each does to a verdict (judging: "Anomalies")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from ktrial.errors import UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable


class Weight(Enum):
    """When an anomaly of a kind makes the verdict broken."""

    ALWAYS = "always"
    NUMBER = "listed as a number; breaks where claimed"
    CLAIMED = "looked for only where claimed, and breaks then"
    TRIAL = "looked for by trials only, which name what is compared, and breaks then"
    NEVER = "never breaks"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `timely` says that it is about availability, so that a spoilt run (a broker that died) voids it."""

    name: str
    weight: Weight
    timely: bool = False


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("lost", Weight.ALWAYS),
        Kind("lost_tail", Weight.ALWAYS),
        Kind("overwritten", Weight.ALWAYS),
        Kind("phantom", Weight.ALWAYS),
        Kind("failed_but_visible", Weight.ALWAYS),
        Kind("unseen", Weight.NEVER),
        Kind("unknown_tally", Weight.NEVER),
        Kind("duplicate", Weight.NUMBER),
        Kind("unacknowledged_missing", Weight.NUMBER),
        Kind("reordered", Weight.ALWAYS),
        Kind("overtaken", Weight.ALWAYS),
        Kind("out_of_order_read", Weight.CLAIMED),
        Kind("key_split", Weight.NUMBER),
        Kind("expired_early", Weight.ALWAYS),
        Kind("not_expired", Weight.ALWAYS),
        Kind("latest_missing", Weight.ALWAYS),
        Kind("stale_survivor", Weight.ALWAYS),
        Kind("resurrected", Weight.ALWAYS),
        Kind("skipped", Weight.ALWAYS),
        Kind("rewound", Weight.ALWAYS),
        Kind("unread", Weight.CLAIMED),
        Kind("committed_too_far", Weight.ALWAYS),
        Kind("offset_regressed", Weight.ALWAYS),
        Kind("reprocessed", Weight.NUMBER),
        Kind("out_of_order_effect", Weight.NUMBER),
        Kind("aborted_visible", Weight.ALWAYS),
        Kind("torn", Weight.ALWAYS),
        Kind("hanging_transaction", Weight.ALWAYS),
        Kind("copy_missing", Weight.TRIAL),
        Kind("copy_repeated", Weight.TRIAL),
        Kind("copy_wrong", Weight.TRIAL),
        Kind("double_owned", Weight.ALWAYS),
        Kind("unassigned", Weight.ALWAYS),
        Kind("unowned", Weight.NUMBER, timely=True),
        Kind("idle_member", Weight.NUMBER),
        Kind("taken_away", Weight.NUMBER, timely=True),
        Kind("stopped_needlessly", Weight.NUMBER),
        Kind("rebalanced", Weight.CLAIMED, timely=True),
        Kind("isr_shrank", Weight.NUMBER, timely=True),
        Kind("replicas_differ", Weight.ALWAYS),
        Kind("stalled", Weight.NUMBER, timely=True),
        Kind("refused", Weight.NUMBER, timely=True),
        Kind("cheaper_than_claimed", Weight.TRIAL, timely=True),
        Kind("not_fewer", Weight.TRIAL),
        Kind("lag_differs", Weight.TRIAL),
        Kind("count_differs", Weight.TRIAL),
        Kind("alarm_missed", Weight.TRIAL),
        Kind("alarm_stays", Weight.TRIAL),
        Kind("false_alarm", Weight.TRIAL, timely=True),
    )
}
SAFETY: Final = frozenset(
    {"lost", "lost_tail", "overwritten", "phantom", "failed_but_visible", "latest_missing"}
)
BREAKS_ANYWAY: Final = frozenset(name for name, kind in KINDS.items() if kind.weight is Weight.ALWAYS)
TIMELY: Final = frozenset(name for name, kind in KINDS.items() if kind.timely)


def checked(claims: Iterable[str]) -> frozenset[str]:
    """Return the claimed kinds; raises UsageProblem for one that is unknown or that can never break a verdict."""
    claimed = frozenset(claims)
    open_to_claims = [name for name, kind in KINDS.items() if kind.weight not in {Weight.NEVER, Weight.TRIAL}]
    for name in sorted(claimed):
        if name not in KINDS:
            mend = nearest(name, open_to_claims) or f"The kinds are {', '.join(open_to_claims)}."
            raise UsageProblem(f"There is no kind of anomaly named {name!r}.", mend=mend)
        if name not in open_to_claims:
            raise UsageProblem(
                f"{name} cannot be claimed of just any history.",
                mend=f"The kinds that can are {', '.join(open_to_claims)}.",
            )
    return claimed
