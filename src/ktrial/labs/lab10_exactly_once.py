"""Lab 10: exactly-once. What retries, crashes and zombies repeat, and what transactions make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktrial.faults import Hold, Kill, Sever
from ktrial.judges import copied_exactly_once, no_duplicates, sees_no_aborted
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import APPENDED, Topic
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage

ORDERS = Topic("orders", partitions=1, replicas=3, min_in_sync=2)
INPUT = Topic("input", partitions=2, replicas=3, min_in_sync=2)
OUTPUT = Topic("output", partitions=2, replicas=3, min_in_sync=2)
BOTH = ("read_uncommitted", "read_committed")
LARGE_BATCHES = {"linger.ms": "50", "batch.size": "131072"}
STATIC = {"group.instance.id": "copier-1", "session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
SOON = {"session.timeout.ms": "1500", "heartbeat.interval.ms": "300"}
RECORDS, KILLS = 240, 5


@trial(
    question=Text(
        ko="추가된 뒤에 승인이 사라져 프로듀서가 재시도하면, 로그에 중복이 없을까요?",
        en="Acknowledgements are lost after the append, the producer tries again: are there no duplicates?",
    ),
    varies="enable.idempotence",
    predict={"false": BROKEN, "true": HELD},
    judge=no_duplicates(),
    by_hand=(
        (
            "kafka-console-producer --topic orders --command-property enable.idempotence=false"
            " --bootstrap-server localhost:9092"
        ),
        "kill -KILL <pid of the leader>",
        "kafka-console-consumer --topic orders --from-beginning --bootstrap-server localhost:9092",
    ),
)
def retries_duplicate(stage: Stage, idempotence: str) -> None:
    """Hold the leader's answers back, let 500 records reach all replicas, kill it; the producer tries the next one."""
    leader = stage.leader_of(ORDERS)
    config = {"enable.idempotence": idempotence, **LARGE_BATCHES}
    with stage.producing(ORDERS, config, linked=True) as producer:
        producer.sends(100)
        with stage.fault(Hold((leader,), client=producer.actor), lands=False) as held:
            producer.sends(500, then=APPENDED)
            stage.wait_until_replicated(ORDERS)
            stage.await_landed(held)
            stage.inject(Kill(leader))
            with stage.fault(Sever((leader,), client=producer.actor)):
                stage.wait_for_leader(ORDERS, other_than=leader)
                producer.await_outcomes()
    stage.heal()
    stage.read_to_end(ORDERS)


@trial(
    question=Text(
        ko="복사하는 프로그램이 다섯 번 죽어도 출력은 입력과 정확히 한 번씩 대응할까요?",
        en="A copying program is killed five times: is its output exactly f(input), once each?",
    ),
    varies="how it copies",
    predict={"plain: produce, then commit offsets": BROKEN, "in transactions, read_committed": HELD},
    judge_for=lambda how: copied_exactly_once(
        "input", "output", "read_uncommitted" if how.startswith("plain") else "read_committed"
    ),
    by_hand=(
        (
            "kafka-console-consumer --topic output --isolation-level read_committed --from-beginning"
            " --bootstrap-server localhost:9092"
        ),
        "kafka-transactions --bootstrap-server localhost:9092 list",
        "kill -KILL <pid of the copier>",
    ),
)
def copy(stage: Stage, how: str) -> None:
    """Kill the copier five times where it hurts, at points that the seed decides, and a broker once; let one finish."""
    plain, dice = how.startswith("plain"), stage.dice()
    transactional_id = None if plain else "copier"
    with stage.producing(INPUT) as producer:
        producer.sends(RECORDS, keys={"cycle": 40})
    for turn in range(KILLS):
        point = "produced" if plain else dice.choice(("produced", "offsets"))
        copier = stage.transactions.copier(
            INPUT, OUTPUT, group="copiers", transactional_id=transactional_id, config=STATIC,
            halt_at=point, after=dice.randint(1, 60),
        )  # fmt: skip
        copier.await_halted()
        copier.kill()
        if turn == KILLS // 2:
            leader = stage.leader_of(OUTPUT)
            stage.undo(stage.inject(Kill(leader)))
            stage.wait_for_leader(OUTPUT, other_than=leader)
            stage.heal()
    last = stage.transactions.copier(
        INPUT, OUTPUT, group="copiers", transactional_id=transactional_id, config=STATIC
    )
    stage.groups.await_committed("copiers", INPUT, RECORDS)
    last.close()
    stage.read_to_end(INPUT, OUTPUT, isolations=BOTH)


@trial(
    question=Text(
        ko="중단된 트랜잭션의 메시지는 컨슈머에게 보이지 않을까요?",
        en="Are the records of aborted transactions hidden from consumers?",
    ),
    varies="isolation.level",
    predict={"read_uncommitted": BROKEN, "read_committed": HELD},
    judge_for=sees_no_aborted,
    alone=Alone.NOTHING,
    by_hand=(
        (
            "kafka-console-consumer --topic orders --isolation-level read_committed --from-beginning"
            " --bootstrap-server localhost:9092"
        ),
        "kafka-dump-log --files <data folder>/orders-0/00000000000000000000.log",
    ),
)
def isolation(stage: Stage, level: str) -> None:
    """Commit and abort in turns; a consumer with one isolation level or the other reads it all."""
    with stage.producing(ORDERS, {"transactional.id": "orders"}) as producer:
        for turn in range(6):
            with producer.transaction(f"txn-{turn}", commits=turn % 2 == 0):
                producer.sends(20)
    seen = 120 if level == "read_uncommitted" else 60
    with stage.consuming(ORDERS, config={"isolation.level": level}) as consumer:
        consumer.await_read(seen)
    stage.read_to_end(ORDERS, isolations=BOTH)


@trial(
    question=Text(
        ko="멈춰 있던 복사 프로그램이 교체된 뒤에 되살아나도 출력은 정확히 한 번씩일까요?",
        en="A copier stands still, is replaced, and comes back to life: is the output still exactly once?",
    ),
    varies="transactional.id of the replacement",
    predict={"the same": HELD, "another": BROKEN},
    judge=copied_exactly_once("input", "output", "read_committed"),
    alone=Alone.NOTHING,
    by_hand=(
        "kill -STOP <pid of the first copier>; start another; kill -CONT <pid of the first copier>",
        "kafka-transactions --bootstrap-server localhost:9092 describe --transactional-id copier",
    ),
)
def zombie(stage: Stage, replacement: str) -> None:
    """Pause a copier just before it commits, let another one copy everything, let the first one go on."""
    with stage.producing(INPUT) as producer:
        producer.sends(RECORDS, keys={"cycle": 40})
    sleeper = stage.transactions.copier(
        INPUT, OUTPUT, group="copiers", transactional_id="copier", config=SOON, halt_at="offsets", after=1
    )
    sleeper.await_halted()
    sleeper.pause()
    transactional_id = "copier" if replacement == "the same" else "another"
    heir = stage.transactions.copier(
        INPUT, OUTPUT, group="copiers", transactional_id=transactional_id, config=SOON
    )
    heir.await_copied(RECORDS)
    sleeper.resume()
    sleeper.go_on()
    if replacement == "the same":
        sleeper.await_fenced()
    else:
        sleeper.await_copied(1)
    sleeper.close()
    heir.close()
    stage.read_to_end(INPUT, OUTPUT, isolations=BOTH)


LAB = Lab(
    number=10,
    name="exactly-once",
    title=Text(ko="정확히 한 번과 장애 복구", en="Exactly-once and failure recovery"),
    trials=(retries_duplicate, copy, isolation, zombie),
)
