"""How fast delivery and order are judged, and how much memory it takes, at one and at ten million records.

A record is one sent record with its three rows: called, acknowledged, read. Each measurement runs in a process of its
own, which loads the history from its compact files and judges it; its peak memory is that of the whole process less
that of one which only imported the same modules. Rows are shuffled in the ways that disks shuffle them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ktrial.history.columns import KEY, NAME
from ktrial.history.tables import History
from ktrial.judges import all_of, in_order, nothing_lost

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = (1_000_000, 10_000_000)
SHAPES = ("ordered", "keyed", "scattered", "random-ids")
BOUND_RECORDS_PER_S = 2_000_000
BOUND_BYTES_PER_RECORD = 200
PARTITIONS = 3
PRODUCERS = 2
ROUNDS = 3


def make(folder: Path, records: int, shape: str, seed: int = 7) -> None:
    """Write a clean history of `records` records.

    `ordered`: rows as clients write them; `keyed`: with one of 1000 keys each; `scattered`: acknowledgements and
    reads in any order; `random-ids`: as ordered, but any 64-bit numbers as ids.
    """
    rng = np.random.default_rng(seed)
    number = np.arange(records)
    ids = rng.permutation(np.unique(rng.integers(-(2**63), 2**63, records + 1000))[:records])
    frame = written(number, ids if shape == "random-ids" else number, keyed=shape == "keyed")
    partition = frame["partition"].to_numpy()
    called = np.cumsum(rng.integers(200, 800, records))
    acked = called + rng.integers(100_000, 2_000_000, records)
    ack_order = rng.permutation(records) if shape == "scattered" else np.argsort(acked, kind="stable")
    read_order = rng.permutation(records) if shape == "scattered" else np.argsort(partition, kind="stable")
    read_at = np.empty(records, np.int64)
    read_at[np.argsort(partition, kind="stable")] = called[-1] + 10_000_000 + number
    reads = frame[read_order].with_columns(
        t=read_at[read_order], actor=pl.lit("final-reader"), isolation=pl.lit("read_uncommitted")
    )
    tops = [int((partition == each).sum()) for each in range(PARTITIONS)]
    ends = pl.DataFrame({"partition": range(PARTITIONS), "log_end": tops, "last_stable": tops}).with_columns(
        t=int(called[-1]) + 20_000_000 + records,
        actor=pl.lit("final-reader"),
        topic=pl.lit("orders"),
        log_start=pl.lit(0),
        isolation=pl.lit("read_uncommitted"),
    )
    History.of(
        calls=frame.with_columns(t=called),
        completions=frame[ack_order].with_columns(t=acked[ack_order], outcome=pl.lit("ok")),
        reads=reads,
        ends=ends,
    ).save(folder)


def written(number: NDArray[np.int64], ids: NDArray[np.int64], *, keyed: bool) -> pl.DataFrame:
    """Return the records in the order of sending: who sent which id, with which key, and where it went."""
    partition = (number // 100) % PARTITIONS
    offset = np.empty(len(number), np.int64)
    for each in range(PARTITIONS):
        ours = partition == each
        offset[ours] = np.arange(ours.sum())
    producers = pl.Series([f"producer-{n}" for n in range(PRODUCERS)], dtype=NAME)
    names = pl.Series([f"key-{n}" for n in range(1000)], dtype=KEY)
    return pl.DataFrame({"id": ids, "partition": partition, "offset": offset}).with_columns(
        actor=producers.gather(pl.Series(number // 1000 % PRODUCERS, dtype=pl.UInt32)),
        topic=pl.lit("orders"),
        key=names.gather(pl.Series(number % 1000, dtype=pl.UInt32)) if keyed else pl.lit(None),
    )


def peak_bytes() -> int:
    """Return the peak memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(folder: Path) -> dict[str, float]:
    """Load and judge one history; `folder` "." only imports, which is the base line."""
    if folder == Path():
        return {"peak_bytes": peak_bytes()}
    began = time.perf_counter()
    history = History.load(folder)
    loaded = time.perf_counter()
    judgement = all_of(nothing_lost(), in_order())(history)
    judged = time.perf_counter()
    assert judgement.verdict == "held", judgement
    return {"load_s": loaded - began, "judge_s": judged - loaded, "peak_bytes": peak_bytes()}


def in_a_process(*arguments: str) -> dict[str, float]:
    """Return what `measure` says in a fresh process."""
    source = Path(__file__).resolve().parent.parent / "src"
    path = os.pathsep.join(filter(None, (str(source), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": path})
    said: dict[str, float] = json.loads(done.stdout or b"{}")
    return said


def row(records: int, shape: str) -> dict[str, object]:
    """Return one line of the table."""
    with tempfile.TemporaryDirectory(prefix="ktrial-bench-") as folder:
        in_a_process("--make", str(records), "--shape", shape, "--folder", folder)
        bare = in_a_process("--folder", ".")
        rounds = [in_a_process("--folder", folder) for _ in range(ROUNDS)]
        disk = sum(file.stat().st_size for file in Path(folder).iterdir())
    middle = sorted(rounds, key=lambda said: said["judge_s"])[ROUNDS // 2]
    return {
        "name": f"{shape}, {records:,} records",
        "judge_s": round(middle["judge_s"], 3),
        "load_s": round(middle["load_s"], 3),
        "records_per_s": round(records / middle["judge_s"]),
        "records_per_s_with_load": round(records / (middle["judge_s"] + middle["load_s"])),
        "peak_bytes_per_record": round(
            (max(said["peak_bytes"] for said in rounds) - bare["peak_bytes"]) / records, 1
        ),
        "disk_bytes_per_record": round(disk / records, 1),
    }


def run(*, quick: bool, shapes: tuple[str, ...] = SHAPES) -> list[dict[str, object]]:
    """Return the table; `quick` means a tenth of the sizes."""
    scale = 0.1 if quick else 1.0
    table: list[dict[str, object]] = []
    for shape in shapes:
        small, large = (row(int(size * scale), shape) for size in SIZES)
        small_s, large_s = (float(str(each["judge_s"])) for each in (small, large))
        large["time_over_linear"] = round(large_s / small_s / (SIZES[1] / SIZES[0]), 2)
        for each in (small, large):
            each["bound"] = (
                f">= {BOUND_RECORDS_PER_S:,} records/s, <= {BOUND_BYTES_PER_RECORD} B, growth <= 1"
            )
        table += [small, large]
    return table


def main(argv: list[str]) -> int:
    """Make or measure one history, for `in_a_process`; without either, print all rows as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--make", type=int)
    options.add_argument("--shape", choices=SHAPES, action="append")
    options.add_argument("--folder", type=Path)
    options.add_argument("--quick", action="store_true")
    asked = options.parse_args(argv)
    if asked.make:
        make(asked.folder, asked.make, asked.shape[0])
        return 0
    if asked.folder is not None:
        print(json.dumps(measure(asked.folder)))
        return 0
    print(json.dumps(run(quick=asked.quick, shapes=tuple(asked.shape or SHAPES)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
