"""Lab 11: throughput and latency. What linger.ms, compression and batch.size cost and save."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import TYPE_CHECKING

from ktrial.judges import saves
from ktrial.lab import Alone, Lab, trial
from ktrial.stage import Topic
from ktrial.verdict import BROKEN, HELD, Text

if TYPE_CHECKING:
    from ktrial.stage import Stage
    from ktrial.stage.traffic import ProducerHandle

RECORD_BYTES = 500
ROUNDS = 3
BURST, PACED, PER_S = 2000, 120, 1000
CODECS = ("snappy", "lz4", "zstd")


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of producer settings."""

    linger_ms: int
    codec: str
    batch_bytes: int = 16_384

    @property
    def name(self) -> str:
        """Its name in the history: small letters, digits, dashes."""
        batch = "" if self.batch_bytes == 16_384 else f"-batch-{self.batch_bytes // 1024}k"
        return f"linger-{self.linger_ms}-{self.codec}{batch}"

    @property
    def config(self) -> dict[str, str]:
        """The settings in Kafka's names."""
        return {
            "linger.ms": str(self.linger_ms),
            "compression.type": self.codec,
            "batch.size": str(self.batch_bytes),
        }


GRID = tuple(Cell(linger_ms, codec) for linger_ms, codec in product((0, 20), ("none", *CODECS)))
PLAIN = (Cell(0, "none"), Cell(20, "none"), Cell(0, "lz4"), Cell(0, "snappy"))
MORE = (
    *(Cell(linger_ms, "gzip") for linger_ms in (0, 20)),
    *(Cell(20, codec, 131_072) for codec in ("none", "zstd")),
)
BOTH_CLIENTS = tuple(Cell(linger_ms, codec) for linger_ms, codec in product((0, 20), ("none", "zstd")))


def longer_lingers(cells: tuple[Cell, ...]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of which the first must make fewer requests: the longer linger, all else being equal."""
    return tuple(
        (longer.name, shorter.name)
        for longer in cells
        for shorter in cells
        if (longer.linger_ms, longer.codec) == (20, shorter.codec) and shorter.linger_ms == 0
    )


def compressed(cells: tuple[Cell, ...]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of which the first must send fewer bytes: any codec, all else being equal."""
    return tuple(
        (packed.name, plain.name)
        for packed in cells
        for plain in cells
        if plain.codec == "none" != packed.codec and packed.linger_ms == plain.linger_ms
    )


class Load(Enum):
    """What is sent, and how."""

    ORDERS = "orders as JSON, many at a time"
    LETTERS = "random letters, one at a time"

    def __str__(self) -> str:
        """Return it in words."""
        return self.value

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The control needs a few cells only."""
        return GRID if self is Load.ORDERS else PLAIN


@trial(
    question=Text(
        ko="linger.ms=20은 요청 수를, 압축은 전송 바이트를 언제나 줄여 줄까요?",
        en="Does linger.ms=20 always make fewer requests, and compression always fewer bytes?",
    ),
    varies="what is sent",
    predict={Load.ORDERS: HELD, Load.LETTERS: BROKEN},
    judge_for=lambda load: saves(
        tuple(cell.name for cell in load.cells),
        RECORD_BYTES,
        requests=longer_lingers(load.cells),
        sent=compressed(load.cells),
    ),
    alone=Alone.MACHINE,
    by_hand=(
        (
            "kafka-producer-perf-test --topic events --num-records 20000 --payload-file orders.json --throughput -1"
            " --producer-props linger.ms=20 compression.type=lz4 bootstrap.servers=localhost:9092 --print-metrics"
        ),
        "kafka-log-dirs --describe --topic-list events --bootstrap-server localhost:9092",
    ),
)
def grid(stage: Stage, load: Load) -> None:
    """Let every cell send in turns, in bursts and at a steady pace; the brokers count bytes and requests."""
    if load is Load.ORDERS:
        _play(stage, load.cells, BURST, PACED, shape="json")
    else:
        _play(stage, load.cells, 20, 20, shape="letters", one_by_one=True)


@trial(
    question=Text(
        ko="gzip과 128 KiB 배치는 무엇을 더 줄이고, 그 대가는 무엇일까요?",
        en="What do gzip and batches of 128 KiB save on top, and at what price?",
    ),
    varies="what is compared",
    predict={"gzip, and batch.size=131072": None},
    judge=saves(tuple(cell.name for cell in MORE), RECORD_BYTES),
    alone=Alone.MACHINE,
    beyond=True,
    by_hand=(
        (
            "kafka-producer-perf-test --topic events --num-records 20000 --payload-file orders.json --throughput -1"
            " --producer-props batch.size=131072 compression.type=gzip bootstrap.servers=localhost:9092"
        ),
    ),
)
def gzip_and_large_batches(stage: Stage, _: str) -> None:
    """Let four cells more play as those of the grid do."""
    _play(stage, MORE, BURST, PACED, shape="json")


@trial(
    question=Text(
        ko="같은 설정이면 Java 클라이언트의 수치도 비슷할까요?",
        en="The same settings in the Java client: are the figures alike?",
    ),
    varies="client",
    predict={"librdkafka": None, "Java": None},
    judge_for=lambda client: saves(
        tuple(cell.name for cell in BOTH_CLIENTS), RECORD_BYTES, by_tool=client == "Java"
    ),
    alone=Alone.MACHINE,
    beyond=True,
    by_hand=(
        (
            "kafka-producer-perf-test --topic events --num-records 2500 --payload-file orders.json --throughput -1"
            " --producer-props linger.ms=0 compression.type=zstd bootstrap.servers=localhost:9092"
        ),
    ),
)
def same_in_java(stage: Stage, client: str) -> None:
    """Four cells by our own producers, and by Apache's kafka-producer-perf-test, which tells its own figures."""
    if client == "librdkafka":
        _play(stage, BOTH_CLIENTS, BURST, PACED, shape="json")
        return
    for cell in BOTH_CLIENTS:
        stage.tools.performance(
            _topic(cell, "burst"), BURST * ROUNDS, RECORD_BYTES, cell.config, cell=cell.name
        )
        stage.gauges.counts(_topic(cell, "burst"), cell=cell.name, of="burst")


def _play(
    stage: Stage, cells: tuple[Cell, ...], burst: int, paced: int, *, shape: str, one_by_one: bool = False
) -> None:
    with ExitStack() as running:

        def producers(of: str) -> dict[Cell, ProducerHandle]:
            return {
                cell: running.enter_context(
                    stage.producing(_topic(cell, of), cell.config, actor=f"{of}-{cell.name}")
                )
                for cell in cells
            }

        bursting, pacing = producers("burst"), producers("pace")
        for _round in range(ROUNDS):
            for cell, producer in bursting.items():
                with stage.gauges.processor_time(producer.pid, cell=cell.name):
                    producer.sends(burst, size=RECORD_BYTES, shape=shape, one_by_one=one_by_one)
            for producer in pacing.values():
                producer.sends(paced, size=RECORD_BYTES, shape=shape, one_by_one=one_by_one, per_s=PER_S)
        for cell in cells:
            for of in ("burst", "pace"):
                stage.gauges.counts(_topic(cell, of), cell=cell.name, of=of)


def _topic(cell: Cell, of: str) -> Topic:
    """Return the topic of a cell and a load: one partition, so that a batch is a request."""
    return Topic(f"{of}-{cell.name}", partitions=1, replicas=3, min_in_sync=2)


LAB = Lab(
    number=11,
    name="tuning",
    title=Text(ko="처리량과 지연 시간 튜닝", en="Tuning throughput and latency"),
    trials=(grid, gzip_and_large_batches, same_in_java),
)
