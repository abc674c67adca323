"""The embedded cluster: what it is made of, what it refuses, and that clients which are not ours can use it."""

from __future__ import annotations

import asyncio
import http.client
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from ktrial.children import Session
from ktrial.cluster import jmx, wire
from ktrial.cluster.embedded import EmbeddedCluster
from ktrial.cluster.ports import free_ports
from ktrial.cluster.runtime import Runtime
from ktrial.cluster.settings import known_settings
from ktrial.cluster.topology import ClusterSpec
from ktrial.errors import MachineProblem, UsageProblem

pytestmark = pytest.mark.brokers

DEFAULT_CONFIG_SOURCE = 5


def test_the_settings_that_ktrial_knows_are_the_brokers(cluster: EmbeddedCluster) -> None:
    """The shipped names and defaults are what a real broker of this version tells."""
    cluster.create_topic("settings", [[1, 2, 3]], {})
    told = {}
    for kind, number, name in (
        ("broker", wire.BROKER_RESOURCE, "1"),
        ("topic", wire.TOPIC_RESOURCE, "settings"),
    ):
        answer = cluster.ask(wire.describe_configs(number, name), brokers=[1], timeout_s=5)
        told[kind] = {
            config.name: next(
                (each.value for each in config.synonyms if each.source == DEFAULT_CONFIG_SOURCE), None
            )
            for config in answer.results[0].configs
        }
    cluster.delete_topic("settings")
    assert told == known_settings()


async def _there_and_back(bootstrap: str, topic: str) -> list[bytes | None]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    for number in range(20):
        await producer.send_and_wait(topic, str(number).encode())
    await producer.stop()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.seek_to_beginning()
    values = [(await consumer.getone()).value for _ in range(20)]
    await consumer.stop()
    return values


@pytest.mark.parametrize("way", ["direct", "linked"])
def test_a_client_that_is_not_ours_produces_and_consumes(cluster: EmbeddedCluster, way: str) -> None:
    """aiokafka, which knows nothing of ktrial, works through direct listeners and through links."""
    bootstrap = cluster.bootstrap if way == "direct" else cluster.linked_bootstrap
    cluster.create_topic(f"foreign-{way}", [[1, 2, 3]], {})
    before = {name: link.accepted for name, link in cluster.links.status().links.items()}
    values = asyncio.run(_there_and_back(bootstrap, f"foreign-{way}"))
    after = {name: link.accepted for name, link in cluster.links.status().links.items()}
    assert values == [str(number).encode() for number in range(20)]
    through_links = sum(after[name] - before[name] for name in after if name.endswith("-clients"))
    assert (through_links > 0) == (way == "linked")
    cluster.delete_topic(f"foreign-{way}")


def test_jmx_can_be_read_but_neither_written_nor_executed(cluster: EmbeddedCluster) -> None:
    """The agent answers reads, refuses write and exec, and listens on loopback only."""
    node = cluster.nodes[1]
    assert jmx.under_replicated(node) == 0
    memory = "java.lang:type=Memory"
    bodies: tuple[dict[str, object], ...] = (
        {"type": "exec", "mbean": memory, "operation": "gc"},
        {"type": "write", "mbean": memory, "attribute": "Verbose", "value": True},
    )
    for body in bodies:
        assert _jolokia(node.jmx_port, body)["status"] == 403


def _jolokia(port: int, body: dict[str, object]) -> dict[str, object]:
    """Return the agent's answer; a refusal may come as Jolokia's status or as HTTP's."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/jolokia/", json.dumps(body))
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    read: dict[str, object] = json.loads(told) if answer.status == 200 else {"status": answer.status}
    return read


def test_ports_that_are_asked_for_are_used_or_named_as_taken(
    session: Session, runtime: Runtime, cluster: EmbeddedCluster, tmp_path: Path
) -> None:
    """One combined node answers at the port asked for; a taken one is named before anything boots."""
    (port,) = free_ports(1)
    one = EmbeddedCluster.boot(session, runtime, ClusterSpec(brokers=1, ports=(port,)), tmp_path)
    try:
        assert one.bootstrap == f"127.0.0.1:{port}"
        assert one.registered() == (1,)
        with pytest.raises(UsageProblem, match=f"Port {port} .* is taken"):
            EmbeddedCluster.boot(session, runtime, ClusterSpec(brokers=1, ports=(port,)), tmp_path)
    finally:
        one.close()
    assert cluster.registered() == (1, 2, 3)


def test_a_setting_that_kafka_does_not_know_is_refused_with_the_nearest_name(
    session: Session, runtime: Runtime, tmp_path: Path
) -> None:
    """A typo never boots: it is named, and so is what was probably meant."""
    spec = ClusterSpec(settings={"min.insync.replica": "2"})
    with pytest.raises(UsageProblem, match=r"min\.insync\.replica'.*min\.insync\.replicas"):
        EmbeddedCluster.boot(session, runtime, spec, tmp_path)


def test_a_node_that_cannot_start_is_named_with_its_own_words(
    session: Session, runtime: Runtime, tmp_path: Path
) -> None:
    """A value that Kafka refuses ends the boot at once, and what Kafka said is in the message."""
    spec = ClusterSpec(brokers=1, settings={"num.io.threads": "-1"})
    with pytest.raises(MachineProblem, match=r"num\.io\.threads"):
        EmbeddedCluster.boot(session, runtime, spec, tmp_path)
