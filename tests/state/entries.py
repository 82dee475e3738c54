"""What the ledger is given, in the few words that most tests need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bqsync.model import Delivery, LedgerEntry, Reason, RejectedRow, TargetKey
from bqsync.state.chunk_commit import ChunkCommit
from bqsync.state.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

EVERY_SLOT = 1 << 60
"""Above the slot of any row of a test."""


def delivery(key: bytes, fingerprint: int = 1, *, source_key: bytes | None = None, source_print: int = 0,
             instant_us: int | None = None) -> Delivery:
    return Delivery(key, fingerprint, source_key, source_print, instant_us)


def delivering(deliveries: Iterable[Delivery]) -> ChunkCommit:
    return ChunkCommit(delivered={one.key: one for one in deliveries})


def rejecting(*rows: RejectedRow) -> ChunkCommit:
    return ChunkCommit(rejected={row.source_key: row for row in rows})


def put(ledger: Ledger, *rows: tuple[bytes, int], version: str = "v1") -> list[int]:
    return given_slots(ledger.commit(delivering(delivery(key, fingerprint) for key, fingerprint in rows), version))


def given_slots(slots: Iterable[Iterable[int]]) -> list[int]:
    """The slots that a commit gave, one by one."""
    return [slot for group in slots for slot in group]


def rejected(source_key: bytes, key: bytes | None = None, reason: Reason = Reason.WRONG_TYPE,
             fingerprint: int = 1) -> RejectedRow:
    return RejectedRow(source_key, key, "x", reason, fingerprint)


def known(ledger: Ledger, keys: Iterable[bytes | None]) -> dict[bytes, LedgerEntry]:
    """The entries of those keys and no others."""
    wanted = list(keys)
    return {key: LedgerEntry._make(raw) for key, raw in ledger.lookup(wanted).items()
            if key is not None and key in wanted}


def seen(*keys: bytes) -> list[TargetKey]:
    """A portion of the keys of a target."""
    return [TargetKey(key) for key in keys]


def keys(ledger: Ledger) -> list[bytes]:
    return [row.key for portion in ledger.scan(EVERY_SLOT) for row in portion]
