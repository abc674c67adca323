"""The course: seconds per lab and in all, and where they go; each lab alone, then all of it.

Where time goes is told by the run's own feed: booting clusters, waiting for a named condition (Kafka's own timers,
mostly), and the rest, which is work: starting processes, sending, reading, judging. Settings that run side by side
wait at the same time, so the parts are sums over settings and may exceed the clock's seconds.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ktrial import runner
from ktrial.feed import Feed
from ktrial.labs import LABS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ktrial.feed import Event
    from ktrial.lab import Lab

KIB = 1024
LAB_BOUND_S, MINUTE_BOUND_S, COURSE_BOUND_S = 30, 75, 300
MINUTE_LAB = 9


class Clock:
    """Adds up what the feed tells of time, in seconds."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.boot_s = self.wait_s = 0.0
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if event.kind == "booted":
                self.boot_s += float(str(event.fields["seconds"]))
            elif event.kind == "waited":
                self.wait_s += float(str(event.fields["seconds"]))


def measure(name: str, labs: Sequence[Lab], seed: int, bound_s: int) -> dict[str, object]:
    """Run some labs as `ktrial run` does and return the row."""
    clock, feed = Clock(), Feed()
    feed.listen(clock)
    print(f"  {name}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as runs:
        result = runner.run(
            [(lab, lab.trials) for lab in labs], runner.RunOptions(Path(runs), seed=seed), feed
        )
    settings = result.settings
    played_s = sum(setting.seconds for setting in settings)
    judging_s = sum(setting.judging_s for setting in settings)
    return {
        "name": name,
        "seconds": round(result.seconds, 1),
        "settings": len(settings),
        "as_predicted": sum(setting.as_predicted for setting in settings),
        "boot_s": round(clock.boot_s, 1),
        "waiting_s": round(clock.wait_s, 1),
        "working_s": round(played_s - clock.wait_s - clock.boot_s, 1),
        "judging_percent": round(100 * judging_s / played_s, 2),
        "disk_mb": round(result.disk_bytes / KIB / KIB, 1),
        "peak_mb": round(_peak_kib() / KIB),
        "bound": f"seconds <= {bound_s}, judging <= 2 %, peak <= 400 MB, disk <= 1 GB",
    }


def _peak_kib() -> int:
    """Return the most memory that this process has had so far, in KiB (macOS tells bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // KIB if sys.platform == "darwin" else peak


def run(*, quick: bool) -> list[dict[str, object]]:
    """Measure; `quick` leaves out the labs alone."""
    rows = []
    for lab in () if quick else LABS:
        bound_s = MINUTE_BOUND_S if lab.number == MINUTE_LAB else LAB_BOUND_S
        rows.append(measure(f"lab {lab.number} {lab.name}", [lab], 7, bound_s))
    rows.append(measure("the course", LABS, 7, COURSE_BOUND_S))
    return rows
