"""Names of Kafka's settings, what ktrial changes of them, and what the user puts over a run."""

from __future__ import annotations

import pytest

from ktrial.cluster.settings import changed_settings, check_names
from ktrial.cluster.topology import ClusterSpec
from ktrial.errors import UsageProblem
from ktrial.stage.overrides import sort_out


def test_a_typo_is_refused_with_the_nearest_name() -> None:
    """`min.insync.replica` is no setting; the message names the one that is."""
    with pytest.raises(UsageProblem, match=r"min\.insync\.replica'.*Did you mean min\.insync\.replicas"):
        check_names("topic", ["min.insync.replica"])


def test_every_changed_setting_is_told_with_kafkas_default() -> None:
    """Whatever differs from a default is listed beside it, shortened timers above all; what does not, is not."""
    changed = changed_settings(ClusterSpec().broker_settings())
    assert changed["broker.session.timeout.ms"] == {"value": "2000", "default": "9000"}
    assert "group.initial.rebalance.delay.ms" in changed
    assert "offsets.topic.replication.factor" not in changed


def test_settings_of_the_user_go_to_whom_they_concern() -> None:
    """Producers, topics and brokers each get their own."""
    sorted_out = sort_out({"linger.ms": "5", "min.insync.replicas": "1", "num.io.threads": "2"})
    assert sorted_out.producer == {"linger.ms": "5"}
    assert sorted_out.topic == {"min.insync.replicas": "1"}
    assert sorted_out.broker == {"num.io.threads": "2"}


def test_a_setting_that_nobody_knows_is_refused() -> None:
    """Neither broker nor topic nor producer has it: exit status 64, nothing boots."""
    with pytest.raises(UsageProblem, match=r"no.* 'linger\.msec'|'linger\.msec'"):
        sort_out({"linger.msec": "5"})


def test_a_cluster_of_one_replicates_its_own_topics_once() -> None:
    """Internal topics of a single node ask for one replica, else groups could never start."""
    settings = ClusterSpec(brokers=1).broker_settings()
    assert settings["offsets.topic.replication.factor"] == "1"
    assert settings["transaction.state.log.min.isr"] == "1"
