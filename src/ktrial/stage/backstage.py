"""What all parts of a stage share: the topics' names, client processes, ids, and waits that are told to the feed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ktrial.clients.handle import Client
from ktrial.cluster.embedded import await_condition
from ktrial.cluster.observe import Observer
from ktrial.stage.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ktrial.stage.ground import Ground
    from ktrial.stage.topic import Topic

WAIT_LIMIT_S = 30.0


class Backstage:
    """One run's inner works; scenarios never see it, the parts of the stage (groups, tools, ...) stand on it."""

    def __init__(self, ground: Ground) -> None:
        """Begin to observe; topics come to be when they are first named."""
        self.ground = ground
        self.cluster = ground.cluster
        self.sight = Sight(ground.cluster)
        self.topics: dict[Topic, str] = {}
        self.clients: list[Client] = []
        self.observer = Observer(ground.cluster, ground.notebook.note)
        self._next_id = 0
        self._counts: dict[str, int] = {}

    def topic(self, topic: Topic) -> str:
        """Return the topic's name on the cluster; creates it when it is first named."""
        if topic not in self.topics:
            settings = {**topic.all_settings(), **self.ground.topic_settings}
            placed = topic.placed(self.cluster.brokers, self.ground.seed + self.ground.turn)
            self.cluster.create_topic(self.ground.name(topic), placed, settings)
            self.watch(topic)
        return self.topics[topic]

    def watch(self, topic: Topic) -> None:
        """Take a topic that exists now as one of ours: observed from now on, deleted in the end."""
        self.topics[topic] = self.ground.name(topic)
        self.observer.watch(self.topics[topic])
        if settings := self.sight.settings(self.topics[topic]):
            self.ground.notebook.note("topic", "ok", topic=self.topics[topic], settings=settings)

    def start(
        self,
        module: str,
        settings: Mapping[str, str],
        more: Mapping[str, object],
        *,
        linked: bool = False,
        actor: str = "",
    ) -> Client:
        """Start a client process, `python -m ktrial.clients.<module>`; left out, its name is `<module>-<number>`."""
        self._counts[module] = self._counts.get(module, 0) + 1
        actor = actor or f"{module}-{self._counts[module]}"
        bootstrap = self.cluster.linked_bootstrap if linked else self.cluster.bootstrap
        specification = {
            "actor": actor,
            "journal": str(self.ground.notebook.folder),
            "config": {**settings, "bootstrap.servers": bootstrap},
            **more,
        }
        client = Client(self.ground.session, module, specification, self.ground.logs / f"{actor}.log")
        self.clients.append(client)
        return client

    def take_ids(self, count: int) -> int:
        """Return the first of `count` ids that no other record of this run has."""
        first, self._next_id = self._next_id, self._next_id + count
        return first

    def await_seen(
        self, awaited: str, seen: Callable[[], tuple[bool, str]], limit_s: float = WAIT_LIMIT_S
    ) -> None:
        """Wait until `seen` says that it has come. Raises WaitTimedOut with what it said last."""
        with self.waiting(awaited, limit_s):
            await_condition(awaited, seen, limit_s)

    @contextmanager
    def waiting(self, awaited: str, limit_s: float) -> Iterator[None]:
        """Tell the feed what the body waits for, and afterwards for how long it did."""
        self.ground.feed.tell("awaiting", what=awaited, limit_s=limit_s)
        began = time.monotonic()
        yield
        self.ground.feed.tell("waited", what=awaited, seconds=time.monotonic() - began)

    def happened(self, text: str) -> None:
        """Tell the feed what has just happened."""
        self.ground.feed.tell("happened", text=text)
