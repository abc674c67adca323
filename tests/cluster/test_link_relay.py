"""The life of the relay process, and what its parent sees of its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ktrial.cluster.link import Links
from ktrial.errors import KtrialError

LIMIT_S = 10.0


def test_a_dead_relay_is_an_error() -> None:
    """When the relay was killed, the next question says so; closing is no error, even twice."""
    links = Links()
    os.kill(links.pid, signal.SIGKILL)
    with pytest.raises(KtrialError, match=r"has ended|did not answer"):
        links.status()
    links.close()
    links.close()
    with pytest.raises(KtrialError, match="closed"):
        links.status()


def test_the_relay_ignores_an_interrupt_and_ends_with_its_parent() -> None:
    """Ctrl-C does not end the relay; the death of its parent does, however that died."""
    code = (
        "import sys; from ktrial.cluster.link import Links; links = Links(); links.status();"
        "print(links.pid, flush=True); sys.stdin.readline(); links.status(); print('alive', flush=True);"
        "sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=_environment(), bufsize=0) as parent:
        assert parent.stdin
        assert parent.stdout
        relay = psutil.Process(int(parent.stdout.readline()))
        relay.send_signal(signal.SIGINT)
        parent.stdin.write(b"and?\n")
        assert parent.stdout.readline() == b"alive\n"
        parent.kill()
        deadline = time.monotonic() + LIMIT_S
        while relay.is_running() and relay.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.002)


def _environment() -> dict[str, str]:
    """Return an environment in which a child finds this very package."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
