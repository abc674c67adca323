"""What a link does to bytes: rules, and the gate that they add up to for one direction of one connection.

A rule names a link and a peer by pattern, a direction, and an action. Rules know nothing of sockets; they are
shared by the parent, which writes them, and the relay process, which obeys them. Left out: loss of single
packets, reordering and duplication, which TCP hides from Kafka anyway.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Direction(StrEnum):
    """Which bytes of a connection are meant, as seen by the client that opened it."""

    REQUESTS = "requests"
    RESPONSES = "responses"
    BOTH = "both"


class Action(StrEnum):
    """What is done to the bytes."""

    CUT = "cut"
    HOLD = "hold"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Rule:
    """One disturbance of the connections whose link and peer match.

    `link` and `peer` are shell patterns, compared with case; a peer is a Kafka client id. `delay_ms` and
    `bytes_per_s` (0 = not limited; per connection and direction) belong to the action `slow` alone. Raises
    ValueError otherwise.
    """

    link: str
    peer: str
    direction: Direction
    action: Action
    delay_ms: float = 0.0
    bytes_per_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no link could do."""
        if self.delay_ms < 0 or self.bytes_per_s < 0:
            message = f"a link cannot be slowed by less than nothing: {self}"
            raise ValueError(message)
        if (self.action is Action.SLOW) != bool(self.delay_ms or self.bytes_per_s):
            message = f"delay_ms and bytes_per_s belong to the action slow, which needs one of them: {self}"
            raise ValueError(message)

    @classmethod
    def cut(cls, link: str = "*", peer: str = "*", direction: Direction = Direction.BOTH) -> Self:
        """Close matching connections, old and new; or, in one direction, swallow its bytes.

        A connection that lost bytes is closed when the rule goes, since its stream cannot be continued. Two
        cuts, one for each direction, swallow everything and close nothing: a network that drops silently.
        """
        return cls(link, peer, direction, Action.CUT)

    @classmethod
    def hold(cls, link: str = "*", peer: str = "*", direction: Direction = Direction.BOTH) -> Self:
        """Keep bytes, in order, until the rule goes; even when their sender has gone by then."""
        return cls(link, peer, direction, Action.HOLD)

    @classmethod
    def slow(
        cls,
        link: str = "*",
        peer: str = "*",
        direction: Direction = Direction.BOTH,
        *,
        delay_ms: float = 0.0,
        bytes_per_s: float = 0.0,
    ) -> Self:
        """Let bytes arrive later (`delay_ms`) or in a thinner stream (`bytes_per_s` of each connection)."""
        return cls(link, peer, direction, Action.SLOW, delay_ms, bytes_per_s)

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Rebuild a rule from `fields()`. Raises ValueError, KeyError or TypeError if it is none."""
        return cls(
            link=str(fields["link"]),
            peer=str(fields["peer"]),
            direction=Direction(str(fields["direction"])),
            action=Action(str(fields["action"])),
            delay_ms=float(str(fields.get("delay_ms", 0))),
            bytes_per_s=float(str(fields.get("bytes_per_s", 0))),
        )

    def fields(self) -> dict[str, str | float]:
        """Return the rule as plain JSON fields."""
        return asdict(self)

    def concerns(self, link: str, peer: str) -> bool:
        """Whether a connection of this peer on this link is meant."""
        return fnmatchcase(link, self.link) and fnmatchcase(peer, self.peer)

    def covers(self, direction: Direction) -> bool:
        """Whether bytes of this one direction are meant."""
        return self.direction in (Direction.BOTH, direction)


def peers_of_broker(node: int) -> tuple[str, str, str]:
    """Return the patterns of all client ids under which one broker or controller calls the others.

    As seen on Kafka 4.3.1: `broker-2-fetcher-0` (replication; transaction markers have the same prefix),
    `raft-client-2` (metadata) and `AddPartitionsManager-client-2` (transactions), plain `2` (heartbeats, ISR changes).
    Meant for internal links: a client of somebody else may call itself the same.
    """
    return (f"broker-{node}-*", f"*-client-{node}", f"{node}")


@dataclass(slots=True, eq=False)
class Tally:
    """What one rule has done so far, the proof that it landed; equal only to itself, for it counts."""

    rule: Rule
    closed: int = 0
    touched_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """All rules for one direction of one connection, added up: losing beats holding beats slowing."""

    loses: bool = False
    holds: bool = False
    delay_ns: int = 0
    bytes_per_s: float = 0.0
    tallies: tuple[Tally, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether bytes may pass at once."""
        return not (self.loses or self.holds or self.delay_ns or self.bytes_per_s)

    def touch(self, count: int) -> None:
        """Write `count` bytes down to every rule behind this gate."""
        for tally in self.tallies:
            tally.touched_bytes += count


OPEN = Gate()
UNTIL_PEER_IS_KNOWN = Gate(holds=True)


def _sum_up(tallies: Iterable[Tally]) -> Gate:
    """Add rules up: the longest of the delays, the narrowest of the bandwidths."""
    found = tuple(tallies)
    if not found:
        return OPEN
    rates = [tally.rule.bytes_per_s for tally in found if tally.rule.bytes_per_s]
    return Gate(
        loses=any(tally.rule.action is Action.CUT for tally in found),
        holds=any(tally.rule.action is Action.HOLD for tally in found),
        delay_ns=round(max(tally.rule.delay_ms for tally in found) * 1e6),
        bytes_per_s=min(rates, default=0.0),
        tallies=found,
    )


@dataclass(slots=True)
class RuleBook:
    """The rules in force, by number."""

    tallies: dict[int, Tally] = field(default_factory=dict)
    _last: int = 0

    def add(self, rule: Rule) -> int:
        """Put a rule in force; return its number."""
        self._last += 1
        self.tallies[self._last] = Tally(rule)
        return self._last

    def remove(self, number: int) -> None:
        """Take a rule out of force. Raises KeyError for a number that is not in force."""
        del self.tallies[number]

    def needs_peer(self, link: str) -> bool:
        """Whether some rule on this link asks who the peer is."""
        return any(
            tally.rule.peer != "*" and fnmatchcase(link, tally.rule.link) for tally in self.tallies.values()
        )

    def gate(self, link: str, peer: str | None, direction: Direction) -> Gate:
        """Return what one direction of a connection must pass; `peer` is None while not known."""
        if not self.tallies:
            return OPEN
        if peer is None and self.needs_peer(link):
            return UNTIL_PEER_IS_KNOWN
        return _sum_up(tally for tally in self._of(link, peer) if tally.rule.covers(direction))

    def severing(self, link: str, peer: str | None) -> Tally | None:
        """Return the rule that closes such a connection altogether, or None."""
        for tally in self._of(link, peer):
            if tally.rule.action is Action.CUT and tally.rule.direction is Direction.BOTH:
                return tally
        return None

    def _of(self, link: str, peer: str | None) -> list[Tally]:
        """Return the rules that certainly concern the connection: for an unknown peer, those for anybody."""
        return [
            tally
            for tally in self.tallies.values()
            if (tally.rule.concerns(link, peer) if peer is not None else tally.rule.peer == "*")
            and fnmatchcase(link, tally.rule.link)
        ]
