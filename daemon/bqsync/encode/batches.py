"""Rows become requests: groups bounded by count and by size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

_MOST_FRAME_BYTES = 1 + 5


def split(rows: Iterable[bytes], max_rows: int, max_bytes: int) -> Iterator[list[bytes]]:
    """
    Cut a sequence of serialized rows into the groups of one append request each, in order, none of them empty.

    Args:
        rows: read one at a time, so that memory holds one group and not the table.
        max_rows: the most rows in a group.
        max_bytes: the most bytes in a group, each row counted as it stands in the request: with its tag and length.
            A single larger row is a group of its own.

    Raises:
        ValueError: a bound is not positive.
    """
    if max_rows < 1 or max_bytes < 1:
        raise ValueError(f"the bounds of a batch must be positive: {max_rows} rows, {max_bytes} bytes")
    if isinstance(rows, Sequence) and len(rows) <= max_rows and _surely_fit(rows, max_bytes):
        if rows:
            yield list(rows)
        return
    group: list[bytes] = []
    used = 0
    for row in rows:
        size = framed_size(row)
        if group and (len(group) == max_rows or used + size > max_bytes):
            yield group
            group, used = [], 0
        group.append(row)
        used += size
    if group:
        yield group


def _surely_fit(rows: Sequence[bytes], max_bytes: int) -> bool:
    """Without a look at each: a length takes five bytes at most, since no message is larger than 2 GiB."""
    return sum(map(len, rows)) + len(rows) * _MOST_FRAME_BYTES <= max_bytes


def framed_size(row: bytes) -> int:
    """
    The bytes that a row takes up in a request: itself, one byte of tag, and its length as a varint.

    Source: https://protobuf.dev/programming-guides/encoding/#length-types
    """
    length = len(row)
    return length + 1 + max(1, -(-length.bit_length() // 7))
