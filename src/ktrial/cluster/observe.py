"""The observer: watches processes and partitions of a cluster and writes every change into the history.

Process states come from the kernel, leaders and ISR from whoever still answers and is not cut off. It looks about
twenty times a second; between two looks a state may come and go unseen, so its rows say "seen at", not "since".
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ktrial.cluster import wire
from ktrial.cluster.embedded import views_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ktrial.cluster.embedded import EmbeddedCluster, PartitionView

INTERVAL_S = 0.05
ANSWER_TIMEOUT_S = 0.3


class Observer:
    """A thread that notes changes by `note(op, **fields)`; `watch` names a topic, `close` ends it."""

    def __init__(self, cluster: EmbeddedCluster, note: Callable[..., None]) -> None:
        """Begin to watch the nodes at once."""
        self._cluster = cluster
        self._note = note
        self._topics: set[str] = set()
        self._states: dict[int, str] = {}
        self._views: dict[tuple[str, int], PartitionView] = {}
        self._turn = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def watch(self, topic: str) -> None:
        """Observe this topic's partitions from now on."""
        self._topics.add(topic)

    def close(self) -> None:
        """Look one last time and end the thread."""
        self._ended.set()
        self._thread.join(10)
        self._look()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            self._look()

    def _look(self) -> None:
        for broker in self._cluster.brokers:
            state = self._cluster.nodes[broker].state()
            if self._states.get(broker) != state:
                self._states[broker] = state
                self._note("broker", "ok", broker=broker, state=state)
        for view in self._seen():
            self._compare(view)

    def _seen(self) -> tuple[PartitionView, ...]:
        """Ask the brokers in turn, so that no single one's view is all that is ever seen."""
        if not self._topics:
            return ()
        request = wire.describe_partitions(sorted(self._topics))
        brokers = [b for b in self._cluster.brokers if b not in self._cluster.isolated]
        self._turn += 1
        turned = (
            brokers[self._turn % len(brokers) :] + brokers[: self._turn % len(brokers)] if brokers else []
        )
        try:
            return views_of(self._cluster.ask(request, brokers=turned, timeout_s=ANSWER_TIMEOUT_S))
        except wire.Unanswered:
            return ()

    def _compare(self, view: PartitionView) -> None:
        before = self._views.get((view.topic, view.partition))
        if before and view.epoch < before.epoch:
            return  # an older view from a broker that has not heard the news
        self._views[view.topic, view.partition] = view
        place = {"topic": view.topic, "partition": view.partition}
        if before is None or (before.leader, before.epoch) != (view.leader, view.epoch):
            self._note("leader", "ok", **place, leader=view.leader, epoch=view.epoch)
        if before is None or before.isr != view.isr:
            self._note("isr", "ok", **place, isr=list(view.isr))
