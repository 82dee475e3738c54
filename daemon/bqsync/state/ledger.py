"""
The ledger and the quarantine: what was delivered, what could not be.

The hot path of the state. It speaks to the driver directly, a page or a chunk at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bqsync.model import EncodedRow, LedgerEntry, Reason, RejectedRow
from bqsync.state.store import Store
from bqsync.state.tables import TrustedTarget, now_us

_LOOKUP_KEYS = 500
_SCAN_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A delivered row as the search for deletes meets it."""

    key: bytes
    slot: int
    source_key: bytes | None


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


@dataclass(slots=True)
class ChunkCommit:
    """What one delivered chunk changes in the state, all in one transaction."""

    delivered: list[tuple[bytes, int, bytes | None]] = field(default_factory=list)
    """Target key, fingerprint, source key."""
    deleted: list[bytes] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    recovered: list[bytes] = field(default_factory=list)
    """Source keys that leave the quarantine."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to note."""
        return not (self.delivered or self.deleted or self.rejected or self.recovered)


class Ledger:
    """The delivered rows of one table."""

    def __init__(self, store: Store, table_id: int) -> None:
        self._store = store
        self._table_id = table_id

    def lookup(self, keys: Sequence[bytes]) -> dict[bytes, LedgerEntry]:
        """The entries of those keys that were delivered."""
        found: dict[bytes, LedgerEntry] = {}
        with self._store.transaction() as connection:
            cursor = _cursor(connection)
            for start in range(0, len(keys), _LOOKUP_KEYS):
                portion = keys[start : start + _LOOKUP_KEYS]
                places = ",".join("?" * len(portion))
                rows = cursor.execute(
                    f"SELECT key, fingerprint, slot FROM ledger WHERE table_id = ? AND key IN ({places})",
                    (self._table_id, *portion),
                )
                for key, fingerprint, slot in rows:
                    found[key] = LedgerEntry(fingerprint, slot)
        return found

    def count(self) -> int:
        """How many rows were delivered and not deleted."""
        with self._store.transaction() as connection:
            statement = "SELECT count(*) FROM ledger WHERE table_id = ?"
            return int(connection.exec_driver_sql(statement, (self._table_id,)).scalar_one())

    def scan(self) -> Iterator[list[LedgerRow]]:
        """All entries in key order, page by page; what is committed between two pages is seen by the later one."""
        after = b""
        while True:
            with self._store.transaction() as connection:
                rows = _cursor(connection).execute(
                    "SELECT key, slot, source_key FROM ledger WHERE table_id = ? AND key > ? ORDER BY key LIMIT ?",
                    (self._table_id, after, _SCAN_ROWS),
                ).fetchall()
            if not rows:
                return
            yield [LedgerRow(*row) for row in rows]
            after = rows[-1][0]

    def commit(self, chunk: ChunkCommit, mapping_version: str) -> list[int]:
        """
        Note a delivered chunk and forget its intent, in one transaction.

        Returns:
            The slots of `chunk.delivered`, in its order.
        """
        with self._store.transaction() as connection:
            cursor = _cursor(connection)
            slots = self._upsert(cursor, chunk.delivered)
            cursor.executemany("DELETE FROM ledger WHERE table_id = ? AND key = ?",
                               [(self._table_id, key) for key in chunk.deleted])
            cursor.executemany("DELETE FROM quarantine WHERE table_id = ? AND source_key = ?",
                               [(self._table_id, key) for key in chunk.recovered])
            cursor.executemany(
                'INSERT INTO quarantine (table_id, source_key, key, "column", reason, fingerprint, mapping_version,'
                " since_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET key = excluded.key,"
                ' "column" = excluded."column", reason = excluded.reason, fingerprint = excluded.fingerprint,'
                " mapping_version = excluded.mapping_version",
                [(self._table_id, row.source_key, row.key, row.column, row.reason.value, row.fingerprint,
                  mapping_version, now_us()) for row in chunk.rejected],
            )
            cursor.execute("DELETE FROM intents WHERE table_id = ?", (self._table_id,))
        return slots

    def _upsert(self, cursor: sqlite3.Cursor, delivered: Sequence[tuple[bytes, int, bytes | None]]) -> list[int]:
        known = _slots(cursor, self._table_id, [key for key, _, _ in delivered])
        (next_slot,) = cursor.execute("SELECT next_slot FROM tables WHERE id = ?", (self._table_id,)).fetchone()
        slots: list[int] = []
        for key, _, _ in delivered:
            slot = known.get(key)
            if slot is None:
                slot = known[key] = next_slot
                next_slot += 1
            slots.append(slot)
        cursor.execute("UPDATE tables SET next_slot = ? WHERE id = ?", (next_slot, self._table_id))
        cursor.executemany(
            "INSERT INTO ledger (table_id, key, fingerprint, slot, source_key) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint, source_key = excluded.source_key",
            [(self._table_id, key, fingerprint, slot, source_key)
             for (key, fingerprint, source_key), slot in zip(delivered, slots, strict=True)],
        )
        return slots

    def reconcile(self, target: TrustedTarget, keys: Iterable[Sequence[bytes]]) -> int:
        """
        Replace the ledger by the keys that the target really holds, with nothing known of their rows.

        Portions are committed as they arrive; the ledger is trusted again with the last commit only, so that a crash
        in between has it reconciled once more.

        Args:
            target: what the ledger speaks of from then on.
            keys: encoded keys, in portions.

        Returns:
            How many keys the target holds.
        """
        with self._store.transaction() as connection:
            connection.exec_driver_sql("UPDATE tables SET reconcile_pending = 1 WHERE id = ?", (self._table_id,))
            connection.exec_driver_sql("DELETE FROM ledger WHERE table_id = ?", (self._table_id,))
        slot = 0
        for portion in keys:
            with self._store.transaction() as connection:
                _cursor(connection).executemany(
                    "INSERT OR IGNORE INTO ledger (table_id, key, fingerprint, slot) VALUES (?, ?, NULL, ?)",
                    [(self._table_id, key, slot + index) for index, key in enumerate(portion)],
                )
            slot += len(portion)
        with self._store.transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE tables SET target = ?, target_created_us = ?, key_columns = ?, reconcile_pending = 0,"
                " next_slot = ? WHERE id = ?",
                (target.name, target.created_us, target.key_columns, slot, self._table_id),
            )
        return slot

    def forget_quarantine(self) -> int:
        """Drop every verdict, so that the rows are tried again; returns how many there were."""
        with self._store.transaction() as connection:
            return connection.exec_driver_sql("DELETE FROM quarantine WHERE table_id = ?", (self._table_id,)).rowcount

    def quarantined(self) -> dict[bytes, QuarantineEntry]:
        """The rows in quarantine by source key. Bounded: a table with too many of them is stopped."""
        with self._store.transaction() as connection:
            rows = connection.exec_driver_sql(
                "SELECT q.*, l.key IS NOT NULL AS delivered FROM quarantine q"
                " LEFT JOIN ledger l ON l.table_id = q.table_id AND l.key = q.key WHERE q.table_id = ?",
                (self._table_id,),
            ).all()
        return {
            row.source_key: QuarantineEntry(
                source_key=row.source_key, column=row.column, reason=Reason(row.reason), fingerprint=row.fingerprint,
                mapping_version=row.mapping_version, since_us=row.since_us, delivered=bool(row.delivered),
            )
            for row in rows
        }


def delivered_entry(row: EncodedRow) -> tuple[bytes, int, bytes | None]:
    """What the ledger keeps of a delivered row."""
    return row.key, row.fingerprint, row.source_key


def _slots(cursor: sqlite3.Cursor, table_id: int, keys: Sequence[bytes]) -> dict[bytes, int]:
    slots: dict[bytes, int] = {}
    for start in range(0, len(keys), _LOOKUP_KEYS):
        portion = keys[start : start + _LOOKUP_KEYS]
        places = ",".join("?" * len(portion))
        slots.update(cursor.execute(
            f"SELECT key, slot FROM ledger WHERE table_id = ? AND key IN ({places})", (table_id, *portion)
        ).fetchall())
    return slots


def _cursor(connection: Connection) -> sqlite3.Cursor:
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(type(raw))
    return raw.cursor()
