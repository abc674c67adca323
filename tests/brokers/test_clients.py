"""Client processes on real brokers: what they write down is what happened."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from confluent_kafka import Producer
from tests.clients.conftest import Talk

from ktrial.history.collect import read_journals

if TYPE_CHECKING:
    from pathlib import Path

    from ktrial.cluster.embedded import EmbeddedCluster
    from ktrial.history.tables import History

pytestmark = pytest.mark.brokers
_turns = itertools.count(1)
Starter = Callable[..., Talk]


@pytest.fixture
def topic(cluster: EmbeddedCluster) -> str:
    """Return a fresh topic of three partitions and three replicas."""
    name = f"clients-{next(_turns)}"
    cluster.create_topic(name, [[1, 2, 3], [2, 3, 1], [3, 1, 2]], {})
    return name


@pytest.fixture
def client(cluster: EmbeddedCluster, tmp_path: Path) -> Iterator[Starter]:
    """Return a function that starts a client of the cluster, by module and actor; none outlives the test."""
    talks: list[Talk] = []

    def begin(module: str, actor: str, config: dict[str, object] | None = None, **rest: object) -> Talk:
        config = {"bootstrap.servers": cluster.bootstrap, **(config or {})}
        talks.append(Talk(module, {"actor": actor, "journal": str(tmp_path), "config": config, **rest}))
        assert talks[-1].hear() == {"event": "ready"}
        return talks[-1]

    yield begin
    for talk in talks:
        talk.process.kill()
        talk.end()


def read_to_end(cluster: EmbeddedCluster, folder: Path, topic: str, *isolations: str) -> dict[str, Any]:
    """Run a final reader over the topic and return its answer."""
    reader = Talk(
        "reader",
        {
            "actor": "final-reader",
            "journal": str(folder),
            "bootstrap": cluster.bootstrap,
            "topics": [{"topic": topic, "partitions": 3}],
            "isolations": isolations or ("read_uncommitted",),
            "stable_limit_s": 1,
        },
    )
    answer = reader.hear()
    assert reader.end() == 0, answer
    return answer


def sent(producer: Talk, topic: str, **fields: object) -> int:
    """Send, wait for every outcome, and return how many were called."""
    called: int = producer.ask("send", topic=topic, first_id=0, **fields)["called"]
    assert producer.ask("flush", limit_s=20)["outstanding"] == 0
    return called


def places(table: pl.DataFrame) -> set[tuple[int, int, int]]:
    """Return id, partition and offset of every row."""
    return set(table.select("id", "partition", "offset").rows())


def test_acknowledged_is_what_is_read(
    cluster: EmbeddedCluster, client: Starter, topic: str, tmp_path: Path
) -> None:
    """Each acknowledgement names the very place at which the final reader finds that record, key and all."""
    producer = client("producer", "p1", seed=3)
    assert sent(producer, topic, count=5000, keys={"cycle": 7}) == 5000
    answer = read_to_end(cluster, tmp_path, topic)
    assert answer["records"] == 5000
    history = read_journals(tmp_path)
    assert set(history.completions["outcome"]) == {"ok"}
    assert places(history.completions) == places(history.reads)
    assert history.reads["intact"].all()
    keys = dict(history.calls.select("id", "key").rows())
    assert all(keys[record_id] == key for record_id, key in history.reads.select("id", "key").rows())
    called, done = history.calls.sort("id")["t"], history.completions.sort("id")["t"]
    assert (called < done).all()
    assert history.ends.select(pl.col("log_end").sum()).item() == 5000 + 3  # and the sentinels


def test_no_acks_no_promise(cluster: EmbeddedCluster, client: Starter, topic: str, tmp_path: Path) -> None:
    """With acks=0 every record is unacknowledged and has no offset; on a healthy cluster all are there."""
    producer = client("producer", "p1", {"acks": 0})
    sent(producer, topic, count=300)
    assert read_to_end(cluster, tmp_path, topic)["records"] == 300
    completions = read_journals(tmp_path).completions
    assert set(completions["outcome"]) == {"unacknowledged"}
    assert completions["offset"].is_null().all()


def test_one_by_one_overlaps_nothing(client: Starter, topic: str, tmp_path: Path) -> None:
    """One by one: no record is called before the one before has its outcome."""
    producer = client("producer", "p1", {"linger.ms": 0})
    sent(producer, topic, count=30, one_by_one=True, partition=1)
    history = read_journals(tmp_path)
    both = history.calls.join(history.completions, on="id", suffix="_done").sort("id")
    assert (both["t"][1:] >= both["t_done"][:-1]).all()
    assert set(history.completions["partition"]) == {1}


def test_group_is_noted_and_commits_like_java(client: Starter, topic: str, tmp_path: Path) -> None:
    """A member notes what it got and gave back, and has committed exactly its positions when it is gone."""
    producer = client("producer", "p1")
    sent(producer, topic, count=900, keys="id")
    member = client("consumer", "c1", {"auto.offset.reset": "earliest"}, topics=[topic], group=topic)
    event = member.hear()
    assert event == {"event": "assigned", "partitions": [[topic, number] for number in range(3)]}
    positions: list[list[object]] = []
    while sum(int(str(offset)) for *_, offset in positions) < 900:
        positions = member.ask("tally")["positions"]
    assert member.ask("close")["event"] == "revoked"
    member.process.wait(20)
    history = read_journals(tmp_path)
    assert history.members.sort("t")["op"].to_list() == ["assigned", "revoked"]
    assert places(history.reads) == places(history.completions)
    assert set(history.reads["group"]) == {topic}
    last = history.commits.filter(outcome="ok").sort("t").group_by("partition").last().sort("partition")
    assert [[topic, number, last["offset"][number]] for number in range(3)] == positions


def test_assigned_consumer_reads_from_its_offset(client: Starter, topic: str, tmp_path: Path) -> None:
    """Without a group a consumer reads what it was assigned, from the offset that was named."""
    producer = client("producer", "p1")
    sent(producer, topic, count=20, partition=2)
    consumer = client("consumer", "c1", assign=[[topic, 2, 15]])
    while consumer.ask("tally")["read"] < 5:
        pass
    assert consumer.ask("close") == {"n": None, "did": "close", "read": 5}
    reads = read_journals(tmp_path).reads.sort("offset")
    assert reads["offset"].to_list() == [15, 16, 17, 18, 19]
    assert reads["group"].is_null().all()


def transact(cluster: EmbeddedCluster, topic: str, name: str, ending: str) -> Producer:
    """Write ten foreign records to partition 0 in a transaction that is committed, aborted or left hanging."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": name})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(10):
        producer.produce(topic, f"not ours {number}".encode(), partition=0)
    producer.flush(10)
    if ending != "hanging":
        getattr(producer, f"{ending}_transaction")(10)
    return producer


def ends_of(history: History, isolation: str) -> tuple[int, int]:
    """Return log end and last stable offset of partition 0 as one reading noted them."""
    row = history.ends.filter(isolation=isolation, partition=0)
    return row["log_end"].item(), row["last_stable"].item()


def test_control_records_and_foreign_ones(cluster: EmbeddedCluster, topic: str, tmp_path: Path) -> None:
    """Markers occupy offsets and do not hold the reader up; aborted records are seen by one isolation level only."""
    transact(cluster, topic, f"{topic}-a", "commit")
    transact(cluster, topic, f"{topic}-b", "abort")
    answer = read_to_end(cluster, tmp_path, topic, "read_uncommitted", "read_committed")
    assert answer["records"] == 0  # none of them is ours
    history = read_journals(tmp_path)
    assert ends_of(history, "read_uncommitted") == (23, 23)  # 2 x 10 records, 2 markers, the sentinel
    assert ends_of(history, "read_committed") == (23, 23)
    assert history.others.filter(op="foreign").height == 20 + 10


def test_hanging_transaction_is_told(cluster: EmbeddedCluster, topic: str, tmp_path: Path) -> None:
    """A transaction that nobody ends keeps the last stable offset below the end, and the `end` says so."""
    hanging = transact(cluster, topic, f"{topic}-h", "hanging")
    read_to_end(cluster, tmp_path, topic, "read_uncommitted", "read_committed")
    history = read_journals(tmp_path)
    assert ends_of(history, "read_uncommitted") == (11, 0)
    assert ends_of(history, "read_committed") == (11, 0)
    hanging.abort_transaction(10)
