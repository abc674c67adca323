"""Settings that the user puts over a whole run (`-X name=value`): which of them are whose.

A name that the producer knows goes to the producers, one that topics know to the topics, one that only brokers know
to the brokers. A name that none of them knows is refused before anything boots.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ktrial.clients.names import JAVA_NAMES, LIBRARY_NAMES
from ktrial.clients.profile import check
from ktrial.cluster.jars import KAFKA_VERSION
from ktrial.cluster.settings import known_settings
from ktrial.errors import UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Overrides:
    """Settings by whom they concern."""

    producer: Mapping[str, str] = field(default_factory=dict)
    topic: Mapping[str, str] = field(default_factory=dict)
    broker: Mapping[str, str] = field(default_factory=dict)


def sort_out(settings: Mapping[str, str]) -> Overrides:
    """Return the settings sorted by whom they concern.

    Raises UsageProblem, with the nearest names, for an unknown one.
    """
    known = known_settings()
    producer_names = {*LIBRARY_NAMES, *JAVA_NAMES}
    producer: dict[str, str] = {}
    topic: dict[str, str] = {}
    broker: dict[str, str] = {}
    for name, value in settings.items():
        if name in producer_names:
            check("producer", {name: value})
            producer[name] = value
        elif name in known["topic"]:
            topic[name] = value
        elif name in known["broker"]:
            broker[name] = value
        else:
            what = f"Neither Kafka {KAFKA_VERSION} nor its producer has a setting {name!r}."
            raise UsageProblem(what, mend=nearest(name, [*known["topic"], *known["broker"], *producer_names]))
    return Overrides(producer, topic, broker)
