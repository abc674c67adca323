"""Groups on the stage: members that join and leave, waits for what the group has come to, what its coordinator holds.

A group is stable when the coordinator says so of exactly the members meant, and they themselves own every partition,
each once. Leaves out judging: whether two ever owned one partition is worked out from the history.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ktrial.cluster import wire
from ktrial.stage.coordinator import Coordinator
from ktrial.stage.member import WAIT_LIMIT_S, WORK_LIMIT_S, Member
from ktrial.stage.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ktrial.stage.backstage import Backstage
    from ktrial.stage.topic import Topic


class Groups:
    """All groups of one run; a group is named as the lab names it."""

    def __init__(self, back: Backstage) -> None:
        """Begin without any group."""
        self._back = back
        self._coordinator = Coordinator(back.ground)
        self._members: dict[str, list[Member]] = {}
        self._topics: dict[str, dict[str, int]] = {}
        self._classic: dict[str, bool] = {}

    def name(self, group: str) -> str:
        """Return the group's name on the cluster and in the history."""
        return self._back.ground.group(group)

    # ---- members

    def join(
        self,
        group: str,
        *topics: Topic,
        config: Mapping[str, str] | None = None,
        work: Work | None = None,
        linked: bool = False,
        actor: str = "",
    ) -> Member:
        """Start a member; it has joined when `await_stable` or its `await_assigned` says so.

        Settings are librdkafka's names, over the Java client's defaults; it reads from the beginning where nothing
        is committed. It is closed at the end of the scenario at the latest.
        """
        names = [self._back.topic(topic) for topic in topics]
        settings = {"auto.offset.reset": "earliest", **(config or {})}
        name = self.name(group)
        self._coordinator.know(name)
        self._classic[group] = settings.get("group.protocol") != "consumer"
        shapes = self._topics.setdefault(group, {})
        shapes.update({self._back.topic(topic): topic.partitions for topic in topics})
        more = {"topics": names, "group": name, **(work or Work()).as_specification()}
        client = self._back.start("consumer", settings, more, linked=linked, actor=actor)
        client.await_ready()
        member = Member(self._back, client, settings.get("group.instance.id"))
        self._members.setdefault(group, []).append(member)
        return member

    @contextmanager
    def member(
        self,
        group: str,
        *topics: Topic,
        config: Mapping[str, str] | None = None,
        work: Work | None = None,
        linked: bool = False,
        actor: str = "",
    ) -> Iterator[Member]:
        """Keep a member in the group while the body runs; it leaves in good order at the end."""
        member = self.join(group, *topics, config=config, work=work, linked=linked, actor=actor)
        try:
            yield member
        finally:
            member.close()

    # ---- waits

    def await_stable(self, group: str, *members: Member, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until the group is stable with exactly these members and they own all partitions, each once.

        That moment is written down, as the operation `stable`. Raises WaitTimedOut with what is missing.
        """
        self._back.await_seen(
            f"group {group} to be stable with {len(members)} members",
            lambda: self._is_stable(group, members),
            limit_s,
        )
        self._back.ground.notebook.note(
            "stable",
            "ok",
            group=self.name(group),
            members=[member.actor for member in members],
            topics=self._topics[group],
        )

    def await_processed(self, group: str, records: int, limit_s: float = WORK_LIMIT_S) -> None:
        """Wait until the members of a group together have processed so many records, repetitions included."""

        def come() -> tuple[bool, str]:
            self._coordinator.listen()
            done = sum(member.processed() for member in self._members[group])
            return done >= records, f"{done} processed"

        self._back.await_seen(f"group {group} to process {records} records", come, limit_s)

    def await_caught_up(self, group: str, topic: Topic, limit_s: float = WORK_LIMIT_S) -> None:
        """Wait until all that is in the topic now and before it is found so has been processed or is committed."""
        name = self._back.topic(topic)

        def come() -> tuple[bool, str]:
            self._coordinator.listen()
            with suppress(wire.Unanswered):
                behind = self._behind(group, topic, name)
                return not behind, f"records behind, by partition: {behind}"
            return False, "a broker does not answer"

        self._back.await_seen(f"group {group} to have caught up with {topic.name}", come, limit_s)

    def await_committed(self, group: str, topic: Topic, total: int, limit_s: float = WAIT_LIMIT_S) -> None:
        """Wait until the committed offsets of a group, summed over the partitions, have come to `total`."""

        def come() -> tuple[bool, str]:
            with suppress(wire.Unanswered):
                offsets = self.committed(group, topic)
                return sum(max(offset, 0) for offset in offsets.values()) >= total, f"committed {offsets}"
            return False, "the coordinator does not answer"

        self._back.await_seen(f"group {group} to have committed {total}", come, limit_s)

    # ---- offsets

    def committed(self, group: str, topic: Topic) -> dict[int, int]:
        """Return what the coordinator holds as committed: {partition: next offset}, -1 for nothing.

        Raises wire.Unanswered when it does not answer.
        """
        return self._coordinator.committed(self.name(group), self._back.topic(topic), topic.partitions)

    def note_committed(self, group: str, topic: Topic) -> None:
        """Write down, as the actor `coordinator`, what it holds as committed now; done at each scenario's end, too."""
        name = self.name(group)
        self._coordinator.know(name)
        self._coordinator.note_committed(name, self._back.topic(topic), topic.partitions)

    def lag(self, group: str, topic: Topic) -> dict[int, int]:
        """Return, for each partition, the log's end less what is committed (nothing committed counts as 0)."""
        offsets = self.committed(group, topic)
        return {
            partition: self._back.sight.high_watermark(self._back.topic(topic), partition) - max(offset, 0)
            for partition, offset in offsets.items()
        }

    # ---- the end

    def heal(self) -> None:
        """Let every paused member go on."""
        for members in self._members.values():
            for member in members:
                member.resume()

    def close(self) -> None:
        """Let all members leave, then write down what the coordinator holds as committed, and what it logged."""
        for members in self._members.values():
            for member in members:
                member.close(limit_s=5.0)
        for group, topics in self._topics.items():
            for topic, partitions in topics.items():
                with suppress(wire.Unanswered):
                    self._coordinator.note_committed(self.name(group), topic, partitions)
        self._coordinator.close()

    # ---- inside

    def _behind(self, group: str, topic: Topic, name: str) -> dict[int, int]:
        """Return how many records of each partition are neither processed by its owner nor committed."""
        done = {partition: max(offset, 0) for partition, offset in self.committed(group, topic).items()}
        for member in self._members[group]:
            for (of_topic, partition), offset in member.positions().items() if member.present else ():
                if of_topic == name:
                    done[partition] = max(done.get(partition, 0), offset)
        ends = {partition: self._back.sight.high_watermark(name, partition) for partition in done}
        return {partition: end - done[partition] for partition, end in ends.items() if end > done[partition]}

    def _is_stable(self, group: str, members: tuple[Member, ...]) -> tuple[bool, str]:
        self._coordinator.listen()
        wanted = {(topic, number) for topic, count in self._topics[group].items() for number in range(count)}
        owned = [member.assigned() for member in members]
        sizes = {member.actor: len(places) for member, places in zip(members, owned, strict=True)}
        if sum(sizes.values()) != len(wanted) or frozenset().union(*owned) != wanted:
            return False, f"members own {sizes}"
        try:
            state, known = self._coordinator.members(self.name(group), classic=self._classic[group])
        except wire.Unanswered as silence:
            return False, str(silence)
        come = state == "Stable" and known == {member.known_as for member in members}
        return come, f"state {state}, members {sorted(known)}, owning {sizes}"
