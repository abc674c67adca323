"""What the parts of a claim look at: one history, and what is worked out about it at most once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ktrial.judges.ledger import Ledger
from ktrial.judges.owners import Owners
from ktrial.judges.policies import Policies
from ktrial.judges.starts import Starts
from ktrial.judges.witness import Witness

if TYPE_CHECKING:
    from ktrial.history.tables import History


class Case:
    """One history under judgement."""

    def __init__(self, history: History) -> None:
        """Open the case; nothing is computed before a part asks for it."""
        self.history = history

    @cached_property
    def ledger(self) -> Ledger:
        """What became of every record."""
        return Ledger(self.history)

    @cached_property
    def owners(self) -> Owners:
        """Who owned which partition when, in groups."""
        return Owners.of(self.history, self.witness)

    @cached_property
    def policies(self) -> Policies:
        """How long records may stay."""
        return Policies(self.history)

    @cached_property
    def starts(self) -> Starts:
        """Where logs started, and when."""
        return Starts(self.history)

    @cached_property
    def witness(self) -> Witness:
        """Who can say in words what happened to a record."""
        return Witness(self.history)
