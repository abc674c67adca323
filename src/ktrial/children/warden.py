"""The process that ends a session's children when ktrial itself is gone.

Run as `python -m ktrial.children.warden SESSION FOLDER`; standard input is the pipe that ktrial keeps open.
It imports nothing of Kafka, so that it is there within a moment, and it ignores the terminal's signals.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from ktrial.children.reap import reap


def main() -> None:
    """Wait for the end of standard input, then reap the session named on the command line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    session_id, folder = sys.argv[1:3]
    while sys.stdin.buffer.read(4096):
        pass
    reap(session_id, Path(folder))


if __name__ == "__main__":
    main()
