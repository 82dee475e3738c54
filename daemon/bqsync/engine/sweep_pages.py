"""The pages of a sweep: by compiled code where the table is not small, and wherever that can't be, by rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from bqsync.capture.pages import TableReader
from bqsync.capture.source import Source
from bqsync.capture.walk import Page, Walk
from bqsync.engine.ahead import PagesAhead
from bqsync.engine.session import Session
from bqsync.model import EncodedPage, TableSpec
from bqsync.native import offer

if TYPE_CHECKING:
    from bqsync.native.reader import NativeReader

SMALL_ROWS = 2_000
"""So many rows are read while a thread is started."""


def native_reader(session: Session, spec: TableSpec, reader: TableReader) -> NativeReader | None:
    """Compiled code for a table; None where it is none for it."""
    if not (session.config.sync.native and reader.key_is_unique):
        return None
    return offer.native_reader(spec, session.zone, reader.order)


class SweepPages:
    """
    The pages of one sweep, in the order of the table.

    Args:
        reader: of the table.
        source: the file.
        native: of the table; None where all is read by rows.
    """

    def __init__(self, reader: TableReader, source: Source, native: NativeReader | None) -> None:
        self._reader = reader
        self._source = source
        self._native = native
        self._start_rows = SMALL_ROWS
        self._rows = 0
        self._is_first_copy = True
        self._ahead: PagesAhead | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = None

    def expect(self, rows: int) -> None:
        """Say about how many rows the table had before; 0 for a first copy."""
        self._is_first_copy = not rows
        if self._native is not None:
            expected = rows or self._reader.rows_at_most()
            self._start_rows = 0 if expected > SMALL_ROWS else SMALL_ROWS

    def forget_ahead(self) -> None:
        """Have read again what was read ahead: newer versions of its rows have been merged meanwhile."""
        if self._ahead is not None:
            self._ahead.forget()

    def __iter__(self) -> Iterator[Page | EncodedPage]:
        """
        All rows whose key has no NULL, each once, page by page.

        Raises:
            BqsyncError: a page can't be read.
        """
        if self._native is None:
            yield from self._reader.pages()
            return
        walk = self._reader.walk()
        while (page := self._next(walk, self._native)) is not None:
            self._rows += len(page) if isinstance(page, EncodedPage) else len(page.rows)
            yield page

    def _next(self, walk: Walk, native: NativeReader) -> Page | EncodedPage | None:
        if self._ahead is None and self._rows >= self._start_rows:
            self._ahead = PagesAhead(native, self._source, walk, rows=self._rows, is_first_copy=self._is_first_copy,
                                     bounds=self._reader.bounds)
        return walk.read() if self._ahead is None else self._ahead.next()
