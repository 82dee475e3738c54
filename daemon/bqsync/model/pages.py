"""Pages of encoded rows, as columns of keys, fingerprints and bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bqsync.model.rows import EncodedRow


@dataclass(frozen=True, slots=True)
class FramedRows:
    """Serialized rows of one request, one after the other, each with the tag and the length of a repeated field 1."""

    body: bytes
    count: int

    def __len__(self) -> int:
        """How many rows they are."""
        return self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPage:
    """
    Rows that were read together and can all be delivered: what `EncodedRow` is for one of them.

    Their keys are plain: each leads back to the key of its row in the source. Their partitions are not known.
    """

    keys: Sequence[bytes]
    """Encoded target keys."""
    fingerprints: Sequence[int]
    """Signed 64-bit xxh3 of the serialized data fields of each row."""
    body: bytes
    """The staged rows, framed as in `FramedRows`."""
    ends: Sequence[int]
    """Where the frame of each row ends in `body`."""
    data: Sequence[tuple[int, int]]
    """From where to where the serialized data fields of each row stand in `body`."""
    first_sequence: int
    """Sequence number of the first staged row; the others follow."""
    key_bytes: int
    """The length of every key; 0 where they are of several."""
    took_s: float
    """Processor time that was spent on it."""

    def __len__(self) -> int:
        """How many rows they are."""
        return len(self.keys)

    def row(self, at: int) -> EncodedRow:
        """One of the rows."""
        begin, end = self.data[at]
        return EncodedRow(self.keys[at], self.body[begin:end], self.fingerprints[at])

    def requests(self, max_rows: int, max_bytes: int) -> Iterator[FramedRows]:
        """
        All rows, in their order, in portions of one append request each.

        Args:
            max_rows: the most rows of a portion.
            max_bytes: the most bytes; a single larger row travels alone.
        """
        if len(self) <= max_rows and len(self.body) <= max_bytes:
            yield FramedRows(self.body, len(self))
            return
        first = begin = 0
        for at, end in enumerate(self.ends):
            if at > first and (end - begin > max_bytes or at - first == max_rows):
                yield FramedRows(self.body[begin:self.ends[at - 1]], at - first)
                first, begin = at, self.ends[at - 1]
        yield FramedRows(self.body[begin:], len(self) - first)
