"""
Runs: rows that were delivered together, packed.

A table of millions is copied, and compared, page by page. Where the keys of a page are all of one length and ascend,
and nothing is known of its rows but their prints, a page is a few blocks of bytes: they are stored, read and compared
at once, in a small part of the time that single rows take.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from bqsync.model.rows import Delivery, RawEntry

PRINT_BYTES = 8
"""Of each print."""


@dataclass(frozen=True, slots=True)
class Run:
    """Rows in the order of their keys, none twice; whoever makes one sees to that."""

    key_bytes: int
    """Length of each key."""
    keys: bytes
    """Encoded target keys, each of which leads back to the key of its row in the source."""
    prints: bytes
    """Fingerprints of the rows, as `EncodedRow` has them: 64 bits each, little-endian."""
    source_prints: bytes | None = None
    """Prints of the source rows in the same form; None where compiled code read them, which makes none."""

    def __len__(self) -> int:
        """How many rows they are."""
        return len(self.prints) // PRINT_BYTES

    @property
    def first(self) -> bytes:
        """The least key."""
        return self.keys[: self.key_bytes]

    @property
    def last(self) -> bytes:
        """The greatest key."""
        return self.keys[-self.key_bytes :]

    def key(self, place: int) -> bytes:
        """The key at a place."""
        return self.keys[place * self.key_bytes : (place + 1) * self.key_bytes]

    def all_keys(self) -> list[bytes]:
        """The keys, one by one."""
        return list(chain.from_iterable(struct.iter_unpack(f"{self.key_bytes}s", self.keys)))

    def place(self, key: bytes) -> int:
        """The place of the first row whose key is not less."""
        return bisect_left(range(len(self)), key, key=self.key)

    def span(self, first: bytes, last: bytes) -> tuple[int, int]:
        """From where to where the rows stand whose keys lie between those two, both included."""
        begin = 0 if first <= self.first else self.place(first)
        end = len(self) if last >= self.last else bisect_right(range(len(self)), last, key=self.key)
        return begin, max(begin, end)

    def find(self, key: bytes) -> int | None:
        """The place of a key; None where it is not there."""
        place = self.place(key)
        return place if place < len(self) and self.key(place) == key else None

    def part(self, begin: int, end: int) -> Run:
        """The rows from one place to another."""
        if begin == 0 and end == len(self):
            return self
        numbers = slice(begin * PRINT_BYTES, end * PRINT_BYTES)
        return Run(self.key_bytes, self.keys[begin * self.key_bytes : end * self.key_bytes], self.prints[numbers],
                   None if self.source_prints is None else self.source_prints[numbers])

    def parts(self, rows: int) -> Iterator[Run]:
        """All of it, in parts of so many rows."""
        for begin in range(0, len(self), rows):
            yield self.part(begin, min(begin + rows, len(self)))

    def deliveries(self) -> list[Delivery]:
        """The rows, one by one."""
        nothing = [None] * len(self)
        sources = nothing if self.source_prints is None else unpack_prints(self.source_prints)
        return list(map(Delivery, self.all_keys(), unpack_prints(self.prints), nothing, sources))


class StoredRun(NamedTuple):
    """A run as it stands in the ledger."""

    run: Run
    first_slot: int
    """Of its first row; the others follow."""

    @property
    def slots(self) -> range:
        """Of its rows."""
        return range(self.first_slot, self.first_slot + len(self.run))

    def part(self, begin: int, end: int) -> StoredRun:
        """The rows from one place to another."""
        return StoredRun(self.run.part(begin, end), self.first_slot + begin)

    def entries(self) -> list[RawEntry]:
        """The rows one by one, as the ledger reads any other."""
        return [(row.key, row.fingerprint, slot, row.source_print, None)
                for row, slot in zip(self.run.deliveries(), self.slots, strict=True)]


class Stretch(NamedTuple):
    """What the ledger has between two keys."""

    runs: Sequence[StoredRun]
    """In the order of their keys. They may go beyond, and no other row stands between two keys of one of them."""
    rows: dict[bytes | None, RawEntry]
    """The others, by key and in the order of their keys."""


def pack_prints(prints: Sequence[int]) -> bytes:
    """Signed 64-bit numbers as a `Run` has them."""
    return struct.pack(f"<{len(prints)}q", *prints)


def unpack_prints(prints: bytes) -> tuple[int, ...]:
    """The numbers again."""
    return struct.unpack(f"<{len(prints) // PRINT_BYTES}q", prints)


def run_of(deliveries: Sequence[Delivery]) -> Run | None:
    """
    Rows as a run; None where there is more to be known of them, or their keys have several lengths or do not ascend.

    Args:
        deliveries: at least one row.
    """
    keys, prints, source_keys, source_prints, instants_us, partitions = zip(*deliveries, strict=True)
    if any(column.count(None) < len(keys) for column in (source_keys, instants_us, partitions)):
        return None
    length = len(keys[0])
    if set(map(len, keys)) != {length} or not all(map(bytes.__lt__, keys, keys[1:])):
        return None
    unknown = source_prints.count(None)
    if unknown not in {0, len(keys)}:
        return None
    return Run(length, b"".join(keys), pack_prints(prints), None if unknown else pack_prints(source_prints))
