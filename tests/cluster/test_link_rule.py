"""Which rules concern a connection, and what they add up to."""

from __future__ import annotations

import pytest

from ktrial.cluster.link_rule import (
    OPEN,
    UNTIL_PEER_IS_KNOWN,
    Direction,
    Rule,
    RuleBook,
    peers_of_broker,
)

REQUESTS, RESPONSES = Direction.REQUESTS, Direction.RESPONSES


def test_without_rules_the_gate_is_open() -> None:
    """Nobody needs to be known when no rule asks."""
    assert RuleBook().gate("a", None, REQUESTS) is OPEN


def test_a_rule_for_one_peer_makes_strangers_wait() -> None:
    """While a rule names a peer, bytes of a connection whose peer is unknown may not pass."""
    book = RuleBook()
    book.add(Rule.hold("a", "broker-2-*"))
    assert book.gate("a", None, REQUESTS) is UNTIL_PEER_IS_KNOWN
    assert book.gate("b", None, REQUESTS) is OPEN


def test_a_rule_for_anybody_needs_no_name() -> None:
    """A rule for all peers concerns a connection from its first byte."""
    book = RuleBook()
    book.add(Rule.hold("a"))
    assert book.gate("a", None, REQUESTS).holds
    book.add(Rule.cut("a"))
    assert book.severing("a", None) is not None


def test_one_direction_leaves_the_other_open() -> None:
    """A rule for requests does nothing to responses, and severs nothing."""
    book = RuleBook()
    book.add(Rule.cut("a", "c", REQUESTS))
    assert book.gate("a", "c", REQUESTS).loses
    assert book.gate("a", "c", RESPONSES) is OPEN
    assert book.severing("a", "c") is None


def test_slow_rules_add_up_to_the_slowest() -> None:
    """The longest delay and the narrowest bandwidth count."""
    book = RuleBook()
    book.add(Rule.slow("*", "*", delay_ms=20))
    book.add(Rule.slow("a", "*", delay_ms=50, bytes_per_s=9000))
    book.add(Rule.slow("a", "c*", bytes_per_s=1000))
    gate = book.gate("a", "c1", RESPONSES)
    assert (gate.delay_ns, gate.bytes_per_s) == (50_000_000, 1000)


def test_a_removed_rule_is_out_of_force() -> None:
    """What was added can be removed once."""
    book = RuleBook()
    number = book.add(Rule.hold())
    book.remove(number)
    assert book.gate("a", "c", REQUESTS) is OPEN
    with pytest.raises(KeyError):
        book.remove(number)


@pytest.mark.parametrize(
    "rule", [Rule.cut(), Rule.hold("a", "b", REQUESTS), Rule.slow(delay_ms=3, bytes_per_s=7)]
)
def test_a_rule_survives_json(rule: Rule) -> None:
    """A rule rebuilt from its fields is the same rule."""
    assert Rule.from_fields(rule.fields()) == rule


def test_senseless_rules_are_refused() -> None:
    """A slow rule slows by something, and by nothing negative."""
    with pytest.raises(ValueError, match="needs one of them"):
        Rule.slow()
    with pytest.raises(ValueError, match="less than nothing"):
        Rule.slow(delay_ms=-1)


def test_a_broker_is_not_mistaken_for_another() -> None:
    """Broker 1's patterns match its own client ids and not those of broker 11."""
    rules = [Rule.cut("*", pattern) for pattern in peers_of_broker(1)]
    own = {"broker-1-fetcher-0", "raft-client-1", "AddPartitionsManager-client-1", "1"}
    others = {"broker-11-fetcher-0", "raft-client-11", "AddPartitionsManager-client-11", "11", "broker-2-1"}
    assert {peer for peer in own | others if any(rule.concerns("x", peer) for rule in rules)} == own
