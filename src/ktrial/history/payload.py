"""What a record of ours looks like: its id, a checksum, and filler up to the size that was asked for.

value = 16 hex digits of the id, 8 hex digits of the CRC-32 of (key + the id's digits + filler), filler.
The filler is printable and depends only on the seed and the id: letters that look random, or an order as JSON, which
compresses as such things do. The checksum covers the key, so a
value that turns up under another key is seen. Records are made a batch at a time, most of it in numpy: a producer
that shares two cores with three brokers has little time for each.
"""

from __future__ import annotations

import json
import random
from functools import lru_cache
from string import ascii_letters, digits
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SENTINEL = b"ktrial-sentinel"
ID_DIGITS = 16
HEAD_BYTES = 24
LARGEST_ID = 2**63 - 1
MOST_FILLERS = 256
FILLERS_BYTES = 1 << 20
STRIDE = 7
_HEX_DIGITS = b"0123456789abcdef"
_HEX = np.frombuffer(_HEX_DIGITS, dtype=np.uint8)
_LETTERS = (ascii_letters + digits).encode()
SHAPES = ("letters", "json")
CITIES = ("Seoul", "Busan", "Incheon", "Daegu", "Daejeon", "Gwangju", "Suwon", "Jeju")
STATES = ("CREATED", "PAID", "SHIPPED", "DELIVERED", "CANCELLED")
_HEX_VALUE = np.full(256, 255, dtype=np.uint8)
_HEX_VALUE[_HEX] = np.arange(16, dtype=np.uint8)


class Encoder:
    """Makes the values of one seed's records of one size (in bytes, at least 24) and shape (see SHAPES)."""

    def __init__(self, seed: int, size: int, shape: str = "letters") -> None:
        """Prepare the fillers; raises ValueError for a size that cannot hold the id and the checksum."""
        if size < HEAD_BYTES:
            raise ValueError(f"A record needs at least {HEAD_BYTES} bytes, not {size}.")
        self.size = size
        self._fillers = (
            _orders(seed, size - HEAD_BYTES) if shape == "json" else _fillers(seed, size - HEAD_BYTES)
        )

    def encode(self, ids: NDArray[np.int64], keys: Sequence[bytes | None] | None) -> list[bytes]:
        """Return one value for each id; `keys` is None when no record has a key."""
        count = len(ids)
        matrix = np.empty((count, self.size), dtype=np.uint8)
        matrix[:, :ID_DIGITS] = _hex_digits(ids, ID_DIGITS)
        matrix[:, HEAD_BYTES:] = self._fillers[ids % len(self._fillers)]
        covered = np.delete(matrix, np.s_[ID_DIGITS:HEAD_BYTES], axis=1)
        parts = _rows(covered)
        if keys is None:
            sums = [crc32(part) for part in parts]
        else:
            sums = [crc32(part, crc32(key or b"")) for part, key in zip(parts, keys, strict=True)]
        matrix[:, ID_DIGITS:HEAD_BYTES] = _hex_digits(np.array(sums, dtype=np.int64), 8)
        return _rows(matrix)


def encode(record_id: int, key: bytes | None, size: int, seed: int = 0) -> bytes:
    """Return the value of one record."""
    return Encoder(seed, size).encode(np.array([record_id], dtype=np.int64), [key])[0]


def decode(value: bytes | None, key: bytes | None) -> tuple[int, bool] | None:
    """Return the record's id and whether value and key are as they were sent; None for a value that is not ours."""
    if value is None or len(value) < HEAD_BYTES:
        return None
    head = value[:HEAD_BYTES]
    if head.translate(None, _HEX_DIGITS):  # something but our digits; int() would take more
        return None
    record_id = int(head[:ID_DIGITS], 16)
    if record_id > LARGEST_ID:
        return None
    told = int(head[ID_DIGITS:], 16)
    return record_id, told == crc32(value[HEAD_BYTES:], crc32(head[:ID_DIGITS], crc32(key or b"")))


def decode_ids(values: Sequence[bytes]) -> NDArray[np.int64]:
    """Return the ids of values that are known to be ours, without checking their sums."""
    return _numbers(_nibbles(b"".join([value[:ID_DIGITS] for value in values]), ID_DIGITS))


def decode_all(
    values: Sequence[bytes | None], keys: Sequence[bytes | None]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return what `decode` returns for each of many values: ids, which are intact, and which are ours at all.

    Where a value is not ours, id and intactness mean nothing.
    """
    heads = b"".join([(value or b"")[:HEAD_BYTES].ljust(HEAD_BYTES) for value in values])
    nibbles = _nibbles(heads, HEAD_BYTES)
    ids = _numbers(nibbles[:, :ID_DIGITS])
    ours = (nibbles.max(axis=1, initial=0) < 16) & (ids >= 0)  # beyond 2^63 the sign turns
    told = _numbers(np.pad(nibbles[:, ID_DIGITS:], ((0, 0), (8, 0))))
    sums = [
        crc32(value[HEAD_BYTES:], crc32(value[:ID_DIGITS], crc32(key) if key else 0)) if value else -1
        for value, key in zip(values, keys, strict=True)
    ]
    return ids, told == np.array(sums, dtype=np.int64), ours


def _nibbles(text: bytes, width: int) -> NDArray[np.uint8]:
    """Return the values of hex digits, `width` to a row; 255 for what is no digit of ours."""
    return _HEX_VALUE[np.frombuffer(text, dtype=np.uint8)].reshape(-1, width)


def _numbers(nibbles: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the 64-bit numbers of rows of 16 hex digits."""
    octets = np.ascontiguousarray(nibbles[:, 0::2] << 4 | nibbles[:, 1::2])
    numbers: NDArray[np.int64] = octets.view(">i8").reshape(-1).astype(np.int64)
    return numbers


def _hex_digits(numbers: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """Return the numbers' lowest `width` hex digits, one row each."""
    octets = numbers.astype(">i8").view(np.uint8).reshape(-1, 8)[:, 8 - width // 2 :]
    digits_of = np.empty((len(numbers), width), dtype=np.uint8)
    digits_of[:, 0::2] = _HEX[octets >> 4]
    digits_of[:, 1::2] = _HEX[octets & 15]
    return digits_of


def _rows(matrix: NDArray[np.uint8]) -> list[bytes]:
    """Return the rows as bytes objects; safe as numpy strings because no row holds a zero byte."""
    width = matrix.shape[1]
    rows: list[bytes] = np.ascontiguousarray(matrix).view(f"S{width}").reshape(-1).tolist()
    return rows


@lru_cache(maxsize=4)
def _fillers(seed: int, length: int) -> NDArray[np.uint8]:
    """Return at most 1 MiB of different fillers, so that neighbours in a batch do not look alike to a compressor."""
    count = max(1, min(MOST_FILLERS, FILLERS_BYTES // (length + 1)))
    letters = random.Random(seed).choices(_LETTERS, k=length + STRIDE * count)
    pool = np.frombuffer(bytes(letters), dtype=np.uint8)
    return np.ascontiguousarray(pool[STRIDE * np.arange(count)[:, None] + np.arange(length)[None, :]])


@lru_cache(maxsize=4)
def _orders(seed: int, length: int) -> NDArray[np.uint8]:
    """Return different orders as JSON, each filled up or cut to the length."""
    source = random.Random(seed)
    count = max(1, min(MOST_FILLERS, FILLERS_BYTES // (length + 1)))
    texts = b"".join(_order(source, length).encode() for _ in range(count))
    return np.frombuffer(texts, dtype=np.uint8).reshape(count, length)


def _order(source: random.Random, length: int) -> str:
    """Return one order of a shop, with as many items as fit."""
    items: list[dict[str, object]] = []
    order = {
        "orderId": source.randrange(10**9),
        "userId": f"user-{source.randrange(10**6):06}",
        "status": source.choice(STATES),
        "createdAt": f"2026-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}T09:{source.randrange(60):02}:00Z",
        "address": {"city": source.choice(CITIES), "zip": f"{source.randrange(10**5):05}"},
        "items": items,
    }
    while len(text := json.dumps(order)) < length:
        price = 100 * source.randrange(10, 2000)
        items.append(
            {"productId": source.randrange(5000), "quantity": source.randrange(1, 6), "price": price}
        )
    return text[:length]
