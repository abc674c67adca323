"""The feed: everyone is told, and only so much is kept."""

from __future__ import annotations

from ktrial.feed import KEPT_EVENTS, Event, Feed


def test_everyone_who_listens_is_told_in_order() -> None:
    """Each listener gets each event from its start on, in the order of telling."""
    feed, first, second = Feed(), list[Event](), list[Event]()
    feed.listen(first.append)
    feed.tell("said", text="a")
    feed.listen(second.append)
    feed.tell("said", text="b")
    assert [event.fields["text"] for event in first] == ["a", "b"]
    assert [event.fields["text"] for event in second] == ["b"]


def test_the_oldest_events_are_let_go() -> None:
    """The feed is bounded: who comes late sees the last events only."""
    feed = Feed()
    for number in range(KEPT_EVENTS + 5):
        feed.tell("said", text=str(number))
    kept = feed.recent()
    assert len(kept) == KEPT_EVENTS
    assert (kept[0].fields["text"], kept[-1].fields["text"]) == ("5", str(KEPT_EVENTS + 4))


def test_a_listener_may_look_at_the_feed() -> None:
    """A listener is called without the feed's lock, so that it may ask the feed itself."""
    feed, seen = Feed(), list[int]()
    feed.listen(lambda _event: seen.append(len(feed.recent())))
    feed.tell("said", text="a")
    assert seen == [1]
