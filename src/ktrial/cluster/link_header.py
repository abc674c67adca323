"""Who speaks on a connection: the headers of its first Kafka requests.

A Kafka request is `size i32, api_key i16, api_version i16, correlation_id i32, client_id` (i16 length, -1 =
null, and bytes), in every header version since 1; see "Protocol guide: Requests" of Apache Kafka. Bodies are
skipped, never read. Left out: requests after the first few (raw forwarding is cheaper), TLS and SASL (what
does not look like a request makes the connection foreign: forwarded, and known by no name).
"""

from __future__ import annotations

import struct

FIRST_REQUESTS = 8
# above any sensible socket.request.max.bytes, below what the first bytes of TLS or of text would say
LARGEST_REQUEST_BYTES = 256 << 20
HIGHEST_API_KEY = 1000
_HEADER = struct.Struct(">ihhih")
_SIZE_BYTES = 4
_SHORTEST_REQUEST_BYTES = _HEADER.size - _SIZE_BYTES


class RequestHeaders:
    """Takes a connection's request bytes in whatever pieces they come and reads the first headers among them.

    `peer` is None until known, then the client id ("" for a null one or a foreign protocol). `api_keys` are
    those of the first requests. Once `is_done`, feeding it more is of no use.
    """

    __slots__ = ("_body_left", "_partial", "_wanted", "api_keys", "is_done", "peer")

    def __init__(self) -> None:
        """Start at the first byte of a connection."""
        self.peer: str | None = None
        self.api_keys: list[int] = []
        self.is_done = False
        self._partial = bytearray()
        self._wanted = _HEADER.size
        self._body_left = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Read on; keeps at most one header in memory."""
        rest = memoryview(data)
        while rest.nbytes and not self.is_done:
            if self._body_left:
                taken = min(self._body_left, len(rest))
                self._body_left -= taken
            else:
                taken = min(self._wanted - len(self._partial), len(rest))
                self._partial += rest[:taken]
                if len(self._partial) == self._wanted:
                    self._read_header()
            rest = rest[taken:]

    def _read_header(self) -> None:
        """Take one header off `_partial`, or ask for the bytes of its client id first."""
        size, api_key, version, _, id_length = _HEADER.unpack_from(self._partial)
        if self.peer is None:
            if not _is_plausible(size, api_key, version, id_length):
                self.peer, self.is_done = "", True
                return
            self._wanted = _HEADER.size + max(id_length, 0)
            if len(self._partial) < self._wanted:
                return
            self.peer = self._partial[_HEADER.size :].decode("utf-8", errors="replace")
        self.api_keys.append(api_key)
        self._body_left = max(_SIZE_BYTES + size - len(self._partial), 0)
        self._partial.clear()
        self._wanted = _HEADER.size
        self.is_done = len(self.api_keys) >= FIRST_REQUESTS


def _is_plausible(size: int, api_key: int, version: int, id_length: int) -> bool:
    """Whether these numbers can be the header of a Kafka request."""
    return (
        _SHORTEST_REQUEST_BYTES <= size <= LARGEST_REQUEST_BYTES
        and 0 <= api_key <= HIGHEST_API_KEY
        and version >= 0
        and -1 <= id_length <= size - _SHORTEST_REQUEST_BYTES
    )
