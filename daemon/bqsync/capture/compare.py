"""Which rows of a page have to be looked at: those that the ledger does not have as they are. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bqsync.model import RawEntry


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
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits) + len(self._bits) // 2))
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        self._count += slot < self.first_new_slot
        return True

    def update(self, slots: Iterable[int]) -> None:
        """Mark some slots."""
        for slot in slots:
            self.add(slot)

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
    places = []
    for place, (key, source_print) in enumerate(zip(keys, prints, strict=True)):
        entry = known.get(key)
        if entry is None or entry[3] != source_print ^ salt or (seen is not None and not seen.add(entry[2])):
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
    places = []
    for place, (key, fingerprint) in enumerate(zip(keys, fingerprints, strict=True)):
        entry = known.get(key)
        if entry is None or entry[1] != fingerprint or entry[4] is not None or (
            seen is not None and not seen.add(entry[2])
        ):
            places.append(place)
    return places
