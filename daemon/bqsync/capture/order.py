"""
In which order a table is read page by page, so that no row falls between two pages.

A page ends at a row and the next one begins behind it, which loses every row that compares as equal to that one. So the
order has to be unique. It is that of the table itself: by rowid, or by primary key where there is none. An index is
another copy of the key: one that lacks an entry, as damage leaves it, would hide a row that is there, and the look by
key before a delete would go by the same index. Only where columns have taken all names of the rowid, the order is that
of a unique index over the key, with its own collations (a key may tell apart what its column's collation does not).

A rowid that VACUUM renumbers meanwhile can hide a row from one sweep, never from the next; and no absence counts before
a look by key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from bqsync.capture.page_sql import OrderTerm, lookup_query, plan_query, quote
from bqsync.model import folded

_ROWID_NAMES = ("rowid", "_rowid_", "oid")
"""Each may be taken by a column. Source: https://www.sqlite.org/lang_createtable.html#rowid"""

_ROWID = -1
"""Its number among the columns."""

Order = tuple[OrderTerm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOrders:
    """The orders in which one table is read."""

    pages: Order
    """Of the whole table."""
    ranges: Order
    """Of the rows of a range, behind its own column where that is indexed."""
    key_is_unique: bool
    """The source itself keeps two rows from having the same key."""


def read_orders(connection: Connection, table: str, key: Sequence[str]) -> TableOrders:
    """The orders of a table; see `page_order`."""
    # The last look before a delete compares keys: a collation that only the application defines is met now, not then.
    if key:
        look = plan_query(lookup_query(table, key, key, [None] * len(key)))
        connection.exec_driver_sql(look.sql, look.parameters).fetchall()
    pages = page_order(connection, table, key)
    return TableOrders(pages=pages, ranges=physical_order(connection, table) or pages,
                       key_is_unique=unique_key_order(connection, table, key) is not None)


def page_order(connection: Connection, table: str, key: Sequence[str]) -> Order:
    """
    A unique order of the rows of a table: its own, or that of its key where it can't be named.

    Args:
        connection: to the database.
        table: the table, as it is spelled in the schema.
        key: the columns that identify a row.
    """
    return (physical_order(connection, table) or unique_key_order(connection, table, key)
            or tuple(map(OrderTerm, key)))


def unique_key_order(connection: Connection, table: str, key: Sequence[str]) -> Order | None:
    """The order of the key, by the index that keeps it unique; None where nothing does."""
    wanted = {folded(name) for name in key}
    for order in _unique_orders(connection, table):
        if {folded(term.name) for term in order} == wanted:
            return order
    alias = _rowid_column(connection, table)
    return (OrderTerm(alias, is_rowid=True),) if alias is not None and {folded(alias)} == wanted else None


def physical_order(connection: Connection, table: str) -> Order | None:
    """
    The order of the table itself, in which rows with equal values stand in every index as well.

    By rowid, or by primary key where there is none; None where all names of the rowid are taken by columns.
    """
    if _is_without_rowid(connection, table):
        names = [folded(row.name) for row in _primary_columns(connection, table)]
        return next(order for order in _unique_orders(connection, table)
                    if [folded(term.name) for term in order] == names)
    alias = _rowid_column(connection, table)
    if alias is not None:
        return (OrderTerm(alias, is_rowid=True),)
    taken = {folded(row.name) for row in connection.exec_driver_sql(f"PRAGMA table_xinfo({quote(table)})")}
    free = next((name for name in _ROWID_NAMES if name not in taken), None)
    return None if free is None else (OrderTerm(free, is_rowid=True),)


def _rowid_column(connection: Connection, table: str) -> str | None:
    """
    The column that is the rowid by its declaration as INTEGER PRIMARY KEY.

    A primary key that has an index is another thing, whatever its type: so is `INTEGER PRIMARY KEY DESC`.
    """
    primary = _primary_columns(connection, table)
    if len(primary) != 1 or folded(primary[0].type) != "integer" or _is_without_rowid(connection, table):
        return None
    indexes = connection.exec_driver_sql(f"PRAGMA index_list({quote(table)})").fetchall()
    return None if any(row.origin == "pk" for row in indexes) else str(primary[0].name)


def is_rowid(connection: Connection, table: str, column: str) -> bool:
    """Whether a column is the rowid itself, so that its values are found and read in order without any index."""
    alias = _rowid_column(connection, table)
    return alias is not None and folded(alias) == folded(column)


def is_counted(connection: Connection, table: str, column: str) -> bool:
    """
    Whether SQLite itself numbers the rows in that column, and never gives a number twice: AUTOINCREMENT.

    It notes the greatest number of such a table, from its first row on.
    Source: https://www.sqlite.org/autoinc.html
    """
    if not is_rowid(connection, table, column):
        return False
    # The table of these notes comes into being with the first table that needs it.
    has_notes = connection.exec_driver_sql("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone()
    if has_notes is None:
        return False
    note = "SELECT 1 FROM sqlite_sequence WHERE lower(name) = lower(?)"
    return connection.exec_driver_sql(note, (table,)).fetchone() is not None


def _primary_columns(connection: Connection, table: str) -> list[Any]:
    columns = connection.exec_driver_sql(f"PRAGMA table_xinfo({quote(table)})").fetchall()
    return sorted((row for row in columns if row.pk), key=lambda row: int(row.pk))


def _is_without_rowid(connection: Connection, table: str) -> bool:
    """
    Its primary key is the table: the index of that key leads to no rowid.

    PRAGMA table_list has the very word, and goes through all tables for it.
    Source: https://www.sqlite.org/pragma.html#pragma_index_xinfo
    """
    indexes = connection.exec_driver_sql(f"PRAGMA index_list({quote(table)})").fetchall()
    primary = next((row.name for row in indexes if row.origin == "pk"), None)
    if primary is None:
        return False
    return all(row.cid != _ROWID for row in connection.exec_driver_sql(f"PRAGMA index_xinfo({quote(primary)})"))


def _unique_orders(connection: Connection, table: str) -> list[Order]:
    """The orders of all unique indexes over whole rows of the table; those over expressions are left out."""
    indexes = [index for index in connection.exec_driver_sql(f"PRAGMA index_list({quote(table)})").fetchall()
               if index.unique and not index.partial]
    if not indexes:
        return []  # the look at the whole schema takes a while where it is large
    statement = "SELECT group_concat(sql) FROM sqlite_schema WHERE lower(tbl_name) = lower(?)"
    has_collations = "collate" in str(connection.exec_driver_sql(statement, (table,)).scalar()).lower()
    orders = []
    for index in indexes:
        rows = [row for row in connection.exec_driver_sql(f"PRAGMA index_xinfo({quote(index.name)})") if row.key]
        if all(row.name is not None for row in rows):
            orders.append(tuple(OrderTerm(row.name, row.coll if has_collations else None) for row in rows))
    return orders
