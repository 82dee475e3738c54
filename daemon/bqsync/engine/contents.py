"""The reader of a table without a key: its rows are known by their contents, and get an id as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bqsync.capture.order import Order
from bqsync.capture.page_sql import Range
from bqsync.capture.pages import Page, PageBounds, Row, TableReader
from bqsync.capture.source import Source
from bqsync.encode.row_ids import digests, row_ids
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.scratch import DigestCounts


class ContentReader(TableReader):
    """
    Reads of one table; the last cell of each row is its id.

    Rows that are alike are numbered as they are met, so a walk has to meet all of them: it reads the whole table, or
    all rows from a value of a column onward that is among their contents.

    Args:
        source: the file.
        table: the table's name.
        columns: what is read of each row, in the order in which the table declares them.
        bounds: of one page.
        order: of the table itself.
        folder: where counts lie while a walk lasts: memory must not grow with the table.

    Attributes:
        known_by: by so many columns, the first ones, rows are told apart.
    """

    def __init__(
        self, source: Source, table: str, columns: Sequence[str], bounds: PageBounds, *, order: Order, folder: Path
    ) -> None:
        super().__init__(source, table, columns, (), bounds, order=order, key_is_unique=True)
        self.known_by = len(columns)
        self._folder = folder

    def pages(self) -> Iterator[Page]:
        """All rows, each once, page by page."""
        return self._identified(super().pages())

    def range_pages(self, part: Range) -> Iterator[Page]:
        """The rows of a range, page by page."""
        # Without an index, the range is picked from the pages of the whole table, whose rows have their ids already.
        return self._identified(super().range_pages(part)) if part.is_indexed else super().range_pages(part)

    def null_keys(self) -> int:
        """None: contents may be NULL."""
        return 0

    def null_key_rows(self, limit_rows: int) -> list[Row]:  # noqa: ARG002 - of the reader by key
        """None: contents may be NULL."""
        return []

    def present(self, keys: Sequence[Row]) -> list[bool]:
        """Whether rows of those ids stand in the table. Reads all of it."""
        wanted = {key[0] for key in keys}
        found = {row[-1] for page in self.pages() for row in page.rows if row[-1] in wanted}
        return [key[0] in found for key in keys]

    def find_each(self, keys: Sequence[Row]) -> list[Row | None]:
        """The row of each id, or None. Reads all of the table."""
        wanted = {key[0] for key in keys}
        found = {row[-1]: row for page in self.pages() for row in page.rows if row[-1] in wanted}
        return [found.get(key[0]) for key in keys]

    def find_all(self, key: Row, limit_rows: int) -> list[Row]:  # noqa: ARG002 - no two rows have one id
        """The row of one id, if it is there. Reads the table until it is met."""
        row = self.find(key)
        return [] if row is None else [row]

    def _identified(self, pages: Iterator[Page]) -> Iterator[Page]:
        began = self._place_of_rows()
        with DigestCounts(self._folder) as met:
            for page in pages:
                if self._place_of_rows() != began:
                    raise _moved(self.table)
                ids = row_ids(digests(page.rows, self.known_by), met.add)
                yield Page([(*row, row_id) for row, row_id in zip(page.rows, ids, strict=True)], page.prints)

    def _place_of_rows(self) -> tuple[int, int, int]:
        """What changes when rows get other places: VACUUM could have one of them read, and numbered, twice."""
        identity = self._source.identity()
        return identity.device, identity.inode, identity.schema_cookie


def _moved(table: str) -> BqsyncError:
    return BqsyncError(
        ErrorKind.SOURCE_CHANGED, what=f"the rows of table {table} got other places while they were read",
        why="VACUUM, a change of the schema or another file did that; a row without a key could be met twice",
        fix="nothing: the table is read again from its beginning",
    )
