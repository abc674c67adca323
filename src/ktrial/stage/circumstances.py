"""Under what circumstances a run took place: versions, machine, settings that are not defaults, feature levels."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, TypedDict

import confluent_kafka
import psutil

import ktrial
from ktrial.clients.profile import DIFFERENCES
from ktrial.cluster import wire
from ktrial.cluster.jars import KAFKA_VERSION
from ktrial.cluster.settings import changed_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ktrial.cluster.embedded import EmbeddedCluster
    from ktrial.cluster.topology import ClusterSpec
    from ktrial.stage.overrides import Overrides


SECRET = re.compile(r"password|secret|jaas|token|key(\.pem|store\.key)|credentials")
"""Names of settings whose values must not be shown."""


class Circumstances(TypedDict):
    """The fields of a RunResult that say where and with what it ran."""

    ktrial: str
    kafka: str
    client: str
    machine: Mapping[str, object]
    settings_changed: Mapping[str, object]


def circumstances(specs: Sequence[ClusterSpec], overrides: Overrides) -> Circumstances:
    """Return the fields of a RunResult that say where and with what it ran."""
    brokers: dict[str, object] = {}
    for spec in specs:
        brokers |= changed_settings(spec.broker_settings())
    return {
        "ktrial": ktrial.__version__,
        "kafka": KAFKA_VERSION,
        "client": f"confluent-kafka {version('confluent-kafka')} (librdkafka {confluent_kafka.libversion()[0]})",
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "processors": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "python": platform.python_version(),
        },
        "settings_changed": {
            "broker": brokers,
            "client": {
                each.name: {"value": each.java, "default": each.library, "effect": each.effect}
                for each in DIFFERENCES
            },
            "asked_for": masked({**overrides.producer, **overrides.topic, **overrides.broker}),
        },
    }


def masked(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings with the values of secrets replaced by asterisks."""
    return {name: "***" if SECRET.search(name) else value for name, value in settings.items()}


def feature_levels(cluster: EmbeddedCluster) -> dict[str, object]:
    """Return the finalized feature levels (metadata.version and the rest), as a broker tells them."""
    answer = cluster.ask(wire.api_versions(), timeout_s=5.0)
    return {str(feature.name): int(feature.max_version_level) for feature in answer.finalized_features}
