"""Ending the processes and folders of a session: what the warden and the next start have in common."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path

SESSION_VARIABLE = "KTRIAL_SESSION"
REAP_LIMIT_S = 20.0


def members_of(session_id: str) -> list[psutil.Process]:
    """Return the living processes, other than this one, that carry the session's id in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                process.pid != os.getpid()
                and process.environ().get(SESSION_VARIABLE) == session_id
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def reap(session_id: str, folder: Path) -> int:
    """Kill every process of the session, remove its folder, and return how many were killed.

    Two empty looks in a row end it: a child that is between fork and exec still shows its parent's environment.
    """
    killed = 0
    empty_looks = 0
    deadline = time.monotonic() + REAP_LIMIT_S
    while empty_looks < 2 and time.monotonic() < deadline:
        members = members_of(session_id)
        empty_looks = 0 if members else empty_looks + 1
        for process in members:
            with contextlib.suppress(psutil.Error):
                process.kill()
                killed += 1
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)
    return killed
