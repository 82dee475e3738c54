"""Which rows of a page have to be looked at: those that the ledger does not have as they are. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final

from bqsync.model import RawEntry

_FINGERPRINT_AT: Final = 1
_SLOT_AT: Final = 2
_PRINT_AT: Final = 3
_OWNER_AT: Final = 4
"""The places of a `LedgerEntry`."""
_owner = itemgetter(_OWNER_AT)


class Marks:
    """
    One bit for each row of the ledger, by its slot: was it seen in this sweep?

    Args:
        first_new_slot: slots from here on were given after the sweep began: rows that nobody can miss yet.
    """

    def __init__(self, first_new_slot: int) -> None:
        self.first_new_slot = first_new_slot
        self._bits = bytearray()
        self._count = 0

    def __len__(self) -> int:
        """How many of the old slots are marked."""
        return self._count

    def add(self, slot: int) -> bool:
        """Mark a slot; False if it was marked already."""
        byte, bit = slot >> 3, 1 << (slot & 7)
        if byte < 0:
            raise IndexError(slot)
        self._grow(byte + 1)
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        self._count += slot < self.first_new_slot
        return True

    def mark(self, slots: Sequence[int]) -> list[int]:
        """Mark some slots; the places among them of those that were marked already, or twice."""
        first, count = (slots[0], len(slots)) if slots else (0, 0)
        # Rows that came together stand together: nearly all pages are a range of slots that nobody has met.
        if slots and slots[-1] - first == count - 1 and (
            isinstance(slots, range) or list(slots) == list(range(first, first + count))
        ):
            return self._mark_range(first, count)
        return [place for place, slot in enumerate(slots) if not self.add(slot)]

    def _mark_range(self, first: int, count: int) -> list[int]:
        begin, end = -(-first // 8), (first + count) // 8
        if end - begin < 1 or self._bits.count(0, begin, end) < min(end, len(self._bits)) - begin:
            return [place for place in range(count) if not self.add(first + place)]
        places = [place for place in (*range(8 * begin - first), *range(8 * end - first, count))
                  if not self.add(first + place)]
        self._grow(end)
        self._bits[begin:end] = b"\xff" * (end - begin)
        self._count += max(0, min(8 * end, self.first_new_slot) - 8 * begin)
        return places

    def _grow(self, size_bytes: int) -> None:
        if size_bytes > len(self._bits):
            self._bits.extend(bytes(size_bytes - len(self._bits) + len(self._bits) // 2))

    def __contains__(self, slot: int) -> bool:
        """Whether a slot is marked."""
        byte = slot >> 3
        return 0 <= byte < len(self._bits) and bool(self._bits[byte] >> (slot & 7) & 1)


def unknown_rows(
    keys: Sequence[bytes | None], prints: Sequence[int], salt: int, known: Mapping[bytes | None, RawEntry],
    seen: Marks | None,
) -> list[int]:
    """
    The places of the rows that the ledger does not have, or not as they are. The others need no encoding.

    Args:
        keys: the target keys of the page; None where there is none.
        prints: of the source rows.
        salt: of the mapping: under another one, no print is known.
        known: the ledger's entries for those keys.
        seen: where the rows that are known as they are get their mark; one that has it already is looked at.
    """
    salted = [source_print ^ salt for source_print in prints]
    if _are_known(keys, salted, known, _PRINT_AT):
        return [] if seen is None else seen.mark([entry[_SLOT_AT] for entry in known.values()])
    places = []
    for place, (key, source_print) in enumerate(zip(keys, salted, strict=True)):
        entry = known.get(key)
        if entry is None or entry[_PRINT_AT] != source_print or (seen is not None and not seen.add(entry[_SLOT_AT])):
            places.append(place)
    return places


def changed_rows(
    keys: Sequence[bytes], fingerprints: Sequence[int], known: Mapping[bytes | None, RawEntry], seen: Marks | None
) -> list[int]:
    """
    The places of the encoded rows that the ledger does not have, or not as they are.

    Args:
        keys: the target keys of the page, each of which leads back to its source row.
        fingerprints: of the encoded rows.
        known: the ledger's entries for those keys.
        seen: as for `unknown_rows`.
    """
    if not known:
        return list(range(len(keys)))
    if _are_known(keys, fingerprints, known, _FINGERPRINT_AT) and not any(map(_owner, known.values())):
        return [] if seen is None else seen.mark([entry[_SLOT_AT] for entry in known.values()])
    places = []
    for place, (key, fingerprint) in enumerate(zip(keys, fingerprints, strict=True)):
        entry = known.get(key)
        if entry is None or entry[_FINGERPRINT_AT] != fingerprint or _owner(entry) is not None or (
            seen is not None and not seen.add(entry[_SLOT_AT])
        ):
            places.append(place)
    return places


def _are_known(
    keys: Sequence[bytes | None], numbers: Sequence[int], known: Mapping[bytes | None, RawEntry], at: int
) -> bool:
    """Whether page and ledger are alike, row for row: what a page is that nobody has changed, read in key order."""
    return len(known) == len(keys) and list(known) == list(keys) and list(
        map(itemgetter(at), known.values())) == list(numbers)
