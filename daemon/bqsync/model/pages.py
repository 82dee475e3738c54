"""Pages of encoded rows, as columns of keys, fingerprints and bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bqsync.model.rows import EncodedRow
from bqsync.model.runs import PRINT_BYTES, Run, unpack_prints


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

    Their keys are plain: each leads back to the key of its row in the source. Their partitions are not known. What
    there is for each row is packed: compiled code makes it so, and nothing is made of it that nobody asks for.
    """

    key_bytes: int
    """Length of each key, where all have the same and they ascend; else 0."""
    packed_keys: bytes
    """Encoded target keys, where they have one length and ascend."""
    loose_keys: Sequence[bytes]
    """Encoded target keys, where they do not."""
    prints: bytes
    """Fingerprints of the rows, as `Run` has them."""
    body: bytes
    """Serialized rows, one after the other: as they are staged, framed as in `FramedRows`; or their data alone."""
    bounds: bytes
    """From where to where the data fields of each row stand in `body`: pairs of 32-bit numbers."""
    ends: bytes
    """Where the frame of each row ends in `body`, as 32-bit numbers; nothing where the rows are not framed."""
    first_sequence: int
    """Sequence number of the first staged row; the others follow."""
    took_s: float
    """Processor time that was spent on it."""

    def __len__(self) -> int:
        """How many rows they are."""
        return len(self.prints) // PRINT_BYTES

    @property
    def run(self) -> Run | None:
        """Its keys and fingerprints; None where the keys have several lengths, or do not ascend."""
        return Run(self.key_bytes, self.packed_keys, self.prints) if self.key_bytes else None

    @property
    def keys(self) -> Sequence[bytes]:
        """Encoded target keys, one by one."""
        run = self.run
        return self.loose_keys if run is None else run.all_keys()

    @property
    def fingerprints(self) -> Sequence[int]:
        """Of each row, as `EncodedRow` has it."""
        return unpack_prints(self.prints)

    def rows(self, places: Sequence[int]) -> list[EncodedRow]:
        """Some of the rows."""
        bounds, prints, run = memoryview(self.bounds).cast("i"), self.fingerprints, self.run
        key = self.loose_keys.__getitem__ if run is None else run.key
        return [EncodedRow(key(at), self.body[bounds[2 * at] : bounds[2 * at + 1]], prints[at]) for at in places]

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
        ends = memoryview(self.ends).cast("i")
        first = begin = 0
        for at, end in enumerate(ends):
            if at > first and (end - begin > max_bytes or at - first == max_rows):
                yield FramedRows(self.body[begin : ends[at - 1]], at - first)
                first, begin = at, ends[at - 1]
        yield FramedRows(self.body[begin:], len(self) - first)
