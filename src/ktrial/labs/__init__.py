"""The course: a list, not a discovery; a test catches a lab that is not in it."""

from ktrial.lab import Lab
from ktrial.labs import (
    lab01_basics,
    lab02_partitions,
    lab03_acks,
    lab04_groups,
    lab05_commits,
    lab06_keys,
    lab07_replication,
    lab08_rebalancing,
    lab09_retention,
    lab10_exactly_once,
    lab11_tuning,
    lab12_monitoring,
)

LABS: tuple[Lab, ...] = (
    lab01_basics.LAB,
    lab02_partitions.LAB,
    lab03_acks.LAB,
    lab04_groups.LAB,
    lab05_commits.LAB,
    lab06_keys.LAB,
    lab07_replication.LAB,
    lab08_rebalancing.LAB,
    lab09_retention.LAB,
    lab10_exactly_once.LAB,
    lab11_tuning.LAB,
    lab12_monitoring.LAB,
)
