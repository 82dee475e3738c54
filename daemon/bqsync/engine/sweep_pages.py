"""
The pages of a sweep: by rows at first, and by columns where the table turns out to be large.

To start the process that reads columns takes half a second of processor time, which a small table never earns back.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Self

from bqsync.capture.pages import TableReader
from bqsync.capture.source import Source
from bqsync.capture.walk import Page, Walk
from bqsync.columnar.child import ColumnarReader, ReaderGoneError
from bqsync.columnar.messages import Assignment
from bqsync.columnar.support import can_read, is_installed
from bqsync.engine.ahead import PagesAhead
from bqsync.engine.session import Session
from bqsync.model import EncodedPage, TableSpec
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.ledger import Ledger

_log = get_logger()

LARGE_ROWS = 100_000
"""A table that has so many rows is read by columns from the beginning."""
GROWN_ROWS = 20_000
"""Any other one is, from so many rows on beyond those: how many there are, nobody knows."""
_START_S = 2.0
"""For so long a sweep that begins by columns waits for the process; then it begins by rows."""

_turn = threading.Lock()
"""Each process takes a hundred megabytes: while one table is read by columns, others are read by rows."""


def assignment_of(session: Session, spec: TableSpec, reader: TableReader) -> Assignment | None:
    """What a process that reads columns has to know of a table; None where it is none for it."""
    if not (session.config.sync.columnar and is_installed() and reader.key_is_unique and can_read(spec, reader.order)):
        return None
    return Assignment(spec=spec, zone=session.zone, order=tuple(reader.order), page_bytes=reader.bounds.size_bytes)


class SweepPages:
    """
    The pages of one sweep, in the order of the table.

    Args:
        reader: of the table.
        source: the file.
        assignment: what a process that reads columns has to know; None where none may be started.
    """

    def __init__(self, reader: TableReader, source: Source, assignment: Assignment | None) -> None:
        self._reader = reader
        self._source = source
        self._assignment = assignment
        self._start_rows = GROWN_ROWS
        self._rows = 0
        self._is_first_copy = True
        self._has_turn = False
        self._child: ColumnarReader | None = None
        self._ahead: PagesAhead | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ahead is not None:
            self._ahead.close()
        elif self._child is not None:
            self._child.close()
        if self._has_turn:
            _turn.release()
        self._child = self._ahead = None
        self._has_turn = False

    def expect(self, rows: int, ledger: Ledger | None = None) -> None:
        """
        Say about how many rows the table had before; 0 for a first copy.

        Args:
            rows: that were known of it.
            ledger: of the table: what has come by columns would have to be encoded, row by row.
        """
        self._is_first_copy = not rows
        if self._assignment is None:
            return
        is_large = (self._reader.rows_at_most() if self._is_first_copy else rows) >= LARGE_ROWS
        if not is_large and ledger is not None and rows >= GROWN_ROWS:
            is_large = ledger.has_unprinted(GROWN_ROWS)
        self._start_rows = 0 if is_large else rows + GROWN_ROWS

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
        if self._assignment is None:
            yield from self._reader.pages()
            return
        walk = self._reader.walk()
        while True:
            if self._ahead is None and self._rows >= self._start_rows:
                self._look_ahead(walk, self._assignment)
            page = walk.read() if self._ahead is None else self._ahead.next()
            if page is None:
                return
            self._rows += len(page) if isinstance(page, EncodedPage) else len(page.rows)
            yield page

    def _look_ahead(self, walk: Walk, assignment: Assignment) -> None:
        """See that the process is started. Until it is ready, reading goes on by rows."""
        try:
            if self._child is None:
                self._has_turn = self._has_turn or _turn.acquire(blocking=False)
                if not self._has_turn:
                    return
                self._child = ColumnarReader(assignment)
            # Rows cost four times as much: of a table that is known to be large, none is read while the process starts.
            if self._child.is_ready(0.0 if self._rows else _START_S):
                self._ahead = PagesAhead(self._child, self._source, walk, rows=self._rows,
                                         is_first_copy=self._is_first_copy,
                                         most_rows=self._reader.bounds.rows, table=self._reader.table)
        except ReaderGoneError as error:
            _log.warning(Event.COLUMNAR_ENDED, table=self._reader.table, why=str(error))
            self._start_rows = sys.maxsize
