"""Child processes that never outlive ktrial, however it ends.

Every child carries the session's id in its environment. A warden process waits on a pipe whose other end only
ktrial holds: when that end closes (an orderly end, a crash, kill -9), the warden kills every process with the
session's id and removes the session's folder. If the warden was killed too, the next start sweeps up.
"""

from ktrial.children.session import Child, Session, sweep

__all__ = ["Child", "Session", "sweep"]
