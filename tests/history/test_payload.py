"""The payload of our records: round trips, and what is not ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ktrial.history.payload import HEAD_BYTES, LARGEST_ID, Encoder, decode, decode_all, decode_ids, encode

IDS = st.integers(0, LARGEST_ID)
KEYS = st.none() | st.binary(max_size=20)
SIZES = st.integers(HEAD_BYTES, 300)


@given(st.lists(st.tuples(IDS, KEYS), min_size=1, max_size=30), SIZES, st.integers(0, 3))
def test_round_trip(records: list[tuple[int, bytes | None]], size: int, seed: int) -> None:
    """What a batch encodes, one by one and in batches decodes to the same ids, intact, at exactly the size asked."""
    ids, keys = [each[0] for each in records], [each[1] for each in records]
    values = Encoder(seed, size).encode(np.array(ids, dtype=np.int64), keys)
    assert {len(value) for value in values} == {size}
    assert [decode(value, key) for value, key in zip(values, keys, strict=True)] == [(i, True) for i in ids]
    assert decode_ids(values).tolist() == ids
    decoded, intact, ours = decode_all(values, keys)
    assert decoded.tolist() == ids
    assert intact.all()
    assert ours.all()


@given(st.lists(st.tuples(st.none() | st.binary(max_size=60), KEYS), max_size=20))
def test_batches_agree_with_singles(records: list[tuple[bytes | None, bytes | None]]) -> None:
    """Whatever bytes there are, decoding many says the same as decoding each."""
    ids, intact, ours = decode_all([value for value, _ in records], [key for _, key in records])
    together = [
        (int(i), bool(whole)) if own else None for i, whole, own in zip(ids, intact, ours, strict=True)
    ]
    assert together == [decode(value, key) for value, key in records]


@given(IDS, KEYS, SIZES, st.data())
def test_one_changed_byte_is_seen(record_id: int, key: bytes | None, size: int, data: st.DataObject) -> None:
    """A value with one byte changed is no longer that record, intact."""
    value = bytearray(encode(record_id, key, size))
    place = data.draw(st.integers(0, size - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    assert decode(bytes(value), key) != (record_id, True)


def test_key_is_covered() -> None:
    """The same value under another key is not intact; no key and an empty key are the same to the checksum."""
    value = encode(117, b"key-1", 40)
    assert decode(value, b"key-2") == (117, False)
    assert decode(encode(117, None, 40), b"") == (117, True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"ktrial-sentinel",
        b"0" * 23,
        b"0" * 15 + b"x" + b"0" * 20,
        b"F" * 30,
        b"f" * 30,
        b" 1" * 20,
    ],
)
def test_foreign_values(value: bytes | None) -> None:
    """Too short, other than our digits, or beyond 64 bits: not ours."""
    assert decode(value, None) is None
    assert decode_all([value], [None])[2].tolist() == [False]


def test_seed_decides_the_filler() -> None:
    """The same seed gives the same bytes, another seed others."""
    ids = np.arange(50)
    assert Encoder(7, 100).encode(ids, None) == Encoder(7, 100).encode(ids, [None] * 50)
    assert Encoder(7, 100).encode(ids, None) != Encoder(8, 100).encode(ids, None)


def test_too_small_a_size_is_refused() -> None:
    """A record that cannot hold id and checksum is refused."""
    with pytest.raises(ValueError, match="at least 24"):
        Encoder(0, 23)
