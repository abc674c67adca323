"""How a member works, as values: what a record takes, how many one poll hands out, and when it commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Commits:
    """When a member commits; `when` and `every` are the consumer process's words (`ktrial.clients.commits`)."""

    when: str
    records: int = 0

    JAVA: ClassVar[Commits]
    LIBRARY: ClassVar[Commits]
    AFTER_BATCH: ClassVar[Commits]
    BEFORE_BATCH: ClassVar[Commits]
    NONE: ClassVar[Commits]

    @classmethod
    def every(cls, records: int) -> Self:
        """Commit by hand, synchronously, after every `records` processed records."""
        return cls("after", records)

    def as_specification(self) -> dict[str, object]:
        """Return it in the words of the consumer process."""
        return {"when": self.when, "every": self.records}


Commits.JAVA = Commits("stored")
Commits.LIBRARY = Commits("handed-out")
Commits.AFTER_BATCH = Commits("after")
Commits.BEFORE_BATCH = Commits("before")
Commits.NONE = Commits("never")


@dataclass(frozen=True, slots=True)
class Work:
    """A member's work: `each_ms` per record, at most `batch` records from one poll, and when it commits them."""

    each_ms: float = 0.0
    batch: int = 500
    commits: Commits = field(default=Commits.JAVA)

    def as_specification(self) -> dict[str, object]:
        """Return it in the words of the consumer process."""
        return {
            "process": {"each_ms": self.each_ms, "batch": self.batch},
            "commit": self.commits.as_specification(),
        }
