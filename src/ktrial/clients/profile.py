"""The settings of a client: the Java client's values, and over them, verbatim, what the user chose.

Kafka's documents speak of the Java client, and librdkafka's defaults differ where it matters: duplicates, order,
partitioning, isolation (see `DIFFERENCES`). A lab that shows librdkafka's own way names those settings itself.
Left out: settings of the Java client that librdkafka has no word for (`max.block.ms`, `metadata.max.idle.ms`),
and the mix of two assignors (Java offers range and cooperative-sticky; the effective one is range).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import confluent_kafka

from ktrial.clients.names import JAVA_NAMES, LIBRARY_NAMES
from ktrial.errors import UsageProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

Role = Literal["producer", "consumer"]
Setting = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting whose default in the Java client is not librdkafka's."""

    role: Role | Literal["both"]
    name: str
    java: Setting
    library: Setting
    effect: str


DIFFERENCES = (
    Difference("producer", "enable.idempotence", True, False, "duplicates and reordering on retry"),
    Difference(
        "producer", "max.in.flight.requests.per.connection", 5, 1_000_000, "reordering on retry, throughput"
    ),
    Difference("producer", "partitioner", "murmur2_random", "consistent_random", "the partition of a key"),
    Difference("producer", "batch.size", 16_384, 1_000_000, "throughput, latency"),
    Difference("producer", "delivery.timeout.ms", 120_000, 300_000, "when a send is given up as unknown"),
    Difference("producer", "message.max.bytes", 1_048_576, 1_000_000, "the largest request"),
    Difference(
        "producer", "queue.buffering.max.kbytes", 32_768, 1_048_576, "how much may wait in the client"
    ),
    Difference(
        "producer", "queue.buffering.max.messages", 0, 100_000, "how many may wait; Java counts bytes only"
    ),
    Difference(
        "consumer", "isolation.level", "read_uncommitted", "read_committed", "aborted records are read"
    ),
    Difference(
        "consumer",
        "enable.auto.offset.store",
        False,
        True,
        "Java commits what the poll before returned: our consumer stores those positions itself",
    ),
    Difference("consumer", "partition.assignment.strategy", "range", "range,roundrobin", "who gets what"),
    Difference("consumer", "allow.auto.create.topics", True, False, "a subscription makes the topic"),
    Difference("consumer", "check.crcs", True, False, "a damaged batch is an error"),
    Difference("both", "socket.timeout.ms", 30_000, 60_000, "Java's request.timeout.ms"),
    Difference("both", "reconnect.backoff.ms", 50, 100, "how soon a lost broker is tried again"),
    Difference("both", "reconnect.backoff.max.ms", 1_000, 10_000, "how seldom a lost broker is tried again"),
    Difference(
        "both", "socket.connection.setup.timeout.ms", 10_000, 30_000, "how long a dead address holds up"
    ),
    Difference("both", "connections.max.idle.ms", 540_000, 0, "idle connections are closed"),
)

ALIASES = {
    "max.in.flight": "max.in.flight.requests.per.connection",
    "queue.buffering.max.ms": "linger.ms",
    "request.required.acks": "acks",
    "message.timeout.ms": "delivery.timeout.ms",
    "message.send.max.retries": "retries",
    "metadata.broker.list": "bootstrap.servers",
    "compression.codec": "compression.type",
    "fetch.message.max.bytes": "max.partition.fetch.bytes",
    "sasl.mechanisms": "sasl.mechanism",
}
"""librdkafka's second names, each with the one that Kafka's documents use."""

TRANSACTION_TIMEOUT_MS = 60_000
_UNKNOWN = re.compile(r'No such configuration property: "(.*)"', re.DOTALL)
_ONE_ACK_OR_NONE = {"0", "1"}
_MOST_IN_FLIGHT = 5  # beyond it the broker cannot tell a repeated batch from a new one


def java_profile(role: Role, chosen: Mapping[str, Setting] | None = None) -> dict[str, Setting]:
    """Return the Java client's values, as far as librdkafka's differ and `chosen` leaves them in force.

    Like the Java producer, it gives up idempotence when a chosen `acks`, `retries` or in-flight limit rules it out
    and idempotence was not asked for. KIP-848 groups have no client-side assignor, so that one is left out there.
    """
    picked = canonical(chosen or {})
    values = {each.name: each.java for each in DIFFERENCES if each.role in (role, "both")}
    if role == "producer" and _rules_out_idempotence(picked):
        values["enable.idempotence"] = False
    if picked.get("transactional.id"):  # librdkafka wants every record settled within its transaction
        values["delivery.timeout.ms"] = picked.get("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
    if picked.get("group.protocol") == "consumer":
        del values["partition.assignment.strategy"]
    return {name: value for name, value in values.items() if name not in picked}


def complete(role: Role, chosen: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return the whole configuration of a client: the Java profile, and over it every chosen setting verbatim."""
    return {**java_profile(role, chosen), **chosen}


def canonical(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return the settings under the names of Kafka's documents, as far as these are librdkafka's, too."""
    return {ALIASES.get(name, name): value for name, value in settings.items()}


def check(role: Role, chosen: Mapping[str, Setting]) -> None:
    """Raise UsageProblem for a setting or a value that librdkafka refuses; connects to nothing.

    The library's own parser decides, so this cannot be stricter or laxer than the run itself.
    """
    if str(chosen.get("delivery.report.only.error", False)).lower() in ("true", "t", "1"):
        raise UsageProblem(
            "With delivery.report.only.error=true the client does not tell what was acknowledged.",
            mend="Leave it out: the history needs every delivery report.",
        )
    whole = {**complete(role, chosen), "log_level": 0}
    for address in ("bootstrap.servers", "metadata.broker.list"):
        whole.pop(address, None)
    try:
        if role == "producer":
            confluent_kafka.Producer(whole)
        else:
            confluent_kafka.Consumer({"group.id": "ktrial-check", **whole}).close()
    except confluent_kafka.KafkaException as refusal:
        raise _translated(str(refusal.args[0].str()).strip()) from None
    except (TypeError, ValueError) as refusal:
        raise UsageProblem(f"The {role}'s settings are refused: {refusal}.") from None


def promises_nothing(settings: Mapping[str, Setting]) -> bool:
    """Return whether these settings ask for no acknowledgement at all (acks=0)."""
    return str(canonical(settings).get("acks")) == "0"


def tries_once(settings: Mapping[str, Setting]) -> bool:
    """Return whether these settings allow one attempt only, so that its refusal is the whole story."""
    return str(canonical(settings).get("retries")) == "0"


def _rules_out_idempotence(picked: Mapping[str, Setting]) -> bool:
    in_flight = str(picked.get("max.in.flight.requests.per.connection", _MOST_IN_FLIGHT))
    return (
        str(picked.get("acks")) in _ONE_ACK_OR_NONE
        or tries_once(picked)
        or (in_flight.isdigit() and int(in_flight) > _MOST_IN_FLIGHT)
    )


def _translated(refusal: str) -> UsageProblem:
    """Return the project's error for the library's sentence."""
    unknown = _UNKNOWN.search(refusal)
    if unknown is None:
        return UsageProblem(f"Kafka's client refuses these settings: {refusal}.")
    name = unknown.group(1)
    if name in JAVA_NAMES:
        mend = f"The Java client has it; librdkafka calls it {JAVA_NAMES[name]}."
    else:
        mend = nearest(name, LIBRARY_NAMES) or "librdkafka's CONFIGURATION.md lists all of them."
    return UsageProblem(f"There is no client setting {name!r}.", mend=mend)
