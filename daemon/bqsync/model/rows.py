"""Rows on their way, and what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bqsync.model.values import SqlValue


class Reason(StrEnum):
    """Why a row is in quarantine. Stable: `bqsync quarantine --json` prints them."""

    NULL_KEY = "null_key"
    KEY_COLLISION = "key_collision"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    WOULD_CHANGE = "would_change"
    INVALID_TEXT = "invalid_text"
    NOT_FINITE = "not_finite"
    NULL_REQUIRED = "null_required"
    ROW_TOO_LARGE = "row_too_large"
    REFUSED_BY_BIGQUERY = "refused_by_bigquery"


class EncodedRow(NamedTuple):
    """A row that can be delivered. A tuple, because millions of them are made."""

    key: bytes
    """Encoded target key, equal exactly when BigQuery compares the keys as equal."""
    row: bytes
    """Serialized data fields: the bytes that the fingerprint covers."""
    fingerprint: int
    """Signed 64-bit xxh3 of `row`, so that SQLite stores it as an INTEGER."""
    source_key: bytes | None = None
    """Encoded source key, only where `key` does not lead back to it."""
    partition: int | None = None
    """Of the target, into which it goes; None where it has none, or the row does not tell."""

    @property
    def owner(self) -> bytes:
        """The encoded source key, wherever it stands."""
        return self.key if self.source_key is None else self.source_key


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that goes to quarantine instead of BigQuery."""

    source_key: bytes
    """Encoded source key: the identity of the row in the source, NULLs included."""
    key: bytes | None
    """Encoded target key where it could be made."""
    column: str
    reason: Reason
    fingerprint: int
    """Signed 64-bit xxh3 over the source row: while it stays the same, nothing is tried again."""


class LedgerEntry(NamedTuple):
    """What is known of a delivered row. A tuple in the order of the ledger's columns, because millions are read."""

    key: bytes
    fingerprint: int | None
    """None: the row is in the target, what it holds there is not known (after reconciliation)."""
    slot: int
    """Small number of the row, for marks of one bit."""
    source_print: int | None
    """Of the source row that was encoded into these bytes, under this mapping: the same print needs no encoding."""
    source_key: bytes | None
    """As in `EncodedRow`."""

    @property
    def owner(self) -> bytes:
        """The encoded source key of the row that the target holds under this key."""
        return self.key if self.source_key is None else self.source_key


RawEntry = tuple[bytes, int | None, int, int | None, bytes | None]
"""A `LedgerEntry` as the ledger reads it: in the hot path nothing is made of it."""


class Delivery(NamedTuple):
    """What the ledger keeps of a delivered row."""

    key: bytes
    fingerprint: int
    source_key: bytes | None
    source_print: int | None
    """None: compiled code has read the row, and makes none."""
    instant_us: int | None = None
    """Unix microseconds of its watermark, where the ledger keeps only rows of the overlap."""
    partition: int | None = None
    """As in `EncodedRow`."""

    @property
    def owner(self) -> bytes:
        """The encoded source key of the row."""
        return self.key if self.source_key is None else self.source_key


class TargetKey(NamedTuple):
    """A key that a target holds."""

    key: bytes
    partition: int | None = None
    """As in `EncodedRow`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Up to where a column has been dealt with."""

    column: str
    source_value: SqlValue
    """The source's own value, exact."""
    instant_us: int
    """The same in Unix microseconds; of numbers that SQLite gives in the order of the commits, the number itself."""
