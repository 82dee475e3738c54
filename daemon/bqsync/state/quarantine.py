"""The quarantine of a table: rows that could not be delivered, each with its reason."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bqsync.model import Reason, RejectedRow
from bqsync.state.clock import now_us
from bqsync.state.store import Store

_LOOKUP_KEYS = 500
_RETRIED = ""
"""The version of no mapping."""
_SELECT = (
    "SELECT q.*, l.key IS NOT NULL AS delivered FROM quarantine q"
    " LEFT JOIN ledger l ON l.table_id = q.table_id AND l.key = q.key WHERE q.table_id = ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """A row in quarantine as it is listed."""

    source_key: bytes
    column: str
    reason: Reason
    fingerprint: int
    mapping_version: str
    since_us: int
    delivered: bool
    """An earlier version of the row stands in the target."""

    @property
    def awaits_retry(self) -> bool:
        """An operator wants it to be tried again, though nothing has changed."""
        return self.mapping_version == _RETRIED


class Quarantine:
    """The rows of one table that wait."""

    def __init__(self, store: Store, table_id: int) -> None:
        self._store = store
        self._table_id = table_id

    def count(self) -> int:
        """How many rows wait."""
        with self._store.transaction() as connection:
            statement = "SELECT count(*) FROM quarantine WHERE table_id = ?"
            return int(connection.exec_driver_sql(statement, (self._table_id,)).scalar_one())

    def source_keys(self) -> set[bytes]:
        """Of all rows that wait. Bounded: a table with too many of them is stopped."""
        with self._store.transaction() as connection:
            rows = connection.exec_driver_sql("SELECT source_key FROM quarantine WHERE table_id = ?", (self._table_id,))
            return {row.source_key for row in rows}

    def entries(self) -> dict[bytes, QuarantineEntry]:
        """All rows that wait, by source key."""
        return self._read(_SELECT, (self._table_id,))

    def lookup(self, source_keys: Sequence[bytes]) -> dict[bytes, QuarantineEntry]:
        """Those of some rows that wait, by source key."""
        found: dict[bytes, QuarantineEntry] = {}
        for start in range(0, len(source_keys), _LOOKUP_KEYS):
            portion = source_keys[start : start + _LOOKUP_KEYS]
            places = ",".join("?" * len(portion))
            found |= self._read(f"{_SELECT} AND q.source_key IN ({places})", (self._table_id, *portion))
        return found

    def retry(self, reason: Reason | None = None) -> int:
        """
        Take every verdict, or those of one reason, for one of an older mapping: the rows are tried when they are read.

        They stay listed until then. Returns how many there are.
        """
        statement = "UPDATE quarantine SET mapping_version = ? WHERE table_id = ? AND (reason = ? OR ? IS NULL)"
        name = None if reason is None else reason.value
        with self._store.transaction() as connection:
            return connection.exec_driver_sql(statement, (_RETRIED, self._table_id, name, name)).rowcount

    def _read(self, statement: str, parameters: tuple[object, ...]) -> dict[bytes, QuarantineEntry]:
        with self._store.transaction() as connection:
            rows = connection.exec_driver_sql(statement, parameters).all()
        return {
            row.source_key: QuarantineEntry(
                source_key=row.source_key, column=row.column, reason=Reason(row.reason), fingerprint=row.fingerprint,
                mapping_version=row.mapping_version, since_us=row.since_us, delivered=bool(row.delivered),
            )
            for row in rows
        }


def note(
    cursor: sqlite3.Cursor, table_id: int, rejected: Iterable[RejectedRow], recovered: Collection[bytes],
    mapping_version: str,
) -> None:
    """Within a transaction: rows that left the quarantine go, those that can't be delivered come."""
    cursor.executemany("DELETE FROM quarantine WHERE table_id = ? AND source_key = ?",
                       [(table_id, key) for key in recovered])
    since_us = now_us()
    cursor.executemany(
        'INSERT INTO quarantine (table_id, source_key, key, "column", reason, fingerprint, mapping_version, since_us)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET key = excluded.key,"
        ' "column" = excluded."column", reason = excluded.reason, fingerprint = excluded.fingerprint,'
        " mapping_version = excluded.mapping_version",
        [(table_id, row.source_key, row.key, row.column, row.reason.value, row.fingerprint, mapping_version, since_us)
         for row in rejected],
    )
