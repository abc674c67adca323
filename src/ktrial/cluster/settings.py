"""Broker settings: what ktrial writes to server.properties, why, and the names that Kafka knows.

Every setting here that differs from Kafka's default is shown in the report. Shortened timers make an effect come
sooner; they do not change which effect it is.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from ktrial.cluster.jars import KAFKA_VERSION
from ktrial.errors import UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHORTENED: Mapping[str, str] = {
    # how soon a dead broker is noticed (default 9000; heartbeats every 2000)
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "200",
    # how long a slow follower stays in the ISR (default 30000)
    "replica.lag.time.max.ms": "5000",
    # how long a follower's fetch waits at the leader for new records (default 500)
    "replica.fetch.wait.max.ms": "200",
    # how often retention looks for segments that are too old (default 300000), how often the cleaner looks for work
    # when it found none (default 15000), how long the files of a deleted segment stay on disk (default 60000)
    "log.retention.check.interval.ms": "1000",
    "log.cleaner.backoff.ms": "500",
    "log.segment.delete.delay.ms": "1000",
    # waits for more members before a group's first assignment (default 3000)
    "group.initial.rebalance.delay.ms": "0",
    # the shortest session that a classic member may ask for (default 6000)
    "group.min.session.timeout.ms": "1000",
    # KIP-848: how often a member reports, and after which silence it is out (defaults 5000 and 45000, also the minima)
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "300",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    # KIP-848: the shortest time between two assignments (default 1000)
    "group.consumer.assignment.interval.ms": "100",
}
"""Timers made shorter than Kafka's defaults."""

SMALL: Mapping[str, str] = {
    # one laptop runs all four nodes: fewer threads and buffers
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "share.coordinator.state.topic.num.partitions": "1",
    # a typo in a topic's name must not make a topic
    "auto.create.topics.enable": "false",
    # leaders stay where a scenario has put them
    "auto.leader.rebalance.enable": "false",
}
"""Settings that make nodes small and predictable."""


def broker_settings(brokers: int, overrides: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a broker in a cluster of this many, the caller's overrides last."""
    replicas = str(min(brokers, 3))
    return {
        **SHORTENED,
        **SMALL,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": str(min(brokers, 2)),
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": str(min(brokers, 2)),
        **overrides,
    }


@cache
def known_settings() -> Mapping[str, Mapping[str, str | None]]:
    """Return Kafka's own settings with their defaults: {"broker": {name: default}, "topic": {name: default}}.

    Read from a real broker of this version by DescribeConfigs; a test reads them again.
    """
    text = (resources.files("ktrial.cluster") / f"kafka-{KAFKA_VERSION}.settings.json").read_text()
    settings: Mapping[str, Mapping[str, str | None]] = json.loads(text)
    return settings


def check_names(kind: str, names: Iterable[str]) -> None:
    """Raise UsageProblem, with the nearest names, for a name that is no Kafka `kind` ("broker", "topic") setting."""
    known = known_settings()[kind]
    for name in names:
        if name not in known:
            what = f"Kafka {KAFKA_VERSION} has no {kind} setting {name!r}."
            raise UsageProblem(what, mend=nearest(name, known))


def changed_settings(settings: Mapping[str, str]) -> dict[str, dict[str, str | None]]:
    """Return the broker settings that differ from Kafka's defaults: {name: {"value": ..., "default": ...}}."""
    defaults = known_settings()["broker"]
    return {
        name: {"value": value, "default": defaults.get(name)}
        for name, value in sorted(settings.items())
        if defaults.get(name) != value
    }
