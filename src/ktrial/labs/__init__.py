"""The course: a list, not a discovery; a test catches a lab that is not in it."""

from ktrial.labs import lab03_acks
from ktrial.lab import Lab

LABS: tuple[Lab, ...] = (lab03_acks.LAB,)
