"""
What the rows of a table without a key are known by: their contents, and a number among those that are alike. Pure.

The id of a row stands in the target, so it may never come out otherwise: it depends on SQLite's own values alone, not
on the mapping, and on the columns that the table had when its target was made. A column that comes later changes no id,
and so the rows that are there can be given its values.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from bqsync.encode.keys import encode_key
from bqsync.model import SourceColumn, SqlValue, folded

_DIGEST_BYTES = 16
_SIGNATURE_BYTES = 8


def contents_of(columns: Sequence[SourceColumn]) -> tuple[str, ...]:
    """What each column is, as far as the ids of rows depend on it: its name, and what SQLite makes of its values."""
    return tuple(f"{folded(column.name)} {column.affinity.value}" for column in columns)


def signature(contents: Sequence[str]) -> str:
    """A short text for the columns by which rows are known; made of what a label of BigQuery takes."""
    digest = hashlib.blake2b("\0".join(contents).encode("utf-8", "surrogateescape"), digest_size=_SIGNATURE_BYTES)
    return f"{len(contents)}-{digest.hexdigest()}"


def columns_of(signed: str, contents: Sequence[str]) -> int | None:
    """How many of the columns a signature speaks of; None where they are others by now."""
    number = signed.partition("-")[0]
    if not number.isdecimal():
        return None
    count = int(number)
    return count if count <= len(contents) and signature(contents[:count]) == signed else None


def digests(rows: Sequence[Sequence[SqlValue]], columns: int) -> list[bytes]:
    """A digest of the first columns of each row: equal where their values are, cell by cell and type by type."""
    return [hashlib.blake2b(encode_key(row[:columns]), digest_size=_DIGEST_BYTES).digest() for row in rows]


def row_ids(found: Sequence[bytes], met: Callable[[Mapping[bytes, int]], Mapping[bytes, int]]) -> list[bytes]:
    """
    The ids of the rows of a page.

    Args:
        found: their digests.
        met: told how often each digest stands in the page; tells how often it was met before, if ever.
    """
    counts = Counter(found)
    before = met(counts)
    if not before and len(counts) == len(found):
        return list(found)
    numbers = dict(before)
    ids = []
    for digest in found:
        number = numbers[digest] = numbers.get(digest, 0) + 1
        ids.append(digest if number == 1 else digest + _digits(number))
    return ids


def _digits(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
