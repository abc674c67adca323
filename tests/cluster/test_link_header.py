"""Who a connection's peer is, read from the first request headers."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from ktrial.cluster.link_header import FIRST_REQUESTS, RequestHeaders


def request(client_id: str | None, api_key: int = 1, body: bytes = b"") -> bytes:
    """Return a Kafka request with this header."""
    name = (client_id or "").encode()
    payload = struct.pack(">hhih", api_key, 12, 7, -1 if client_id is None else len(name)) + name + body
    return struct.pack(">i", len(payload)) + payload


def test_the_first_request_names_the_peer() -> None:
    """The client id of the first request is the peer, whatever the api key."""
    headers = RequestHeaders()
    headers.feed(request("broker-2-fetcher-0", 18))
    assert headers.peer == "broker-2-fetcher-0"
    assert headers.api_keys == [18]


def test_an_incomplete_header_names_nobody() -> None:
    """One byte short of the client id's end, the peer is still unknown."""
    whole = request("2")
    headers = RequestHeaders()
    headers.feed(whole[:-1])
    assert headers.peer is None
    headers.feed(whole[-1:])
    assert headers.peer == "2"


def test_a_null_client_id_is_an_empty_name() -> None:
    """A client that gives no name is known to give none."""
    headers = RequestHeaders()
    headers.feed(request(None, 3))
    assert (headers.peer, headers.api_keys) == ("", [3])


def test_other_protocols_have_no_name() -> None:
    """TLS and plain text do not look like a request: no name, and no more reading."""
    for opening in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaa", b"GET / HTTP/1.1\r\n", b"\x00" * 14):
        headers = RequestHeaders()
        headers.feed(opening)
        assert (headers.peer, headers.is_done, headers.api_keys) == ("", True, [])


def test_only_the_first_requests_are_read() -> None:
    """After a few requests reading is over, so that raw bytes can be forwarded."""
    headers = RequestHeaders()
    headers.feed(request("c", 1) * (FIRST_REQUESTS + 5))
    assert headers.is_done
    assert len(headers.api_keys) == FIRST_REQUESTS


@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.text(max_size=12), st.binary(max_size=60)), min_size=1, max_size=6
    ),
    st.data(),
)
def test_any_cutting_gives_the_same_headers(
    requests: list[tuple[int, str, bytes]], data: st.DataObject
) -> None:
    """In whatever pieces the bytes come, api keys and peer are those of the whole."""
    whole = b"".join(request(name, key, body) for key, name, body in requests)
    headers = RequestHeaders()
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        headers.feed(whole[:size])
        whole = whole[size:]
    assert headers.peer == requests[0][1]
    assert headers.api_keys == [key for key, _, _ in requests]
