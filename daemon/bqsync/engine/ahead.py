"""Pages that are read ahead: while one is compared and sent, a process of its own reads and encodes the next ones."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bqsync.capture.source import Source
from bqsync.capture.walk import Page, Row, Walk
from bqsync.columnar.child import ColumnarReader, ReaderGoneError
from bqsync.columnar.messages import Closed, PageWanted, Unfit
from bqsync.model import EncodedPage
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger

_log = get_logger()

_AHEAD = 3
"""So many pages wait, at most: for the unevenness of both sides."""
_PIPELINED = 2
"""Pages that the process has in hand, at most: one is read while the other is encoded."""
_MOST_BY_ROWS = 64
"""After a page that is not for columns, the next ones are read by rows: twice as many each time, up to so many."""
_FIRST_LIMIT_ROWS = 500
"""How large rows are is not known before the first page."""
_PAGE_BYTES = 1_500_000
"""Encoded: one append request. Larger ones gain nothing."""
_MOST_GROWTH = 4


@dataclass(frozen=True, slots=True)
class _Read:
    page: Page | EncodedPage | None
    place: Row | None


class _Question:
    """May be asked several times, if the file is another one meanwhile; only the last answer counts."""

    def __init__(self, child: ColumnarReader, wanted: Callable[..., PageWanted]) -> None:
        self._child = child
        self._wanted = wanted
        self._is_asked = False

    def __call__(self, uri: str) -> Closed:
        closed = self._child.ask(self._wanted(uri=uri), again=self._is_asked)
        self._is_asked = True
        return closed


class PagesAhead:
    """
    The rest of a walk, read ahead by a thread of its own.

    Args:
        reader: the process; it is closed with this.
        source: the file.
        walk: the walk so far; nobody else may go on with it.
        rows: how many rows it has brought.
        is_first_copy: nearly all rows will be staged as they come.
        most_rows: of a page.
        table: its name, for the log.
    """

    def __init__(
        self, reader: ColumnarReader, source: Source, walk: Walk,
        *, rows: int, is_first_copy: bool, most_rows: int, table: str,
    ) -> None:
        self._reader: ColumnarReader | None = reader
        self._child = reader
        self._source = source
        self._walk = walk
        self._sequence = rows
        self._is_first_copy = is_first_copy
        self._most_rows = most_rows
        self._table = table
        self._limit_rows = min(_FIRST_LIMIT_ROWS, most_rows)
        self._by_rows, self._next_by_rows = 0, 1
        self._asked = deque[Closed]()
        self._may_ask = True
        # Shared, under the condition.
        self._changed = threading.Condition()
        self._found: deque[_Read] = deque()
        self._taken = walk.place
        self._is_rewound = self._is_closed = False
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
            self._changed.wait_for(lambda: self._found or self._error is not None)
            if self._error is not None and not self._found:
                raise self._error
            found = self._found.popleft()
            self._taken = found.place
            self._changed.notify_all()
            return found.page

    def forget(self) -> None:
        """Read again what was read ahead: newer versions of its rows have been merged meanwhile."""
        with self._changed:
            self._found.clear()
            self._is_rewound = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let go of process and thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._child.end()
        self._thread.join()
        self._child.close()

    def _work(self) -> None:
        try:
            while self._wait_for_room():
                found = self._read()
                with self._changed:
                    if not self._is_rewound:
                        self._found.append(found)
                        self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - it is raised where the pages are taken
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        """Whether another page is to be read."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._is_rewound or self._is_wanted())
            is_rewound, self._is_rewound = self._is_rewound, False
            if is_rewound:
                self._walk.restart(self._taken)
            if self._is_closed:
                return False
        if is_rewound:
            self._take_back()
        return True

    def _is_wanted(self) -> bool:
        return len(self._found) < _AHEAD and not (self._found and self._found[-1].page is None)

    def _read(self) -> _Read:
        page = self._by_columns() if self._reader is not None and not self._by_rows else None
        if isinstance(page, _Read):
            return page
        self._take_back()
        self._by_rows = max(0, self._by_rows - 1)
        rows = self._walk.read()
        self._sequence += 0 if rows is None else len(rows.rows)
        return _Read(rows, self._walk.place)

    def _by_columns(self) -> _Read | None:
        """The next page by columns; None where it has to be read by rows."""
        try:
            while self._may_ask and len(self._asked) < _PIPELINED:
                self._ask()
            answer = self._child.page()
        except ReaderGoneError as error:
            self._reader = None
            self._asked.clear()
            if not self._is_closed:
                _log.warning(Event.COLUMNAR_ENDED, table=self._table, why=str(error))
            return None
        closed = self._asked.popleft()
        if isinstance(answer, Unfit):
            _log.debug(Event.COLUMNAR_UNFIT, table=self._table, why=answer.why)
            self._by_rows, self._next_by_rows = self._next_by_rows, min(2 * self._next_by_rows, _MOST_BY_ROWS)
            return None
        if answer.page is None or closed.place is None:
            return _Read(None, self._walk.place)
        self._walk.move(closed.place)
        self._sequence += closed.rows
        self._next_by_rows = 1
        self._limit_rows = self._next_limit(answer.page)
        return _Read(answer.page, closed.place)

    def _ask(self) -> None:
        """Have the page read that comes behind those that were asked for."""
        sequence = self._sequence + sum(one.rows for one in self._asked) if self._is_first_copy else None
        wanted = partial(PageWanted, after=self._asked[-1].place if self._asked else self._walk.place,
                         limit_rows=self._limit_rows, first_sequence=sequence)
        self._asked.append(self._source.lend(_Question(self._child, wanted)))
        self._may_ask = self._asked[-1].place is not None

    def _take_back(self) -> None:
        """What was asked for is not wanted any more: the walk goes on at another place, or by rows."""
        try:
            while self._child.owed:
                self._child.page()
        except ReaderGoneError:
            pass  # the next question meets it as well
        self._asked.clear()
        self._may_ask = True

    def _next_limit(self, page: EncodedPage) -> int:
        fitting = _PAGE_BYTES * len(page) // max(1, len(page.body))
        return max(1, min(self._most_rows, fitting, len(page) * _MOST_GROWTH))
