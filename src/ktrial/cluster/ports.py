"""Free loopback ports below the range from which the kernel takes ports for outgoing connections."""

from __future__ import annotations

import random
import socket
import threading

from ktrial.errors import UsageProblem

LOWEST, HIGHEST = 20_000, 32_000
_given: set[int] = set()
_lock = threading.Lock()


def free_ports(count: int) -> list[int]:
    """Return `count` different ports on which nobody listens now, none of which this program gave out before.

    A port of a node that is not up (yet, or any more) looks free, and is not. Raises UsageProblem when there are none.
    """
    found: list[int] = []
    tried = random.sample(range(LOWEST, HIGHEST), HIGHEST - LOWEST)  # not the workload's random numbers
    with _lock:
        for port in tried:
            if port not in _given and is_free(port):
                found.append(port)
            if len(found) == count:
                _given.update(found)
                return found
    what = f"No {count} free ports between {LOWEST} and {HIGHEST} on 127.0.0.1."
    raise UsageProblem(what, mend="End programs that listen there, then start again.")


def is_free(port: int) -> bool:
    """Whether a listener could bind the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_free(ports: tuple[int, ...]) -> None:
    """Raise UsageProblem that names the first of these ports that is taken."""
    for port in ports:
        if not is_free(port):
            what = f"Port {port} on 127.0.0.1 is taken by another program."
            raise UsageProblem(
                what, mend="End that program, or leave the port out and ktrial finds free ones."
            )
