"""The stage: all that a scenario may touch. Whatever it does lands in the history.

The vocabulary is light to import, so that the course can be listed at once; `Stage` itself comes when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktrial.cluster.topology import ClusterSpec
from ktrial.stage.topic import Topic
from ktrial.stage.traffic import ACKNOWLEDGED, APPENDED, NOTHING, Await
from ktrial.stage.work import Commits, Work

if TYPE_CHECKING:
    from ktrial.stage.scene import Stage

__all__ = ["ACKNOWLEDGED", "APPENDED", "NOTHING", "Await", "ClusterSpec", "Commits", "Stage", "Topic", "Work"]


def __getattr__(name: str) -> object:
    """Import the stage when it is first asked for. Raises AttributeError for any other name."""
    if name == "Stage":
        from ktrial.stage.scene import Stage  # noqa: PLC0415 - it brings the whole engine with it

        return Stage
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
