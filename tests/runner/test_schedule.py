"""What runs when: side by side what harms nobody, alone what injects faults, last what measures time."""

from __future__ import annotations

from ktrial.judges import nothing_lost
from ktrial.lab import Alone, Lab, Setting, Trial
from ktrial.runner.schedule import Job, Phase, jobs_of, scheduled
from ktrial.stage import ClusterSpec
from ktrial.verdict import HELD, Text

WORDS = Text("말", "words")


def _trial(name: str, alone: Alone, *, lasts_s: float = 20.0, brokers: int = 3) -> Trial:
    return Trial(
        name=name,
        question=WORDS,
        settings=(Setting("a", "a", HELD), Setting("b", "b", None)),
        scenario=lambda _stage, _value: None,
        judge_for=lambda _value: nothing_lost(),
        cluster=ClusterSpec(brokers=brokers),
        alone=alone,
        lasts_s=lasts_s,
    )


FAULTS = _trial("faults", Alone.CLUSTER)
ONE_NODE = _trial("one-node", Alone.NOTHING, brokers=1)
QUICK = _trial("quick", Alone.NOTHING)
MINUTE = _trial("minute", Alone.NOTHING, lasts_s=70.0)
TIMED = _trial("timed", Alone.MACHINE)
COURSE = ((Lab(1, "one", WORDS, (TIMED, QUICK, FAULTS)), [TIMED, QUICK, FAULTS]),
          (Lab(2, "two", WORDS, (MINUTE, ONE_NODE)), [MINUTE, ONE_NODE]))  # fmt: skip


def _names(jobs: tuple[Job, ...]) -> list[str]:
    return [f"{job.trial.name}-{job.setting.label}" for job in jobs]


def test_jobs_are_numbered_in_the_order_of_the_course() -> None:
    """A setting's turn, which its topics are named after, does not depend on what runs beside it."""
    jobs = jobs_of(COURSE)
    assert [job.turn for job in jobs] == list(range(1, 11))
    assert jobs[0].place == "one/timed/a"


def test_what_harms_nobody_runs_beside_the_faults_on_a_cluster_of_its_own() -> None:
    """The longest wait begins first; what has another kind of cluster is not shared; time is measured last."""
    beside, last = scheduled(jobs_of(COURSE), clusters=3)
    assert beside.apart
    assert _names(beside.single) == ["one-node-a", "one-node-b", "faults-a", "faults-b"]
    assert _names(beside.shared) == ["minute-a", "minute-b", "quick-a", "quick-b"]
    assert _names(last.single) == ["timed-a", "timed-b"]
    assert not last.shared
    assert (beside.lanes, last.lanes) == (2, 1)


def test_without_room_for_two_clusters_the_phases_follow_each_other() -> None:
    """Nothing runs beside a fault on its own cluster."""
    phases = scheduled(jobs_of(COURSE))
    assert not any(phase.apart for phase in phases)
    assert not any(phase.single and phase.shared for phase in phases)
    assert sorted(job.turn for phase in phases for job in (*phase.single, *phase.shared)) == list(
        range(1, 11)
    )


def test_a_small_plan_boots_one_cluster() -> None:
    """A second cluster costs more than it saves where there is little to do beside."""
    phases = scheduled(
        jobs_of([(Lab(1, "one", WORDS, ()), [_trial("quick", Alone.NOTHING, lasts_s=5), FAULTS])])
    )
    assert [phase.apart for phase in phases] == [False, False]


def test_somebody_who_is_asked_sees_trial_after_trial() -> None:
    """In order; the settings of one trial may still share a cluster."""
    phases = scheduled(jobs_of(COURSE), side_by_side=False)
    assert all(phase.is_one_trial for phase in phases)
    ran = [(*phase.single, *phase.shared)[0].trial.name for phase in phases]
    assert ran == ["timed", "quick", "faults", "minute", "one-node"]
    assert [bool(phase.shared) for phase in phases] == [False, True, False, True, False]
    assert phases[1] == Phase(shared=jobs_of(COURSE)[2:4])
