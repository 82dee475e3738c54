"""The rows of a table in short pages, each read in a transaction of its own."""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bqsync.capture.order import Order
from bqsync.capture.page_sql import Query, lookup_query, null_key_query, page_query, quote
from bqsync.capture.source import Source
from bqsync.model import SqlValue

Row = tuple[SqlValue, ...]


@dataclass(frozen=True, slots=True)
class PageBounds:
    """How much is read in one transaction, at most."""

    rows: int
    size_bytes: int


class TableReader:
    """
    Reads of one table.

    Args:
        source: the file.
        table: the table's name.
        columns: what is read of each row; every key column is among them.
        key: the key columns.
        bounds: of one page.
        order: from `page_order`; empty where no two rows have equal keys.
    """

    def __init__(
        self, source: Source, table: str, columns: Sequence[str], key: Sequence[str], bounds: PageBounds,
        *, order: Order = (),
    ) -> None:
        self._source = source
        self._table = table
        self._columns = tuple(columns)
        self._key = tuple(key)
        self._bounds = bounds
        self._order = order
        # What the order needs and nobody asked for is read behind the columns, and cut off again.
        names = [term.name for term in order] or list(key)
        self._read_columns = (*self._columns, *(name for name in names if name not in self._columns))
        self._order_positions = tuple(self._read_columns.index(name) for name in names)

    def pages(self) -> Iterator[list[Row]]:
        """All rows whose key has no NULL, each once, page by page."""
        after: Row | None = None
        width = len(self._columns)
        while True:
            query = page_query(self._table, self._read_columns, self._key, after, self._bounds.rows,
                               order=self._order)
            rows = self._fetch(query)
            if not rows:
                return
            after = tuple(rows[-1][position] for position in self._order_positions)
            yield rows if len(self._read_columns) == width else [row[:width] for row in rows]

    def null_key_rows(self, limit_rows: int) -> list[Row]:
        """Rows with a NULL in the key, so many at most."""
        return self._fetch(null_key_query(self._table, self._columns, self._key, limit_rows))

    def present(self, keys: Sequence[Row]) -> list[bool]:
        """
        Whether each of the keys stands in the table now, spelled the same; all are looked up in one transaction.

        SQLite takes more for equal than BigQuery does: 'a' and 'A' under NOCASE, 1 and 1.0 without a declared type.
        """
        queries = [lookup_query(self._table, self._key, self._key, key) for key in keys]

        def look(connection: Connection) -> list[bool]:
            cursor = _cursor(connection)
            return [any(_identical(key, found) for found in cursor.execute(query.sql, query.parameters))
                    for key, query in zip(keys, queries, strict=True)]

        return self._source.read(look)

    def find(self, key: Row) -> Row | None:
        """The row of one key."""
        query = lookup_query(self._table, self._columns, self._key, key)

        def look(connection: Connection) -> Row | None:
            found: Row | None = _cursor(connection).execute(query.sql, query.parameters).fetchone()
            return found

        return self._source.read(look)

    def _fetch(self, query: Query) -> list[Row]:
        return self._source.read(lambda connection: _fetch_bounded(connection, query, self._bounds.size_bytes))


def count_rows(connection: Connection, table: str) -> int:
    """The number of rows of a table, for the length of a progress bar."""
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {quote(table)}").scalar_one())


def _cursor(connection: Connection) -> sqlite3.Cursor:
    """The driver's own cursor: a page has thousands of rows, and SQLAlchemy would wrap each of them."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(type(raw))
    return raw.cursor()


def _fetch_bounded(connection: Connection, query: Query, limit_bytes: int) -> list[Row]:
    """Rows until one reaches the bound: fetched one by one, since the size of the next is anybody's guess."""
    rows: list[Row] = []
    size_bytes = 0
    for row in _cursor(connection).execute(query.sql, query.parameters):
        rows.append(row)
        size_bytes += _size_bytes(row)
        if size_bytes >= limit_bytes:
            break
    return rows


def _identical(one: Row, other: Row) -> bool:
    return one == other and list(map(type, one)) == list(map(type, other))


def _size_bytes(row: Row) -> int:
    """About the size of its cells: the cheapest way that looks at all of them, five bytes more for each."""
    return len(marshal.dumps(row))
