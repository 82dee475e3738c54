"""
The ledger: what was delivered, row by row.

The hot path of the state. It speaks to the driver directly, a page or a chunk at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bqsync.failpoints import reached
from bqsync.model import Delivery, RawEntry, RejectedRow, TargetKey, Watermark
from bqsync.state import ledger_rows, quarantine, slots, watermarks
from bqsync.state.billing import Bill, note_bill
from bqsync.state.job_history import note_job
from bqsync.state.store import Store, driver_cursor
from bqsync.state.tables import TrustedTarget

_LOOKUP_KEYS = 500
_SCAN_ROWS = 5_000
_ENTRY = "key, fingerprint, slot, source_print, source_key"
_RANGE_PAUSE = 16
"""After a range that held too much beside the wanted keys, so many lookups go by single keys at once."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A delivered row as the search for deletes meets it."""

    key: bytes
    slot: int
    source_key: bytes | None
    is_known: bool
    """It was delivered from here; else it was only seen in the target."""


@dataclass(slots=True)
class ChunkCommit:
    """What one delivered chunk changes in the state, all in one transaction."""

    delivered: dict[bytes, Delivery] = field(default_factory=dict)
    """By target key."""
    plain: dict[bytes, int] = field(default_factory=dict)
    """Fingerprints by target key: rows of which nothing else is known, none of them in `delivered`."""
    deleted: list[bytes] = field(default_factory=list)
    refreshed: list[tuple[bytes, int]] = field(default_factory=list)
    """Target key and source print of rows whose bytes the ledger has, from a source row that it has not seen."""
    rejected: dict[bytes, RejectedRow] = field(default_factory=dict)
    """By source key."""
    recovered: set[bytes] = field(default_factory=set)
    """Source keys that leave the quarantine."""
    watermarks: dict[str, Watermark] = field(default_factory=dict)
    """By column."""
    job_created_us: int | None = None
    """When BigQuery took the MERGE of this chunk."""
    bill: Bill | None = None
    """What that has cost."""
    forget_before_us: int | None = None
    """Where only the overlap is kept: rows of earlier instants leave the ledger."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to note."""
        return not (self.delivered or self.plain or self.deleted or self.refreshed or self.rejected or self.recovered
                    or self.watermarks)


class Ledger:
    """The delivered rows of one table."""

    def __init__(self, store: Store, table_id: int) -> None:
        self._store = store
        self._table_id = table_id
        self._range_pause = 0

    def lookup(self, keys: Iterable[bytes | None]) -> dict[bytes | None, RawEntry]:
        """
        The entries of those keys that were delivered, and perhaps some of other keys. None is no key.

        A page that was read in the order of its keys is one range of the ledger, which is read ten times as fast as
        single keys are found. Whether it is one shows when the range holds too much.
        """
        wanted = [key for key in keys if key is not None]
        if not wanted:
            return {}
        with self._store.transaction() as connection:
            cursor = driver_cursor(connection)
            rows = self._read_range(cursor, wanted)
            if rows is None:
                rows = self._read_keys(cursor, wanted)
        return {row[0]: row for row in rows}

    def _read_range(self, cursor: sqlite3.Cursor, keys: Sequence[bytes]) -> list[RawEntry] | None:
        if self._range_pause:
            self._range_pause -= 1
            return None
        limit = 2 * len(keys) + 16
        rows: list[RawEntry] = cursor.execute(
            f"SELECT {_ENTRY} FROM ledger WHERE table_id = ? AND key BETWEEN ? AND ? LIMIT ?",
            (self._table_id, min(keys), max(keys), limit),
        ).fetchall()
        if len(rows) < limit:
            return rows
        self._range_pause = _RANGE_PAUSE
        return None

    def _read_keys(self, cursor: sqlite3.Cursor, keys: Sequence[bytes]) -> list[RawEntry]:
        return self._select(cursor, _ENTRY, keys)

    def _select(self, cursor: sqlite3.Cursor, columns: str, keys: Sequence[bytes]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(keys), _LOOKUP_KEYS):
            portion = keys[start : start + _LOOKUP_KEYS]
            places = ",".join("?" * len(portion))
            found += cursor.execute(f"SELECT {columns} FROM ledger WHERE table_id = ? AND key IN ({places})",
                                    (self._table_id, *portion)).fetchall()
        return found

    def partitions(self, keys: Sequence[bytes]) -> dict[bytes, int | None]:
        """In which partition of the target the rows of those keys stand that it has; None: in one that nobody knows."""
        with self._store.transaction() as connection:
            cursor = driver_cursor(connection)
            return dict(self._select(cursor, "key, partition", keys))

    def is_empty(self) -> bool:
        """Whether nothing was ever delivered, as far as the ledger knows."""
        with self._store.transaction() as connection:
            statement = "SELECT NOT EXISTS (SELECT 1 FROM ledger WHERE table_id = ?)"
            return bool(connection.exec_driver_sql(statement, (self._table_id,)).scalar_one())

    def begin_sweep(self) -> int:
        """The slot of the next new row: every row that is known now has a lower one. See `slots`."""
        with self._store.transaction() as connection:
            return slots.begin_sweep(driver_cursor(connection), self._table_id)

    def count(self, below_slot: int | None = None) -> int:
        """How many rows were delivered and not deleted; those with a lower slot alone, where one is named."""
        limit = (1 << 62) if below_slot is None else below_slot
        with self._store.transaction() as connection:
            statement = "SELECT count(*) FROM ledger WHERE table_id = ? AND slot < ?"
            return int(connection.exec_driver_sql(statement, (self._table_id, limit)).scalar_one())

    def scan(self, below_slot: int) -> Iterator[list[LedgerRow]]:
        """The entries with a lower slot in key order, page by page; each page sees what was committed before it."""
        after = b""
        while True:
            with self._store.transaction() as connection:
                rows = driver_cursor(connection).execute(
                    "SELECT key, slot, source_key, fingerprint FROM ledger WHERE table_id = ? AND key > ? AND slot < ?"
                    " ORDER BY key LIMIT ?", (self._table_id, after, below_slot, _SCAN_ROWS),
                ).fetchall()
            if not rows:
                return
            yield [LedgerRow(key, slot, source_key, is_known=fingerprint is not None)
                   for key, slot, source_key, fingerprint in rows]
            after = rows[-1][0]

    def commit(self, chunk: ChunkCommit, mapping_version: str) -> list[int]:
        """
        Note a delivered chunk, move its watermarks and forget its intent, in one transaction.

        Returns:
            The slots of `chunk.plain` and of `chunk.delivered`, in their orders.
        """
        with self._store.transaction() as connection:
            cursor = driver_cursor(connection)
            reached("commit.begun")
            places = [*self._upsert_plain(cursor, chunk.plain), *self._upsert(cursor, list(chunk.delivered.values()))]
            cursor.executemany("DELETE FROM ledger WHERE table_id = ? AND key = ?",
                               [(self._table_id, key) for key in chunk.deleted])
            cursor.executemany("UPDATE ledger SET source_print = ? WHERE table_id = ? AND key = ?",
                               [(source_print, self._table_id, key) for key, source_print in chunk.refreshed])
            reached("commit.half")
            quarantine.note(cursor, self._table_id, chunk.rejected.values(), chunk.recovered, mapping_version)
            watermarks.move(cursor, self._table_id, chunk.watermarks.values())
            if chunk.forget_before_us is not None:
                cursor.execute("DELETE FROM ledger WHERE table_id = ? AND instant_us < ?",
                               (self._table_id, chunk.forget_before_us))
            cursor.execute("DELETE FROM intents WHERE table_id = ?", (self._table_id,))
            note_job(connection, self._table_id, chunk.job_created_us)
            note_bill(connection, self._table_id, chunk.bill)
            reached("commit.written")
        reached("commit.done")
        return places

    def doubt(self, upserted: Sequence[bytes], deleted: Sequence[bytes]) -> None:
        """
        Note what a MERGE did whose rows are known by their keys alone: it ended, and its commit never came.

        The target has rows under the first keys, of which the ledger does not know what they hold, and none under the
        others.
        """
        with self._store.transaction() as connection:
            cursor = driver_cursor(connection)
            known = {entry[0]: entry[2] for entry in self._read_keys(cursor, upserted)}
            fresh = iter(slots.allot(cursor, self._table_id, sum(key not in known for key in upserted)))
            places = [known[key] if key in known else next(fresh) for key in upserted]
            cursor.executemany(
                "INSERT INTO ledger (table_id, key, fingerprint, slot) VALUES (?, ?, NULL, ?) ON CONFLICT DO UPDATE"
                " SET fingerprint = NULL, source_print = NULL, source_key = NULL, partition = NULL",
                [(self._table_id, key, slot) for key, slot in zip(upserted, places, strict=True)],
            )
            cursor.executemany("DELETE FROM ledger WHERE table_id = ? AND key = ?",
                               [(self._table_id, key) for key in deleted])
        reached("doubt.noted")

    def _upsert(self, cursor: sqlite3.Cursor, delivered: Sequence[Delivery]) -> list[int]:
        if not delivered:
            return []
        keys = [row.key for row in delivered]
        known = self._known_slots(cursor, keys)
        fresh = iter(slots.allot(cursor, self._table_id, len(keys) - sum(map(known.__contains__, keys))))
        places = [known[key] if key in known else next(fresh) for key in keys] if known else list(fresh)
        ledger_rows.write(cursor, self._table_id, delivered, places)
        return places

    def _upsert_plain(self, cursor: sqlite3.Cursor, plain: Mapping[bytes, int]) -> Iterable[int]:
        if not plain:
            return ()
        keys = list(plain)
        if self._known_slots(cursor, keys):
            return self._upsert(cursor, [Delivery(key, number, None, None) for key, number in plain.items()])
        places = slots.allot(cursor, self._table_id, len(keys))
        ledger_rows.write_new(cursor, self._table_id, keys, list(plain.values()), places.start)
        return places

    def _known_slots(self, cursor: sqlite3.Cursor, keys: Sequence[bytes]) -> dict[bytes, int]:
        """The slots of those keys that stand in the ledger, and perhaps of others; read as a range where it is one."""
        bounds = (self._table_id, min(keys), max(keys))
        limit = 2 * len(keys) + 16
        part = "FROM ledger WHERE table_id = ? AND key BETWEEN ? AND ?"
        (count,) = cursor.execute(f"SELECT count(*) FROM (SELECT 1 {part} LIMIT ?)", (*bounds, limit)).fetchone()
        if count < limit:
            return dict(cursor.execute(f"SELECT key, slot {part}", bounds).fetchall())
        return dict(self._select(cursor, "key, slot", sorted(keys)))

    def reconcile(
        self, target: TrustedTarget, keys: Iterable[Sequence[TargetKey]], known_until_us: int | None = None
    ) -> int:
        """
        Replace the ledger by the keys that the target really holds, with nothing known of their rows.

        Portions are committed as they arrive; the ledger is trusted again with the last commit only, so that a crash
        in between has it reconciled once more. From then on it holds every key of the target, with a fingerprint that
        no row has: whichever sweep comes to its end first sends every row, and deletes what the source lacks.

        Args:
            target: what the ledger speaks of from then on.
            keys: in portions.
            known_until_us: by BigQuery's clock; the keys show every MERGE that it took until then.

        Returns:
            How many keys stand in the target more than once.
        """
        with self._store.transaction() as connection:
            connection.exec_driver_sql("UPDATE tables SET reconcile_pending = 1 WHERE id = ?", (self._table_id,))
            connection.exec_driver_sql("DELETE FROM ledger WHERE table_id = ?", (self._table_id,))
        slot = repeated = 0
        for portion in keys:
            reached("reconcile.portion")
            with self._store.transaction() as connection:
                added = driver_cursor(connection).executemany(
                    "INSERT OR IGNORE INTO ledger (table_id, key, fingerprint, slot, partition)"
                    " VALUES (?, ?, NULL, ?, ?)",
                    [(self._table_id, one.key, slot + index, one.partition) for index, one in enumerate(portion)],
                ).rowcount
            repeated += len(portion) - max(0, added)
            slot += len(portion)
        if not repeated:
            self._trust(target, slot, known_until_us)
        return repeated

    def _trust(self, target: TrustedTarget, next_slot: int, known_until_us: int | None) -> None:
        with self._store.transaction() as connection:
            note_job(connection, self._table_id, known_until_us)
            connection.exec_driver_sql(
                "UPDATE tables SET target = ?, target_created_us = ?, key_columns = ?, reconcile_pending = 0,"
                " next_slot = ?, sweeps_asked = sweeps_asked + 1, sweep_reason = 'reconciled' WHERE id = ?",
                (target.name, target.created_us, target.key_columns, next_slot, self._table_id),
            )
        reached("reconcile.done")
