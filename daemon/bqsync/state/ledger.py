"""
The ledger: what was delivered, row by row.

The hot path of the state. It speaks to the driver directly, a page or a chunk at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from bqsync.failpoints import reached
from bqsync.model import Delivery, RawEntry, Run, Stretch, TargetKey
from bqsync.state import ledger_rows, quarantine, runs, slots, watermarks
from bqsync.state.billing import note_bill
from bqsync.state.chunk_commit import ChunkCommit
from bqsync.state.job_history import note_job
from bqsync.state.ledger_pages import pages
from bqsync.state.store import Store, driver_cursor
from bqsync.state.tables import TrustedTarget

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
            is_range = rows is not None
            if rows is None:
                rows = ledger_rows.of_keys(cursor, self._table_id, ledger_rows.ENTRY, wanted)
            rows += runs.find(cursor, self._table_id, wanted)
        found: dict[bytes | None, RawEntry] = {row[0]: row for row in rows}
        # In the order of the page, so that one that is as it was is told at a glance.
        return found if is_range else {key: found[key] for key in wanted if key in found}

    def stretch(self, run: Run) -> Stretch | None:
        """What stands between the first and the last key of a run; None where that is far more than the run."""
        with self._store.transaction() as connection:
            cursor = driver_cursor(connection)
            rows = ledger_rows.between(cursor, self._table_id, run.first, run.last, len(run))
            if rows is None:
                return None
            return Stretch(runs.between(cursor, self._table_id, run.first, run.last), {row[0]: row for row in rows})

    def _read_range(self, cursor: sqlite3.Cursor, keys: Sequence[bytes]) -> list[RawEntry] | None:
        """The single rows from the least to the greatest key; None where they are far more, or were before."""
        if self._range_pause:
            self._range_pause -= 1
            return None
        rows = ledger_rows.between(cursor, self._table_id, min(keys), max(keys), len(keys))
        if rows is None:
            self._range_pause = _RANGE_PAUSE
        return rows

    def partitions(self, keys: Sequence[bytes]) -> dict[bytes, int | None]:
        """In which partition of the target the rows of those keys stand that it has; None: in one that nobody knows."""
        with self._store.transaction() as connection:
            cursor = driver_cursor(connection)
            packed: dict[bytes, int | None] = {entry[0]: None for entry in runs.find(cursor, self._table_id, keys)}
            return packed | dict(ledger_rows.of_keys(cursor, self._table_id, "key, partition", keys))

    def is_empty(self) -> bool:
        """Whether nothing was ever delivered, as far as the ledger knows."""
        with self._store.transaction() as connection:
            statement = "SELECT NOT EXISTS (SELECT 1 FROM ledger WHERE table_id = ?)"
            return bool(connection.exec_driver_sql(statement, (self._table_id,)).scalar_one()) and not runs.are_there(
                driver_cursor(connection), self._table_id)

    def begin_sweep(self) -> int:
        """The slot of the next new row: every row that is known now has a lower one. See `slots`."""
        with self._store.transaction() as connection:
            return slots.begin_sweep(driver_cursor(connection), self._table_id)

    def count(self, below_slot: int | None = None) -> int:
        """How many rows were delivered and not deleted; those with a lower slot alone, where one is named."""
        limit = (1 << 62) if below_slot is None else below_slot
        with self._store.transaction() as connection:
            statement = "SELECT count(*) FROM ledger WHERE table_id = ? AND slot < ?"
            return int(connection.exec_driver_sql(statement, (self._table_id, limit)).scalar_one()) + runs.count(
                driver_cursor(connection), self._table_id, limit)

    def scan(self, below_slot: int) -> Iterator[list[LedgerRow]]:
        """The entries with a lower slot in key order, page by page; each page sees what was committed before it."""
        for entries in pages(self._store, self._table_id):
            yield [LedgerRow(key, slot, source_key, is_known=fingerprint is not None)
                   for key, source_key, fingerprint, _, _, slot in entries if slot < below_slot]

    def commit(self, chunk: ChunkCommit, mapping_version: str) -> list[Sequence[int]]:
        """
        Note a delivered chunk, move its watermarks and forget its intent, in one transaction.

        Returns:
            The slots of each of `chunk.runs`, of `chunk.plain` and of `chunk.delivered`, in their orders.
        """
        with self._store.transaction() as connection:
            cursor = driver_cursor(connection)
            reached("commit.begun")
            places = [self._upsert_run(cursor, run) for run in chunk.runs]
            runs.open_at(cursor, self._table_id, chain(chunk.plain, chunk.delivered, chunk.deleted,
                                                       (key for key, _ in chunk.refreshed)))
            places += [self._upsert_plain(cursor, chunk.plain), self._upsert(cursor, list(chunk.delivered.values()))]
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
            runs.open_at(cursor, self._table_id, chain(upserted, deleted))
            known = dict(ledger_rows.of_keys(cursor, self._table_id, "key, slot", upserted))
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

    def _upsert(self, cursor: sqlite3.Cursor, delivered: Sequence[Delivery]) -> Sequence[int]:
        if not delivered:
            return ()
        keys = [row.key for row in delivered]
        known = ledger_rows.known_slots(cursor, self._table_id, keys)
        fresh = slots.allot(cursor, self._table_id, len(keys) - sum(map(known.__contains__, keys)))
        following = iter(fresh)
        places = [known[key] if key in known else next(following) for key in keys] if known else fresh
        ledger_rows.write(cursor, self._table_id, delivered, places)
        return places

    def _upsert_plain(self, cursor: sqlite3.Cursor, plain: Mapping[bytes, int]) -> Sequence[int]:
        if not plain:
            return ()
        keys = list(plain)
        if ledger_rows.known_slots(cursor, self._table_id, keys):
            return self._upsert(cursor, [Delivery(key, number, None, None) for key, number in plain.items()])
        places = slots.allot(cursor, self._table_id, len(keys))
        ledger_rows.write_new(cursor, self._table_id, keys, list(plain.values()), places.start)
        return places

    def _upsert_run(self, cursor: sqlite3.Cursor, run: Run) -> Sequence[int]:
        if len(run) < runs.LEAST_ROWS or not runs.is_free(cursor, self._table_id, run):
            runs.open_at(cursor, self._table_id, run.all_keys())
            return self._upsert(cursor, run.deliveries())
        places = slots.allot(cursor, self._table_id, len(run))
        runs.insert(cursor, self._table_id, run, places.start)
        return places

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
            for name in ("ledger", "runs"):
                connection.exec_driver_sql(f"DELETE FROM {name} WHERE table_id = ?", (self._table_id,))
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
