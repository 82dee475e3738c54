"""Pages that are read ahead: while one is compared and sent, compiled code reads and encodes the next ones."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bqsync.capture.source import Source
from bqsync.capture.walk import Page, PageBounds, Row, Walk
from bqsync.model import EncodedPage
from bqsync.native.offer import UnfitError
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger

if TYPE_CHECKING:
    from bqsync.native.reader import NativeReader, Scanned

_log = get_logger()

_AHEAD = 8
"""So many pages wait, at most: for the unevenness of both sides."""
_MOST_BY_ROWS = 64
"""After a page that is not for compiled code, the next ones come by rows: twice as many each time, up to so many."""
_PAGE_BYTES = 1_400_000
"""Of cells: about one append request. Larger ones gain nothing."""


@dataclass(frozen=True, slots=True)
class _Read:
    page: Page | EncodedPage
    place: Row | None


class PagesAhead:
    """
    The rest of a walk, read ahead by a thread of its own.

    Args:
        reader: of the table.
        source: the file.
        walk: the walk so far; nobody else may go on with it.
        rows: how many rows it has brought.
        is_first_copy: nearly all rows will be staged as they come.
        bounds: of a page.
    """

    def __init__(
        self, reader: NativeReader, source: Source, walk: Walk, *, rows: int, is_first_copy: bool, bounds: PageBounds,
    ) -> None:
        self._reader = reader
        self._source = source
        self._walk = walk
        self._sequence = rows
        self._is_first_copy = is_first_copy
        self._bounds = PageBounds(bounds.rows, min(bounds.size_bytes, _PAGE_BYTES))
        self._by_rows, self._next_by_rows = 0, 1
        # Shared, under the condition.
        self._changed = threading.Condition()
        self._found: deque[_Read] = deque()
        self._taken = walk.place
        self._is_rewound = self._is_closed = self._is_ended = self._is_awaited = self._has_failed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="pages-ahead", daemon=True)
        self._thread.start()

    def next(self) -> Page | EncodedPage | None:
        """
        The next page; None where no row is left.

        Raises:
            BqsyncError: it can't be read.
        """
        with self._changed:
            self._is_awaited = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._found or self._is_ended or self._error is not None)
            self._is_awaited = False
            if not self._found:
                if self._error is not None:
                    raise self._error
                return None
            found = self._found.popleft()
            self._taken = found.place
            self._changed.notify_all()
            return found.page

    def forget(self) -> None:
        """Read again what was read ahead: newer versions of its rows have been merged meanwhile."""
        with self._changed:
            self._found.clear()
            self._is_rewound, self._is_ended = True, False
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of the thread: it ends with the page in hand."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while self._wait_for_room():
            is_awaited = self._is_awaited
            try:
                found = self._read()
            except BaseException as error:  # noqa: BLE001 - it is raised where the pages are taken
                with self._changed:
                    # What nobody waits for yet is tried again when somebody does.
                    self._has_failed = True
                    is_final = is_awaited and not self._is_rewound
                    if is_final:
                        self._error = error
                    self._changed.notify_all()
                    if is_final:
                        return
                continue
            with self._changed:
                self._has_failed = False
                if not self._is_rewound:
                    self._is_ended = found is None
                    if found is not None:
                        self._found.append(found)
                    self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        """Whether another page is to be read."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._is_rewound or self._is_wanted())
            if self._is_rewound:
                self._is_rewound = False
                self._walk.restart(self._taken)
            return not self._is_closed

    def _is_wanted(self) -> bool:
        if self._is_ended or (self._has_failed and not (self._is_awaited and not self._found)):
            return False
        # A page of rows takes several times as much memory as one of bytes, and has no bound where a row has none.
        return len(self._found) < _AHEAD and not (self._found and isinstance(self._found[-1].page, Page))

    def _read(self) -> _Read | None:
        if not self._by_rows:
            try:
                return self._by_compiled_code()
            except UnfitError as error:
                _log.debug(Event.NATIVE_UNFIT, table=self._walk.table, why=str(error))
                self._by_rows, self._next_by_rows = self._next_by_rows, min(2 * self._next_by_rows, _MOST_BY_ROWS)
        self._by_rows -= 1
        rows = self._walk.read()
        if rows is None:
            return None
        self._sequence += len(rows.rows)
        return _Read(rows, self._walk.place)

    def _by_compiled_code(self) -> _Read | None:
        scanned = self._source.lend(self._scan, self._reader.close)
        if scanned is None:
            return None
        page = self._reader.encode(self._sequence if self._is_first_copy else None)
        self._walk.move(scanned.place)
        self._sequence += scanned.rows
        self._next_by_rows = 1
        return _Read(page, scanned.place)

    def _scan(self, uri: str) -> Scanned | None:
        return self._reader.scan(uri, self._walk.place, self._bounds.rows, self._bounds.size_bytes)
