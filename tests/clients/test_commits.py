"""When a member commits, and what is written down of it; what the group's metadata tells."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ktrial.clients.commits import Commits, Way
from ktrial.clients.membership import Membership, generation_in
from ktrial.errors import UsageProblem
from ktrial.history.collect import read_journals
from ktrial.history.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = ("orders", 0), ("orders", 1)
UNKNOWN_MEMBER = KafkaError(KafkaError.UNKNOWN_MEMBER_ID)


class Broker:
    """A consumer whose coordinator is this object: it keeps what is committed."""

    def __init__(self) -> None:
        """Begin without any offset."""
        self.commits: list[list[tuple[int, int]]] = []
        self.refusal: KafkaError | None = None
        self.stored: list[TopicPartition] = []

    def commit(
        self, offsets: list[TopicPartition] | None = None, *, asynchronous: bool
    ) -> list[TopicPartition]:
        """Commit synchronously what is named, or else what is stored; or refuse."""
        assert not asynchronous
        offsets = self.stored if offsets is None else offsets
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        self.commits.append([(each.partition, each.offset) for each in offsets])
        return offsets


def committing(folder: Path, way: Way) -> tuple[Commits, Broker]:
    """Return commits in one way, and where they go."""
    commits, broker = Commits(Journal(folder, "consumer-1"), "shop", way), Broker()
    commits.consumer = cast(Consumer, broker)
    return commits, broker


def written(folder: Path) -> list[tuple[Any, ...]]:
    """Return outcome, partition, offset and error of every commit written down."""
    return read_journals(folder).commits.select("outcome", "partition", "offset", "error").rows()


def handed(*places: tuple[int, int]) -> list[Message]:
    """Return records at (partition, offset)."""
    return [Message(topic="orders", partition=partition, offset=offset) for partition, offset in places]


def test_stored_commits_now_and_then_what_the_polls_before_returned(tmp_path: Path) -> None:
    """At a poll, once the interval is over, and only what is new; whatever is left when a partition is given up."""
    commits, broker = committing(tmp_path, Way("stored"))
    commits.next_poll({ONE: 5, TWO: 7})
    commits.next_poll({ONE: 5, TWO: 8})
    commits.next_poll({ONE: 5, TWO: 8})
    assert broker.commits == [[(0, 5), (1, 7)], [(1, 8)]]
    seldom, broker = committing(tmp_path, Way("stored", 0, 3600.0))
    seldom.next_poll({ONE: 5})
    seldom.one_done({ONE: 9})
    seldom.batch_done({ONE: 9})
    seldom.batch_handed(handed((0, 9)))
    assert broker.commits == []
    seldom.giving_up([ONE], {ONE: 9, TWO: 3})
    assert broker.commits == [[(0, 9)]]


def test_what_the_library_stored_is_committed_before_it_is_given_up(tmp_path: Path) -> None:
    """Its own way, too: so that what became of it is known before the partition is anybody else's."""
    commits, broker = committing(tmp_path, Way("handed-out"))
    broker.stored = [TopicPartition("orders", 0, 7)]
    commits.next_poll({ONE: 5})
    assert broker.commits == []
    commits.giving_up([ONE], {ONE: 5})
    assert written(tmp_path) == [("ok", 0, 7, None)]
    broker.refusal = KafkaError(KafkaError._NO_OFFSET)
    commits.giving_up([ONE], {})
    assert len(written(tmp_path)) == 1, "nothing stored is no commit"


def test_before_commits_a_batch_that_nobody_has_looked_at(tmp_path: Path) -> None:
    """The highest of each partition, before anything is processed; later nothing more."""
    commits, broker = committing(tmp_path, Way("before"))
    commits.batch_handed(handed((0, 3), (1, 8), (0, 4)))
    commits.one_done({ONE: 4})
    commits.batch_done({ONE: 5, TWO: 9})
    commits.giving_up([ONE], {ONE: 5})
    assert broker.commits == [[(0, 5), (1, 9)]]
    assert written(tmp_path) == [("ok", 0, 5, None), ("ok", 1, 9, None)]


def test_after_commits_a_batch_that_is_done(tmp_path: Path) -> None:
    """Once, and only what is new; what is left is committed when a partition is given up."""
    commits, broker = committing(tmp_path, Way("after"))
    commits.batch_handed(handed((0, 3)))
    commits.one_done({ONE: 4})
    assert broker.commits == []
    commits.batch_done({ONE: 4})
    commits.batch_done({ONE: 4})
    commits.giving_up([ONE], {ONE: 6, TWO: 2})
    assert broker.commits == [[(0, 4)], [(0, 6)]]


def test_after_every_n_counts_records_not_batches(tmp_path: Path) -> None:
    """With every=3 the third, sixth, ... record commits, wherever a batch ends."""
    commits, broker = committing(tmp_path, Way("after", 3))
    for done in range(1, 8):
        commits.one_done({ONE: done})
        commits.batch_done({ONE: done})
    assert broker.commits == [[(0, 3)], [(0, 6)]]


def test_nothing_of_a_lost_partition_is_committed(tmp_path: Path) -> None:
    """What is forgotten is new again for the next owner's life, and is not committed by itself."""
    commits, broker = committing(tmp_path, Way("after"))
    commits.batch_done({ONE: 4})
    commits.forget([ONE])
    commits.batch_done({})
    assert broker.commits == [[(0, 4)]]
    commits.batch_done({ONE: 4})
    assert broker.commits == [[(0, 4)], [(0, 4)]], "assigned again, and read again from an earlier offset"


def test_a_refused_commit_is_written_down_and_made_again(tmp_path: Path) -> None:
    """Doubt stays doubt: an earlier attempt may have been taken. What was not committed is still to be."""
    commits, broker = committing(tmp_path, Way("after"))
    broker.refusal = UNKNOWN_MEMBER
    commits.batch_done({ONE: 4})
    broker.refusal = None
    commits.batch_done({ONE: 4})
    assert broker.commits == [[(0, 4)]]
    assert written(tmp_path) == [("unknown", 0, 4, "UNKNOWN_MEMBER_ID"), ("ok", 0, 4, None)]


def test_the_librarys_own_commits_are_written_down(tmp_path: Path) -> None:
    """Offsets that were never set are no commit; refused for want of a permission is certain."""
    commits, _ = committing(tmp_path, Way("handed-out"))
    commits.on_commit(None, [TopicPartition("orders", 0, 5), TopicPartition("orders", 1, -1001)])
    commits.on_commit(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED), [TopicPartition("orders", 0, 6)])
    commits.on_commit(KafkaError(KafkaError._NO_OFFSET), [TopicPartition("orders", 0, 7)])
    assert written(tmp_path) == [("ok", 0, 5, None), ("failed", 0, 6, "GROUP_AUTHORIZATION_FAILED")]


def test_ways_come_from_the_settings_or_from_what_is_said() -> None:
    """Without a word the settings decide, as they did before there were words."""
    java = {"enable.auto.commit": True, "enable.auto.offset.store": False}
    assert Way.of(None, java) == Way("stored", 0, 5.0)
    assert Way.of({"when": "stored"}, {"auto.commit.interval.ms": "200"}) == Way("stored", 0, 0.2)
    assert Way.of(None, {**java, "enable.auto.offset.store": "true"}) == Way("handed-out")
    assert Way.of(None, {"enable.auto.commit": "false"}) == Way("never")
    assert Way.of({"when": "after", "every": 5}, {}) == Way("after", 5)
    assert Way("handed-out").settings == {"enable.auto.commit": True, "enable.auto.offset.store": True}
    assert Way("before").settings == {"enable.auto.commit": False, "enable.auto.offset.store": False}
    for nonsense in ({"when": "later"}, {"when": "after", "every": -1}, {"when": "after", "every": "2"}, {}):
        with pytest.raises(UsageProblem, match="Nobody can commit"):
            Way.of(nonsense, {})


def test_the_generation_is_read_from_the_librarys_own_metadata() -> None:
    """A member without a group has none; the layout is the library's, and any other is unknown."""
    consumer = Consumer({"group.id": "shop", "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    metadata = consumer.consumer_group_metadata()
    assert generation_in(metadata) is None
    assert isinstance(metadata, bytes)
    before_any = struct.pack("=i", -1)
    assert generation_in(metadata.replace(before_any, struct.pack("=i", 17), 1)) == 17
    for other in (None, b"", b"CGMDv2:", b"CGMDv2:\x01\x00", b"CGMDv3:\x01\x00\x00\x00", "CGMDv2:"):
        assert generation_in(other) is None


def test_membership_adds_up_changes(tmp_path: Path) -> None:
    """Assignments add, revocations and losses take away; the generation is left out when it is not known."""
    membership = Membership(Journal(tmp_path, "consumer-1"), "shop")
    known = b"CGMDv2:" + struct.pack("=i", 3)
    membership.note("assigned", [ONE, TWO], lambda: known)
    membership.note("revoked", [ONE], lambda: known)
    assert membership.owned == {TWO}
    membership.note("assigned", [], lambda: known)
    membership.note("lost", [TWO], lambda: None)
    assert membership.owned == frozenset()
    members = read_journals(tmp_path).members
    assert members["op"].to_list() == ["assigned", "revoked", "assigned", "lost"]
    assert members["generation"].to_list() == [3, 3, 3, None]
