"""What is read of a table: all of its rows, a range of them, or single ones by key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from bqsync.capture.walk import Page, PageBounds, PageQuery, Row, Walk, identical, run
from bqsync.model import SqlValue

__all__ = ["Page", "PageBounds", "Row", "TableReader", "count_rows"]

_LEAST_ROW_BYTES = 8
"""Of a row in the file: its place in the page, its length and its rowid, a header, and a cell."""


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
        self.table = table
        self.columns = tuple(columns)
        self.key = tuple(key)
        self.bounds = bounds
        self._indexed: dict[str, bool] = {}
        self.order = order or tuple(map(OrderTerm, key))
        self._range_order = range_order or self.order

    @property
    def waited_s(self) -> float:
        """For how long reads of the database have waited so far until the application let them."""
        return self._source.waited_s

    def pages(self) -> Iterator[Page]:
        """All rows whose key has no NULL, each once, page by page."""
        return self.walk().pages()

    def walk(self) -> Walk:
        """A walk over all rows whose key has no NULL, from the first one on."""
        def query(columns: Sequence[str], after: Row | None, limit_rows: int) -> Query:
            return page_query(self.table, columns, self.key, after, limit_rows, order=self.order)

        return self._walk(self.order, query, is_checked=True)

    def range_pages(self, part: Range) -> Iterator[Page]:
        """The rows of a range whose key has no NULL, page by page; in the order of its column where it is indexed."""
        if not part.is_indexed:
            # One page of such a range could be a scan of the whole table in one transaction.
            return self._picked_pages(part)
        order = (OrderTerm(part.column), *self._range_order)

        def query(columns: Sequence[str], after: Row | None, limit_rows: int) -> Query:
            return range_query(self.table, columns, self.key, part, after=after, limit_rows=limit_rows, order=order)

        return self._walk(order, query).pages()

    def newest(self, part: Range, greatest: SqlValue, look: str | None) -> SqlValue:
        """The greatest value of a watermark column that counts; None where there is none. See `newest_query`."""
        query = newest_query(self.table, part, greatest, look)

        def read(connection: Connection) -> SqlValue:
            row = run(connection, query).fetchone()
            value: SqlValue = None if row is None else row[0]
            return value

        return self._source.read(read)

    def _picked_pages(self, part: Range) -> Iterator[Page]:
        at = self.columns.index(part.column)
        for page in self.pages():
            places = [place for place, row in enumerate(page.rows) if row[at] in part]
            yield Page([page.rows[place] for place in places], [page.prints[place] for place in places])

    def is_indexed(self, part: Range) -> bool:
        """Whether SQLite finds the rows of a range by an index, in the order of its column."""
        if part.column not in self._indexed:
            self._indexed[part.column] = self._would_search(part)
        return self._indexed[part.column]

    def _would_search(self, part: Range) -> bool:
        query = range_query(self.table, self.columns, self.key, part, after=None, limit_rows=1,
                            order=(OrderTerm(part.column), *self._range_order))
        plan = plan_query(query)
        steps = self._source.read(lambda connection: run(connection, plan).fetchall())
        words = " ".join(str(step[-1]) for step in steps)
        # To sort the rows of one value among themselves is no reason; to sort all of them is.
        return "SEARCH" in words and "TEMP B-TREE FOR ORDER BY" not in words

    def count(self) -> int:
        """How many rows the table has."""
        return self._source.read(lambda connection: count_rows(connection, self.table))

    def rows_at_most(self) -> int:
        """
        More rows than so many the table can't have, as far as that is known without counting; 0 where it is not.

        Exact where rowids were given one after the other, and too much where they are scattered; but a file of so many
        bytes has no more rows either.
        """
        if len(self.order) != 1 or not self.order[0].is_rowid:
            return 0
        rowid = self.order[0].sql
        sql = (f"SELECT (SELECT max({rowid}) FROM {rows_of(self.table)}) - (SELECT min({rowid}) FROM"
               f" {rows_of(self.table)}), page_count * page_size FROM pragma_page_count, pragma_page_size")

        def read(connection: Connection) -> int:
            span, size_bytes = connection.exec_driver_sql(sql).one()
            return 0 if span is None else min(int(span) + 1, size_bytes // _LEAST_ROW_BYTES)

        return self._source.read(read)

    def null_keys(self) -> int:
        """How many rows have a NULL in their key."""
        condition = " OR ".join(f"{cell(name)} IS NULL" for name in self.key)
        sql = f"SELECT count(*) FROM {rows_of(self.table)} WHERE {condition}"
        return self._source.read(lambda connection: int(connection.exec_driver_sql(sql).scalar_one()))

    def null_key_rows(self, limit_rows: int) -> list[Row]:
        """Rows with a NULL in the key, so many at most or a page more."""
        def query(columns: Sequence[str], after: Row | None, limit_rows: int) -> Query:
            return null_key_query(self.table, columns, self.key, after, limit_rows, order=self._range_order)

        rows: list[Row] = []
        for page in self._walk(self._range_order, query).pages():
            rows += page.rows
            if len(rows) >= limit_rows:
                break
        return rows

    def present(self, keys: Sequence[Row]) -> list[bool]:
        """
        Whether each of the keys stands in the table now, spelled the same; all are looked up in one transaction.

        SQLite takes more for equal than BigQuery does: 'a' and 'A' under NOCASE, 1 and 1.0 without a declared type.
        """
        queries = [lookup_query(self.table, self.key, self.key, key) for key in keys]

        def look(connection: Connection) -> list[bool]:
            return [any(identical(key, found) for found in run(connection, query))
                    for key, query in zip(keys, queries, strict=True)]

        return self._source.read(look)

    def find(self, key: Row) -> Row | None:
        """The row of one key."""
        return self.find_each([key])[0]

    def find_each(self, keys: Sequence[Row]) -> list[Row | None]:
        """The row of each key, or None; all are looked up in one transaction."""
        queries = [lookup_query(self.table, self.columns, self.key, key) for key in keys]

        def look(connection: Connection) -> list[Row | None]:
            return [run(connection, query).fetchone() for query in queries]

        return self._source.read(look)

    def find_all(self, key: Row, limit_rows: int) -> list[Row]:
        """The rows of one key, so many at most: more than one where the source does not keep the key unique."""
        query = lookup_query(self.table, self.columns, self.key, key)
        return self._source.read(lambda connection: list(run(connection, query).fetchmany(limit_rows)))

    def _walk(self, order: Order, query: PageQuery, *, is_checked: bool = False) -> Walk:
        return Walk(self._source, self.table, self.columns, self.bounds, order=order, query=query,
                    is_checked=is_checked)


def count_rows(connection: Connection, table: str) -> int:
    """The number of rows of a table, for the length of a progress bar."""
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {quote(table)}").scalar_one())
