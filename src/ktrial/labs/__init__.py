"""The course: a list, not a discovery; a test catches a lab that is not in it."""

from ktrial.lab import Lab
from ktrial.labs import lab01_basics, lab02_partitions, lab03_acks, lab07_replication

LABS: tuple[Lab, ...] = (lab01_basics.LAB, lab02_partitions.LAB, lab03_acks.LAB, lab07_replication.LAB)
