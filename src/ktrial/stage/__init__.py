"""The stage: all that a scenario may touch. Whatever it does lands in the history."""

from ktrial.cluster.topology import ClusterSpec
from ktrial.stage.scene import Stage
from ktrial.stage.topic import Topic
from ktrial.stage.traffic import ACKNOWLEDGED, APPENDED, NOTHING, Await

__all__ = ["ACKNOWLEDGED", "APPENDED", "NOTHING", "Await", "ClusterSpec", "Stage", "Topic"]
