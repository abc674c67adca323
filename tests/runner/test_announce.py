"""What came out is told trial by trial, and put together in the order of the course."""

from __future__ import annotations

from ktrial.feed import Event, Feed
from ktrial.judges import nothing_lost
from ktrial.lab import Lab, Setting, Trial
from ktrial.results import SettingResult
from ktrial.runner.announce import Announcer
from ktrial.runner.schedule import Job, jobs_of
from ktrial.verdict import HELD, Judgement, Text

WORDS = Text("말", "words")


def _trial(name: str) -> Trial:
    settings = (Setting("a", "a", HELD), Setting("b", "b", HELD))
    return Trial(name, WORDS, settings, lambda _stage, _value: None, lambda _value: nothing_lost())


FIRST, SECOND, THIRD = _trial("first"), _trial("second"), _trial("third")
JOBS = jobs_of(
    [(Lab(1, "one", WORDS, (FIRST, SECOND)), [FIRST, SECOND]), (Lab(2, "two", WORDS, (THIRD,)), [THIRD])]
)


class Heard:
    """Everything that the feed told, in a few words."""

    def __init__(self) -> None:
        """Listen to a feed of its own."""
        self.feed = Feed()
        self.words: list[str] = []
        self.feed.listen(self._hear)
        self.announcer = Announcer(JOBS, self.feed)

    def _hear(self, event: Event) -> None:
        fields = event.fields
        result = fields.get("result")
        what = (
            result.setting
            if isinstance(result, SettingResult)
            else fields.get("setting", fields.get("name", ""))
        )
        self.words.append(f"{event.kind} {what}".strip())

    def ends(self, job: Job) -> None:
        """Let a setting end as predicted."""
        judgement = Judgement(HELD, {}, (), (), WORDS)
        self.announcer.take(job, SettingResult(job.setting.label, HELD, judgement, (), 2.0))


def test_a_trial_alone_is_told_as_it_goes_on() -> None:
    """Its lab, itself, and each setting when it begins and when it was judged."""
    heard = Heard()
    for job in JOBS[:2]:
        heard.announcer.begin(job, live=True)
        heard.ends(job)
    assert heard.words == ["lab one", "trial first", "setting a", "judged a", "setting b", "judged b"]


def test_what_ends_beside_it_waits_until_it_has_been_told() -> None:
    """No trial's lines stand between another one's."""
    heard = Heard()
    heard.announcer.begin(JOBS[0], live=True)
    for job in JOBS[4:]:
        heard.announcer.begin(job, live=False)
        heard.ends(job)
    assert heard.words == ["lab one", "trial first", "setting a"]
    heard.ends(JOBS[0])
    heard.announcer.begin(JOBS[1], live=True)
    heard.ends(JOBS[1])
    assert heard.words[-7:] == [
        "lab two", "trial third", "setting a", "judged a", "setting b", "judged b", "lab_ended",
    ]  # fmt: skip


def test_labs_are_put_together_in_the_order_of_the_course() -> None:
    """Whatever ended first; a trial that never came to an end is there with what it has."""
    heard = Heard()
    for job in (JOBS[4], JOBS[3], JOBS[0]):
        heard.ends(job)
    one, two = heard.announcer.labs()
    assert (one.number, two.number) == (1, 2)
    assert [trial.name for trial in one.trials] == ["first", "second"]
    assert [setting.setting for setting in one.trials[1].settings] == ["b"]
    assert one.seconds == 4.0
