"""
Runs in the ledger: rows that came together and are as they came, packed into a few blobs.

Runs and single rows never overlap: between the first and the last key of a run, the ledger has nothing else. Whatever
touches a single key there opens the run first, so that everybody else finds a row like any other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bqsync.model import PRINT_BYTES, Delivery, RawEntry, Run, StoredRun
from bqsync.state import ledger_rows
from bqsync.state.damage import MISFIT, StrangeError

RUN_ROWS = 512
"""Of one run. A change of a single row writes a run anew; and each run costs a statement."""
_EXPANDED = 8
"""To make entries of so many rows costs as much as to find a single one."""
LEAST_ROWS = 16
"""Fewer are not worth a run, of those that come and of those that are left where one was opened."""
_COLUMNS = "id, first_key, last_key, first_slot, rows, key_bytes, keys, fingerprints, source_prints"
_LAST_KEY_AT = 2


class _Found(NamedTuple):
    id: int
    stored: StoredRun


def are_there(cursor: sqlite3.Cursor, table_id: int) -> bool:
    """Whether a table has any."""
    (found,) = cursor.execute("SELECT EXISTS (SELECT 1 FROM runs WHERE table_id = ?)", (table_id,)).fetchone()
    return bool(found)


def count(cursor: sqlite3.Cursor, table_id: int, below_slot: int) -> int:
    """How many rows stand in the runs of a table, of those with a lower slot."""
    (rows,) = cursor.execute(
        "SELECT coalesce(sum(min(rows, max(0, ? - first_slot))), 0) FROM runs WHERE table_id = ?",
        (below_slot, table_id)).fetchone()
    return int(rows)


def insert(cursor: sqlite3.Cursor, table_id: int, run: Run, first_slot: int) -> None:
    """Within a transaction: note the rows of a run, where the ledger has nothing between its first and its last key."""
    begin = first_slot
    for part in run.parts(RUN_ROWS):
        _write(cursor, table_id, StoredRun(part, begin))
        begin += len(part)


def is_free(cursor: sqlite3.Cursor, table_id: int, run: Run) -> bool:
    """Whether the ledger has nothing between the first and the last key of a run."""
    (found,) = cursor.execute(
        "SELECT EXISTS (SELECT 1 FROM ledger WHERE table_id = ? AND key BETWEEN ? AND ?)",
        (table_id, run.first, run.last)).fetchone()
    return not found and next(_between(cursor, table_id, run.first, run.last), None) is None


def between(cursor: sqlite3.Cursor, table_id: int, first: bytes, last: bytes) -> list[StoredRun]:
    """The runs that have something between two keys, in their order."""
    return [found.stored for found in _between(cursor, table_id, first, last)]


def find(cursor: sqlite3.Cursor, table_id: int, keys: Iterable[bytes]) -> list[RawEntry]:
    """The entries of those keys that stand in runs, and perhaps of others."""
    entries: list[RawEntry] = []
    for found, wanted in _holding(cursor, table_id, keys):
        stored = found.stored
        begin, end = stored.run.span(wanted[0], wanted[-1])
        if end - begin <= _EXPANDED * len(wanted):
            entries += stored.part(begin, end).entries()
            continue
        for place in map(stored.run.find, wanted):
            if place is not None:
                entries += stored.part(place, place + 1).entries()
    return entries


def open_at(cursor: sqlite3.Cursor, table_id: int, keys: Iterable[bytes]) -> None:
    """Within a transaction: see that none of those keys lies in a run. A row of one becomes a single row."""
    for found, wanted in list(_holding(cursor, table_id, keys)):
        cursor.execute("DELETE FROM runs WHERE id = ?", (found.id,))
        rows, slots = list[Delivery](), list[int]()
        for piece, is_touched in _pieces(found.stored, wanted):
            if is_touched or len(piece.run) < LEAST_ROWS:
                rows += piece.run.deliveries()
                slots += piece.slots
            else:
                _write(cursor, table_id, piece)
        if rows:
            ledger_rows.write(cursor, table_id, rows, slots)


def renumber(cursor: sqlite3.Cursor, table_id: int, first_slot: int) -> int:
    """Within a transaction: give all runs new slots, from there on; the first that is free then."""
    found = cursor.execute("SELECT id, rows FROM runs WHERE table_id = ? ORDER BY first_key", (table_id,)).fetchall()
    for number, rows in found:
        cursor.execute("UPDATE runs SET first_slot = ? WHERE id = ?", (first_slot, number))
        first_slot += rows
    return first_slot


def following(cursor: sqlite3.Cursor, table_id: int, after: bytes, limit: int) -> list[StoredRun]:
    """The runs whose first key is greater, in their order, so many at most."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE table_id = ? AND first_key > ? ORDER BY first_key LIMIT ?",
        (table_id, after, limit))
    return [_found(row).stored for row in rows]


def _pieces(stored: StoredRun, touched: Sequence[bytes]) -> Iterator[tuple[StoredRun, bool]]:
    """The run, cut at some keys: what lies between them, and, told apart, the rows that they name."""
    begin = 0
    for key in touched:
        place = stored.run.place(key)
        yield stored.part(begin, place), False
        begin = place
        if place < len(stored.run) and stored.run.key(place) == key:
            yield stored.part(place, place + 1), True
            begin = place + 1
    yield stored.part(begin, len(stored.run)), False


def _holding(cursor: sqlite3.Cursor, table_id: int, keys: Iterable[bytes]) -> Iterator[tuple[_Found, list[bytes]]]:
    """The runs within which some of those keys lie, whether they are there or not; each with these keys, in order."""
    if not are_there(cursor, table_id):
        return
    wanted = sorted(set(keys), reverse=True)
    while wanted:
        row = cursor.execute(f"SELECT {_COLUMNS} FROM runs WHERE table_id = ? AND first_key <= ?"
                             " ORDER BY first_key DESC LIMIT 1", (table_id, wanted[-1])).fetchone()
        inside = list[bytes]()
        if row is not None:
            while wanted and wanted[-1] <= row[_LAST_KEY_AT]:
                inside.append(wanted.pop())
        if inside:
            yield _found(row), inside
            continue
        (following,) = cursor.execute("SELECT min(first_key) FROM runs WHERE table_id = ? AND first_key > ?",
                                      (table_id, wanted[-1])).fetchone()
        while wanted and (following is None or wanted[-1] < following):
            wanted.pop()


def _between(cursor: sqlite3.Cursor, table_id: int, first: bytes, last: bytes) -> Iterator[_Found]:
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE table_id = ?1 AND first_key <= ?3 AND last_key >= ?2 AND first_key >= "
        "coalesce((SELECT max(first_key) FROM runs WHERE table_id = ?1 AND first_key <= ?2), x'') ORDER BY first_key",
        (table_id, first, last))
    return map(_found, rows)


def _found(row: tuple[Any, ...]) -> _Found:
    number, first, last, first_slot, rows, key_bytes, keys, prints, source_prints = row
    run = Run(key_bytes, keys, prints, source_prints)
    if (len(keys), len(prints)) != (rows * key_bytes, PRINT_BYTES * rows) or (run.first, run.last) != (first, last):
        raise StrangeError(MISFIT)
    if not isinstance(prints, bytes) or (source_prints is not None and len(source_prints) != len(prints)):
        raise StrangeError(MISFIT)
    return _Found(number, StoredRun(run, first_slot))


def _write(cursor: sqlite3.Cursor, table_id: int, stored: StoredRun) -> None:
    run = stored.run
    cursor.execute(
        "INSERT INTO runs (table_id, first_key, last_key, first_slot, rows, key_bytes, keys, fingerprints,"
        " source_prints) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (table_id, run.first, run.last, stored.first_slot, len(run), run.key_bytes, run.keys, run.prints,
         run.source_prints))
