"""
Slots: the small number of each row of a ledger, so that a sweep can mark it by one bit.

They count up with every row that ever came, and are never given again, so that a row which comes during a sweep is told
from those that were there when it began.
"""

from __future__ import annotations

import sqlite3

from bqsync.state import runs

SPARSE_SLOTS, SPARSE_FACTOR = 1_000_000, 4
"""So many slots, and so many of them for each row, are numbered anew: a megabyte of marks would be for nothing."""


def allot(cursor: sqlite3.Cursor, table_id: int, count: int) -> range:
    """Within a transaction: the next slots, so many."""
    first = _next(cursor, table_id)
    cursor.execute("UPDATE tables SET next_slot = ? WHERE id = ?", (first + count, table_id))
    return range(first, first + count)


def begin_sweep(cursor: sqlite3.Cursor, table_id: int) -> int:
    """
    Within a transaction: the slot of the next new row. Every row that is known now has a lower one.

    Where most rows that ever came have gone, the others are numbered anew.
    """
    slots = _next(cursor, table_id)
    if slots < SPARSE_SLOTS:
        return slots
    rows = int(cursor.execute("SELECT count(*) FROM ledger WHERE table_id = ?", (table_id,)).fetchone()[0])
    if slots < SPARSE_FACTOR * (rows + runs.count(cursor, table_id, slots)):
        return slots
    cursor.execute(
        "UPDATE ledger SET slot = numbered.place FROM (SELECT key, row_number() OVER (ORDER BY key) - 1 AS place"
        " FROM ledger WHERE table_id = ?1) AS numbered WHERE table_id = ?1 AND ledger.key = numbered.key", (table_id,))
    slots = runs.renumber(cursor, table_id, rows)
    cursor.execute("UPDATE tables SET next_slot = ? WHERE id = ?", (slots, table_id))
    return slots


def _next(cursor: sqlite3.Cursor, table_id: int) -> int:
    return int(cursor.execute("SELECT next_slot FROM tables WHERE id = ?", (table_id,)).fetchone()[0])
