"""The end of a run: the final reader's process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktrial.clients.handle import Client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ktrial.stage.ground import Ground

READ_LIMIT_S = 60.0


def read_everything(ground: Ground, topics: Mapping[str, int], isolations: Sequence[str]) -> None:
    """Read the topics ({name: partitions}) to their ends into the history.

    Raises StageProblem with the reader's own words when it did not reach an end, WaitTimedOut when it says nothing.
    """
    specification = {
        "actor": "final-reader",
        "n": 1,
        "journal": str(ground.notebook.folder),
        "bootstrap": ground.cluster.bootstrap,
        "topics": [{"topic": name, "partitions": partitions} for name, partitions in topics.items()],
        "isolations": list(isolations),
        "limit_s": READ_LIMIT_S,
    }
    reader = Client(ground.session, "reader", specification, ground.logs / "final-reader.log")
    try:
        reader.first.reply(READ_LIMIT_S + 10)
    finally:
        reader.close()
