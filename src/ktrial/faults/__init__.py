"""Faults: values that inject themselves, prove that they landed, and undo themselves."""

from ktrial.faults.links import Cut, Hold, Sever, Slow
from ktrial.faults.processes import Kill, Pause, Stop
from ktrial.faults.value import Fault, Injected

__all__ = ["Cut", "Fault", "Hold", "Injected", "Kill", "Pause", "Sever", "Slow", "Stop"]
