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

    def add(self, slot: int) -> None:
        """Mark a slot. Marking it again changes nothing."""
        if slot in self:
            return
        self._count += 1
        byte = slot >> 3
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits) + len(self._bits) // 2))
        self._bits[byte] |= 1 << (slot & 7)

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
        entry = known.get(row.key)
        if row.key in fresh or (entry is not None and entry.slot in seen):
            result.collided.append(row)
            continue
        if entry is None:
            fresh.add(row.key)
        else:
            seen.add(entry.slot)
        if entry is not None and entry.fingerprint == row.fingerprint:
            result.unchanged_rows += 1
        else:
            result.changed.append(row)
    return result
