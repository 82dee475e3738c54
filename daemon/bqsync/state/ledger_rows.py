"""
The single rows of the ledger: written fifty a statement, in the order of their keys, and read as a range or by key.

To bind a parameter from Python costs as much as SQLite's own work for it, and so does to run a statement. So what no
row has (a source key, an instant, a partition) is not bound at all, and the number of the table stands in the text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from bqsync.model import Delivery, RawEntry

ENTRY = "key, fingerprint, slot, source_print, source_key"
"""The columns of a `RawEntry`."""
_LOOKUP_KEYS = 500
_AT_ONCE = 50
"""Rows of one statement: with seven parameters each, far below the 999 that an old SQLite takes."""
_AT_ONCE_PACKED = 5_000
_HAS_JSON = sqlite3.sqlite_version_info >= (3, 38)
"""Part of every SQLite from then on. Source: https://www.sqlite.org/json1.html"""
_KEY_AT = 1
_OF_ANY = ("slot", *Delivery._fields)
_OF_ALL = ("slot", "key", "fingerprint", "source_print")


def between(cursor: sqlite3.Cursor, table_id: int, first: bytes, last: bytes, wanted: int) -> list[RawEntry] | None:
    """The rows between two keys, in the order of their keys; None where they are far more than so many."""
    limit = 2 * wanted + 16
    rows: list[RawEntry] = cursor.execute(
        f"SELECT {ENTRY} FROM ledger WHERE table_id = ? AND key BETWEEN ? AND ? LIMIT ?",
        (table_id, first, last, limit)).fetchall()
    return rows if len(rows) < limit else None


def of_keys(cursor: sqlite3.Cursor, table_id: int, columns: str, keys: Sequence[bytes]) -> list[Any]:
    """Some columns of the rows of those keys, in no order; where all are of one length, in two thirds of the time."""
    found: list[Any] = []
    length = len(keys[0]) if keys else 0
    if _HAS_JSON and len(keys) > _AT_ONCE and set(map(len, keys)) == {length}:
        for start in range(0, len(keys), _AT_ONCE_PACKED):
            portion = keys[start : start + _AT_ONCE_PACKED]
            found += cursor.execute(
                f"SELECT {columns} FROM ledger WHERE table_id = ? AND key IN"
                " (SELECT substr(?, ? * key + 1, ?) FROM json_each(?))",
                (table_id, b"".join(portion), length, length, f"[{'0,' * (len(portion) - 1)}0]")).fetchall()
        return found
    for start in range(0, len(keys), _LOOKUP_KEYS):
        portion = keys[start : start + _LOOKUP_KEYS]
        places = ",".join("?" * len(portion))
        found += cursor.execute(f"SELECT {columns} FROM ledger WHERE table_id = ? AND key IN ({places})",
                                (table_id, *portion)).fetchall()
    return found


def known_slots(cursor: sqlite3.Cursor, table_id: int, keys: Sequence[bytes]) -> dict[bytes, int]:
    """The slots of those keys that are there, and perhaps of others; read as a range where it is one."""
    bounds = (table_id, min(keys), max(keys))
    limit = 2 * len(keys) + 16
    part = "FROM ledger WHERE table_id = ? AND key BETWEEN ? AND ?"
    (count,) = cursor.execute(f"SELECT count(*) FROM (SELECT 1 {part} LIMIT ?)", (*bounds, limit)).fetchone()
    if count < limit:
        return dict(cursor.execute(f"SELECT key, slot {part}", bounds).fetchall())
    return dict(of_keys(cursor, table_id, "key, slot", sorted(keys)))


def write(cursor: sqlite3.Cursor, table_id: int, delivered: Sequence[Delivery], slots: Sequence[int]) -> None:
    """
    Within a transaction: note delivered rows, over what was known of their keys. The slot of a known one stays.

    Args:
        cursor: of the state.
        table_id: whose ledger it is.
        delivered: at least one row; no key twice.
        slots: of each.
    """
    columns = dict(zip(_OF_ANY, (slots, *zip(*delivered, strict=True)), strict=True))
    names = [name for name in _OF_ANY if name in _OF_ALL or columns[name].count(None) < len(slots)]
    rows = sorted(zip(*(columns[name] for name in names), strict=True), key=itemgetter(_KEY_AT))
    for start in range(0, len(rows), _AT_ONCE):
        portion = rows[start : start + _AT_ONCE]
        cursor.execute(_statement(table_id, names, len(portion)), list(chain.from_iterable(portion)))


def write_new(
    cursor: sqlite3.Cursor, table_id: int, keys: Sequence[bytes], fingerprints: Sequence[int], first_slot: int
) -> None:
    """
    Within a transaction: note delivered rows of which nothing else is known, and whose keys the ledger does not have.

    Where all keys are of one length, SQLite itself takes the rows out of three parameters.

    Args:
        cursor: of the state.
        table_id: whose ledger it is.
        keys: at least one; none twice.
        fingerprints: of each.
        first_slot: of the first row; the others follow.
    """
    length = len(keys[0])
    if not _HAS_JSON or set(map(len, keys)) != {length}:
        # In the order of all keys, though not at once: an object for each row of a chunk would be memory for nothing.
        order = sorted(range(len(keys)), key=keys.__getitem__)
        for start in range(0, len(order), _AT_ONCE_PACKED):
            places = order[start : start + _AT_ONCE_PACKED]
            write(cursor, table_id, [Delivery(keys[at], fingerprints[at], None, None) for at in places],
                  [first_slot + at for at in places])
        return
    for start in range(0, len(keys), _AT_ONCE_PACKED):
        portion = fingerprints[start : start + _AT_ONCE_PACKED]
        cursor.execute(
            "INSERT INTO ledger (table_id, key, fingerprint, slot)"
            " SELECT ?, substr(?, ? * key + 1, ?), value, ? + key FROM json_each(?)",
            (table_id, b"".join(keys[start : start + len(portion)]), length, length, first_slot + start,
             f"[{','.join(map(str, portion))}]"),
        )


def _statement(table_id: int, names: Sequence[str], rows: int) -> str:
    places = f"({table_id:d}, {', '.join('?' * len(names))})"
    changes = ", ".join(f"{name} = excluded.{name}" for name in Delivery._fields if name != "key")
    return (f"INSERT INTO ledger (table_id, {', '.join(names)}) VALUES {', '.join([places] * rows)}"
            f" ON CONFLICT DO UPDATE SET {changes}")
