"""Who gets which job: a cluster that is up is not replaced while there is work for it."""

from __future__ import annotations

from typing import cast

from ktrial.judges import nothing_lost
from ktrial.lab import Lab, Setting, Trial
from ktrial.runner.clusters import Clusters
from ktrial.runner.queue import Queue
from ktrial.runner.schedule import jobs_of
from ktrial.stage import ClusterSpec
from ktrial.verdict import HELD, Text

WORDS = Text("말", "words")


def _trial(name: str, brokers: int) -> Trial:
    settings = tuple(Setting(label, label, HELD) for label in "ab")
    return Trial(
        name,
        WORDS,
        settings,
        lambda _stage, _value: None,
        lambda _value: nothing_lost(),
        ClusterSpec(brokers),
    )


def test_each_lane_keeps_to_its_kind_of_cluster() -> None:
    """One lane takes the jobs for one node, the other those for three brokers; in the end both take what is left."""
    trials = [_trial("one", 1), _trial("three", 3), _trial("also-three", 3)]
    queue = Queue(jobs_of([(Lab(1, "lab", WORDS, ()), trials)]))
    first, second = (cast("Clusters", object()) for _ in range(2))
    taken = [queue.take(lane) for lane in (first, second, first, second, first, second, first)]
    assert [job and job.trial.name for job in taken] == [
        "one", "three", "one", "three", "also-three", "also-three", None,
    ]  # fmt: skip
