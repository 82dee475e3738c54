"""Which rows of a page have to be sent: those whose bytes the ledger does not have. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bqsync.model import EncodedRow, LedgerEntry


class Marks:
    """One bit for each row of the ledger, by its slot: was it seen in this sweep?"""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._count = 0

    def __len__(self) -> int:
        """How many slots are marked."""
        return self._count

    def add(self, slot: int) -> bool:
        """Mark a slot; False if it was marked already."""
        byte, bit = slot >> 3, 1 << (slot & 7)
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits) + len(self._bits) // 2))
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        self._count += 1
        return True

    def __contains__(self, slot: int) -> bool:
        """Whether a slot is marked."""
        byte = slot >> 3
        return byte < len(self._bits) and bool(self._bits[byte] >> (slot & 7) & 1)


@dataclass(slots=True)
class Comparison:
    """A page, sorted by what has to be done with its rows."""

    changed: list[EncodedRow] = field(default_factory=list)
    collided: list[EncodedRow] = field(default_factory=list)
    """Rows whose key another row of the source already has in BigQuery's eyes."""
    unchanged_rows: int = 0


def compare(
    rows: Iterable[EncodedRow], known: Mapping[bytes, LedgerEntry], seen: Marks, fresh: set[bytes]
) -> Comparison:
    """
    Compare a page with the ledger.

    Args:
        rows: the page.
        known: the ledger's entries for its keys.
        seen: the ledger's rows met in this sweep; the page's are marked.
        fresh: keys met in this sweep that the ledger does not have yet; the page's are added.
    """
    result = Comparison()
    for row in rows:
        key = row.key
        entry = known.get(key)
        if key in fresh or (entry is not None and not seen.add(entry.slot)):
            result.collided.append(row)
        elif entry is None:
            fresh.add(key)
            result.changed.append(row)
        elif entry.fingerprint == row.fingerprint:
            result.unchanged_rows += 1
        else:
            result.changed.append(row)
    return result
