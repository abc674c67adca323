"""The one tree of errors that ktrial raises on purpose.

    KtrialError              70  our own fault, unless a branch below says otherwise
    ├── UsageProblem         64  what was asked for cannot be done as asked
    ├── MachineProblem        2  the machine lacks something; no verdict could be given
    └── StageProblem          2  a scenario could not be played as written; its run is inconclusive
        ├── WaitTimedOut         an awaited condition did not come within its limit
        ├── FaultDidNotLand      a fault was injected, but its effect was not seen
        └── ClientDied           a client process ended that should have lived

Each message says what happened and where; `mend` says what to do next.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class KtrialError(Exception):
    """Base of all errors raised on purpose; `exit_status` is the program's exit status for it."""

    exit_status: ClassVar[int] = 70

    def __init__(self, what: str, *, mend: str = "") -> None:
        """Keep what happened and, apart from it, what to do about it."""
        super().__init__(what)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        """Both sentences, as a person should read them."""
        return f"{self.what} {self.mend}".strip()


class UsageProblem(KtrialError):
    """What was asked for cannot be done as asked: a name, a setting, a file, a port."""

    exit_status = 64


class MachineProblem(KtrialError):
    """The machine lacks something that the run needs: space, a jar, a network."""

    exit_status = 2


class StageProblem(KtrialError):
    """The scenario could not be played as written, so nothing may be concluded from it."""

    exit_status = 2


class WaitTimedOut(StageProblem):
    """A named condition did not come true within its limit."""

    def __init__(self, awaited: str, limit_s: float, last_seen: str) -> None:
        """Say what was awaited, for how long, and what was seen last."""
        super().__init__(f"Waited {limit_s:g} s for {awaited}; last seen: {last_seen}.")
        self.awaited = awaited
        self.limit_s = limit_s
        self.last_seen = last_seen


class FaultDidNotLand(StageProblem):
    """A fault was injected, but the proof of its effect did not appear."""

    def __init__(self, fault: str, target: str, seen: str) -> None:
        """Say which fault, on whom, and what was seen instead."""
        super().__init__(f"The fault {fault} on {target} did not land: {seen}.")


class ClientDied(StageProblem):
    """A client process ended although nobody ended it."""

    def __init__(self, actor: str, detail: str) -> None:
        """Say which client, and what it left behind."""
        super().__init__(f"The client {actor} ended by itself: {detail}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean a, b or c?' for the known names most like `name`, or '' if none is alike."""
    alike = difflib.get_close_matches(name, dict.fromkeys(known), n=3, cutoff=0.6)
    if not alike:
        return ""
    listed = alike[0] if len(alike) == 1 else f"{', '.join(alike[:-1])} or {alike[-1]}"
    return f"Did you mean {listed}?"
