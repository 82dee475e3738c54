"""The rows of a table in short pages, each read in a transaction of its own."""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import xxhash
from sqlalchemy import Connection

from bqsync.capture.order import Order
from bqsync.capture.page_sql import (
    OrderTerm,
    Query,
    Range,
    cell,
    lookup_query,
    newest_query,
    null_key_query,
    page_query,
    plan_query,
    quote,
    range_query,
    rows_of,
)
from bqsync.capture.source import Source
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import SqlValue

Row = tuple[SqlValue, ...]

_MARSHAL_VERSION = 2
"""The newest in which equal rows have equal bytes: later ones write an object that was met before as a reference."""
_INT64_OFFSET = 1 << 63


class Page(NamedTuple):
    """Rows that were read together."""

    rows: list[Row]
    prints: list[int]
    """Signed 64-bit xxh3 of each source row: equal rows, cell by cell and type by type, have equal prints."""


class _Fetched(NamedTuple):
    """What one read transaction has brought."""

    page: Page
    last: Row | None
    """The last row of the page, with all that was read of it."""
    following: Row | None
    """The row behind it; None where there is none, or where nobody asked."""


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
        range_order: from `physical_order`, for reads of ranges; empty to take `order`.

    Attributes:
        key_is_unique: the source itself keeps two rows from having the same key.
    """

    def __init__(
        self, source: Source, table: str, columns: Sequence[str], key: Sequence[str], bounds: PageBounds,
        *, order: Order = (), range_order: Order = (), key_is_unique: bool = True,
    ) -> None:
        self.key_is_unique = key_is_unique
        self._source = source
        self._table = table
        self._columns = tuple(columns)
        self._key = tuple(key)
        self._bounds = bounds
        self._indexed: dict[str, bool] = {}
        self._order = order or tuple(map(OrderTerm, key))
        self._range_order = range_order or self._order

    @property
    def waited_s(self) -> float:
        """For how long reads of the database have waited so far until the application let them."""
        return self._source.waited_s

    def pages(self) -> Iterator[Page]:
        """All rows whose key has no NULL, each once, page by page."""
        def query(columns: Sequence[str], after: Row | None, limit_rows: int) -> Query:
            return page_query(self._table, columns, self._key, after, limit_rows, order=self._order)

        return self._walk(self._order, query, is_checked=True)

    def range_pages(self, part: Range) -> Iterator[Page]:
        """The rows of a range whose key has no NULL, page by page; in the order of its column where it is indexed."""
        if not part.is_indexed:
            # One page of such a range could be a scan of the whole table in one transaction.
            return self._picked_pages(part)
        order = (OrderTerm(part.column), *self._range_order)

        def query(columns: Sequence[str], after: Row | None, limit_rows: int) -> Query:
            return range_query(self._table, columns, self._key, part, after=after, limit_rows=limit_rows, order=order)

        return self._walk(order, query)

    def newest(self, part: Range, greatest: SqlValue, look: str | None) -> SqlValue:
        """The greatest value of a watermark column that counts; None where there is none. See `newest_query`."""
        query = newest_query(self._table, part, greatest, look)

        def read(connection: Connection) -> SqlValue:
            row = _run(connection, query).fetchone()
            value: SqlValue = None if row is None else row[0]
            return value

        return self._source.read(read)

    def _picked_pages(self, part: Range) -> Iterator[Page]:
        at = self._columns.index(part.column)
        for page in self.pages():
            places = [place for place, row in enumerate(page.rows) if row[at] in part]
            yield Page([page.rows[place] for place in places], [page.prints[place] for place in places])

    def is_indexed(self, part: Range) -> bool:
        """Whether SQLite finds the rows of a range by an index, in the order of its column."""
        if part.column not in self._indexed:
            self._indexed[part.column] = self._would_search(part)
        return self._indexed[part.column]

    def _would_search(self, part: Range) -> bool:
        query = range_query(self._table, self._columns, self._key, part, after=None, limit_rows=1,
                            order=(OrderTerm(part.column), *self._range_order))
        plan = plan_query(query)
        steps = self._source.read(lambda connection: _run(connection, plan).fetchall())
        words = " ".join(str(step[-1]) for step in steps)
        # To sort the rows of one value among themselves is no reason; to sort all of them is.
        return "SEARCH" in words and "TEMP B-TREE FOR ORDER BY" not in words

    def count(self) -> int:
        """How many rows the table has."""
        return self._source.read(lambda connection: count_rows(connection, self._table))

    def null_keys(self) -> int:
        """How many rows have a NULL in their key."""
        condition = " OR ".join(f"{cell(name)} IS NULL" for name in self._key)
        sql = f"SELECT count(*) FROM {rows_of(self._table)} WHERE {condition}"
        return self._source.read(lambda connection: int(connection.exec_driver_sql(sql).scalar_one()))

    def null_key_rows(self, limit_rows: int) -> list[Row]:
        """Rows with a NULL in the key, so many at most or a page more."""
        def query(columns: Sequence[str], after: Row | None, limit_rows: int) -> Query:
            return null_key_query(self._table, columns, self._key, after, limit_rows, order=self._range_order)

        rows: list[Row] = []
        for page in self._walk(self._range_order, query):
            rows += page.rows
            if len(rows) >= limit_rows:
                break
        return rows

    def present(self, keys: Sequence[Row]) -> list[bool]:
        """
        Whether each of the keys stands in the table now, spelled the same; all are looked up in one transaction.

        SQLite takes more for equal than BigQuery does: 'a' and 'A' under NOCASE, 1 and 1.0 without a declared type.
        """
        queries = [lookup_query(self._table, self._key, self._key, key) for key in keys]

        def look(connection: Connection) -> list[bool]:
            return [any(_identical(key, found) for found in _run(connection, query))
                    for key, query in zip(keys, queries, strict=True)]

        return self._source.read(look)

    def find(self, key: Row) -> Row | None:
        """The row of one key."""
        return self.find_each([key])[0]

    def find_each(self, keys: Sequence[Row]) -> list[Row | None]:
        """The row of each key, or None; all are looked up in one transaction."""
        queries = [lookup_query(self._table, self._columns, self._key, key) for key in keys]

        def look(connection: Connection) -> list[Row | None]:
            return [_run(connection, query).fetchone() for query in queries]

        return self._source.read(look)

    def find_all(self, key: Row, limit_rows: int) -> list[Row]:
        """The rows of one key, so many at most: more than one where the source does not keep the key unique."""
        query = lookup_query(self._table, self._columns, self._key, key)
        return self._source.read(lambda connection: list(_run(connection, query).fetchmany(limit_rows)))

    def _walk(
        self, order: Order, query: Callable[[Sequence[str], Row | None, int], Query], *, is_checked: bool = False
    ) -> Iterator[Page]:
        # What the order needs and nobody asked for is read behind the columns, and cut off again.
        names = [term.name for term in order]
        columns = (*self._columns, *(name for name in names if name not in self._columns))
        positions = tuple(columns.index(name) for name in names)

        def place(row: Row) -> Row:
            return tuple(row[position] for position in positions)

        def read(connection: Connection) -> _Fetched:
            limit_rows = self._bounds.rows + is_checked
            found = _fetch_bounded(connection, query(columns, after, limit_rows), self._bounds, len(self._columns))
            if is_checked and found.last is not None and found.following is not None:
                again = _run(connection, query(columns, place(found.last), 1)).fetchone()
                if again is None or not _identical(place(again), place(found.following)):
                    raise _lost_place(self._table)
            return found

        after: Row | None = None
        circle = _Circle()
        while True:
            page, last, _ = self._source.read(read)
            if last is None:
                return
            after = place(last)
            if circle.closes(after):
                raise _lost_place(self._table)
            yield page


class _Circle:
    """
    Tells a walk that has come to a place where it was before, with a memory of one place.

    Source: https://en.wikipedia.org/wiki/Cycle_detection#Brent's_algorithm
    """

    def __init__(self) -> None:
        self._place: Row | None = None
        self._steps, self._limit = 0, 1

    def closes(self, place: Row) -> bool:
        """Take a step to a place; whether it is the one that is remembered."""
        if place == self._place:
            return True
        self._steps += 1
        if self._steps == self._limit:
            self._place, self._steps, self._limit = place, 0, self._limit * 2
        return False


def count_rows(connection: Connection, table: str) -> int:
    """The number of rows of a table, for the length of a progress bar."""
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {quote(table)}").scalar_one())


def _run(connection: Connection, query: Query) -> sqlite3.Cursor:
    """By the driver's own cursor: a page has thousands of rows, and SQLAlchemy would wrap each of them."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(type(raw))
    return raw.execute(query.sql, query.parameters)


def _fetch_bounded(connection: Connection, query: Query, bounds: PageBounds, width: int) -> _Fetched:
    """
    Rows until one reaches a bound: fetched one by one, since the size of the next is anybody's guess.

    What stands behind `width` columns is what only the order asked for, and no part of the row: a rowid that VACUUM
    changes is no change of it.
    """
    rows: list[Row] = []
    contents: list[bytes] = []
    size_bytes = 0
    last: Row | None = None
    cursor = _run(connection, query)
    # Every row of a sweep comes by here: what is done with it is written out.
    for last in islice(cursor, bounds.rows):
        row = last if len(last) == width else last[:width]
        cells = marshal.dumps(row, _MARSHAL_VERSION)
        rows.append(row)
        contents.append(cells)
        size_bytes += len(cells)
        if size_bytes >= bounds.size_bytes:
            break
    following = cursor.fetchone()
    prints = [digest - _INT64_OFFSET for digest in map(xxhash.xxh3_64_intdigest, contents)]
    return _Fetched(Page(rows, prints), last, following)


def _lost_place(table: str) -> BqsyncError:
    return BqsyncError(
        ErrorKind.SOURCE_CORRUPT, what=f"a page of table {table} ends at a row that SQLite does not find again",
        why="the table is damaged, or that row has a key which is no valid text, as broken UTF-16",
        fix="run `PRAGMA integrity_check` and restore a backup, or mend the key of that row; nothing is deleted in "
            "BigQuery meanwhile",
    )


def _identical(one: Row, other: Row) -> bool:
    return one == other and list(map(type, one)) == list(map(type, other))
