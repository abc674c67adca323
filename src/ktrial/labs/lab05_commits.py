"""Lab 5: offset commit and reprocessing. What a crash in the middle of a batch skips, and what it repeats."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ktrial.judges import none_processed_twice, none_skipped
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import Commits, Topic, Work
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

ORDERS = Topic("orders", partitions=1, replicas=3, min_in_sync=2)
GROUP = "workers"
RECORDS, BATCH, CRASH_AFTER = 200, 100, 150
SOON = {"session.timeout.ms": "1500", "heartbeat.interval.ms": "300", "auto.commit.interval.ms": "100"}


class Mode(Enum):
    """When the consumer commits."""

    LIBRARY = "auto commit, stored when handed out (librdkafka)"
    JAVA = "auto commit, stored after processing (as Java does)"
    AFTER = "commit by hand, after processing"
    BEFORE = "commit by hand, before processing"

    def __str__(self) -> str:
        """Return it in words."""
        return self.value

    @property
    def commits(self) -> Commits:
        """How a member with this mode commits."""
        return {
            Mode.LIBRARY: Commits.LIBRARY,
            Mode.JAVA: Commits.JAVA,
            Mode.AFTER: Commits.AFTER_BATCH,
            Mode.BEFORE: Commits.BEFORE_BATCH,
        }[self]

    @property
    def committed_at_crash(self) -> int:
        """The offset that is committed at least when the consumer dies: beyond the crash, or only the first batch."""
        return CRASH_AFTER + 1 if self in {Mode.LIBRARY, Mode.BEFORE} else 1


BY_HAND = (
    "kafka-console-consumer --topic orders --group workers --bootstrap-server localhost:9092",
    "kill -KILL <pid of the consumer>",
    "kafka-consumer-groups --describe --group workers --bootstrap-server localhost:9092",
)


@trial(
    question=Text(
        ko="컨슈머가 배치를 처리하던 중에 kill -9로 죽었다가 다시 시작하면, 건너뛰는 메시지가 없을까요?",
        en="A consumer is killed with -9 in the middle of a batch and started again: is no record skipped?",
    ),
    varies="when it commits",
    predict={Mode.LIBRARY: BROKEN, Mode.JAVA: HELD, Mode.AFTER: HELD, Mode.BEFORE: BROKEN},
    judge=none_skipped(),
    alone=Alone.NOTHING,
    by_hand=BY_HAND,
)
def crash_while_processing(stage: Stage, mode: Mode) -> None:
    """Let it process 150 of 200 records, half of its second batch; kill it; let another one go on to the end."""
    _crash(stage, Work(each_ms=1.0, batch=BATCH, commits=mode.commits), CRASH_AFTER, mode.committed_at_crash)


@trial(
    question=Text(
        ko="같은 상황에서 두 번 처리되는 메시지는 없을까요?",
        en="The same crash: is no record processed twice?",
    ),
    varies="when it commits",
    predict={Mode.LIBRARY: HELD, Mode.JAVA: BROKEN, Mode.AFTER: BROKEN, Mode.BEFORE: HELD},
    judge=none_processed_twice(),
    alone=Alone.NOTHING,
    by_hand=BY_HAND,
)
def crash_repeats_work(stage: Stage, mode: Mode) -> None:
    """Crash in the same way; what is asked of it is the other half of the bargain."""
    _crash(stage, Work(each_ms=1.0, batch=BATCH, commits=mode.commits), CRASH_AFTER, mode.committed_at_crash)


@trial(
    question=Text(
        ko="n개마다 커밋하면 크래시 뒤에 몇 개가 다시 처리될까요?",
        en="Committing after every n records: how many are processed again after a crash?",
    ),
    varies="n",
    predict={1: None, 10: None, 50: None, 200: None},
    judge=none_processed_twice(),
    alone=Alone.NOTHING,
    beyond=True,
    by_hand=BY_HAND,
)
def commit_every_n(stage: Stage, every: int) -> None:
    """Crash after 137 records; what was processed since the last commit is processed again."""
    _crash(
        stage, Work(each_ms=1.0, batch=BATCH, commits=Commits.every(every)), 137, 137 // every * every - every
    )


def _crash(stage: Stage, work: Work, after: int, committed: int) -> None:
    with stage.producing(ORDERS) as producer:
        producer.sends(RECORDS)
    member = stage.groups.join(GROUP, ORDERS, config=SOON, work=work)
    member.halt(after=after)
    member.await_halted()
    stage.groups.await_committed(GROUP, ORDERS, committed)
    member.kill()
    with stage.groups.member(GROUP, ORDERS, config=SOON, work=work):
        stage.groups.await_caught_up(GROUP, ORDERS)
    stage.read_to_end(ORDERS)


LAB = Lab(
    number=5,
    name="commits",
    title=Text(ko="오프셋 커밋과 재처리", en="Offset commit and reprocessing"),
    trials=(crash_while_processing, crash_repeats_work, commit_every_n),
)
