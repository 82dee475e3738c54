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
from bqsync.capture.page_sql import Query
from bqsync.capture.source import Source
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import SqlValue

Row = tuple[SqlValue, ...]
PageQuery = Callable[[Sequence[str], Row | None, int], Query]
"""The SELECT of a page: of which columns, behind which place, of how many rows."""

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


class Walk:
    """
    A walk over rows, page by page.

    Args:
        source: the file.
        table: the table's name.
        columns: what is read of each row.
        bounds: of one page.
        order: unique for the rows.
        query: reads the rows behind a place, in that order.
        is_checked: the first row behind each page has to be found again by the place of the last one.

    Attributes:
        table: the table's name.
        place: of the last row that was read, by its values of the order; None before the first one.
    """

    def __init__(
        self, source: Source, table: str, columns: Sequence[str], bounds: PageBounds,
        *, order: Order, query: PageQuery, is_checked: bool,
    ) -> None:
        self.place: Row | None = None
        self._source = source
        self.table = table
        self._width = len(columns)
        # What the order needs and nobody asked for is read behind the columns, and cut off again.
        names = [term.name for term in order]
        self._columns = (*columns, *(name for name in names if name not in columns))
        self._positions = tuple(self._columns.index(name) for name in names)
        self._query = query
        self._bounds = bounds
        self._is_checked = is_checked
        self._circle = _Circle()

    def pages(self) -> Iterator[Page]:
        """The rest of the walk."""
        while (page := self.read()) is not None:
            yield page

    def read(self) -> Page | None:
        """The next page; None where no row is left."""
        page, last, _ = self._source.read(self._fetch)
        if last is None:
            return None
        self.move(self._place_of(last))
        return page

    def move(self, place: Row) -> None:
        """
        Go on behind a row.

        Raises:
            BqsyncError: SOURCE_CORRUPT: the walk was there before.
        """
        if self._circle.closes(place):
            raise lost_place(self.table)
        self.place = place

    def restart(self, place: Row | None) -> None:
        """Go back behind a row, or to the beginning."""
        self.place, self._circle = place, _Circle()

    def _place_of(self, row: Row) -> Row:
        return tuple(row[position] for position in self._positions)

    def _fetch(self, connection: Connection) -> _Fetched:
        limit_rows = self._bounds.rows + self._is_checked
        found = _fetch_bounded(connection, self._query(self._columns, self.place, limit_rows), self._bounds,
                               self._width)
        if self._is_checked and found.last is not None and found.following is not None:
            again = run(connection, self._query(self._columns, self._place_of(found.last), 1)).fetchone()
            if again is None or not identical(self._place_of(again), self._place_of(found.following)):
                raise lost_place(self.table)
        return found


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


def run(connection: Connection, query: Query) -> sqlite3.Cursor:
    """Run a query by the driver's own cursor: a page has thousands of rows, and SQLAlchemy would wrap each of them."""
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
    cursor = run(connection, query)
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


def lost_place(table: str) -> BqsyncError:
    """The order of a walk leads nowhere."""
    return BqsyncError(
        ErrorKind.SOURCE_CORRUPT, what=f"a page of table {table} ends at a row that SQLite does not find again",
        why="the table is damaged, or that row has a key which is no valid text, as broken UTF-16",
        fix="run `PRAGMA integrity_check` and restore a backup, or mend the key of that row; nothing is deleted in "
            "BigQuery meanwhile",
    )


def identical(one: Row, other: Row) -> bool:
    """Whether two rows are the same, value by value and type by type."""
    return one == other and list(map(type, one)) == list(map(type, other))
