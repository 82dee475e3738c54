"""What bqsync does with the database; asked for by name, in a process of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from tests.guest.person import is_told

from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.source import Source
from bqsync.errors import BqsyncError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from bqsync.capture.pages import Page

create_engine("sqlite://", poolclass=NullPool).connect().close()  # imports what it needs, as long as it may

walks: list[Iterator[Page]] = []


def rows(path: str, table: str = "t", busy_timeout_s: float = 0.2) -> dict[str, Any]:
    """All rows by the daemon's own reader, or the error as it would be told."""
    source = Source(Path(path), busy_timeout_s=busy_timeout_s)
    columns = ["id", "amount"] if table == "accounts" else ["k", "x"]
    reader = TableReader(source, table, columns, columns[:1], PageBounds(5000, 8 << 20))
    try:
        return {"rows": [row for page in reader.pages() for row in page.rows]}
    except BqsyncError as exc:
        return told(exc)


def told(exc: BqsyncError) -> dict[str, Any]:
    return {"kind": exc.kind.value, "what": exc.what, "why": exc.why, "fix": exc.fix}


def start_walk(path: str, page_rows: int) -> None:
    """Pages of a table, of which each is read when it is asked for."""
    walks[:] = [TableReader(Source(Path(path), busy_timeout_s=5), "t", ["k", "x"], ["k"],
                            PageBounds(page_rows, 8 << 20)).pages()]


def next_page() -> dict[str, Any]:
    try:
        page = next(walks[0], None)
    except BqsyncError as exc:
        return told(exc)
    return {"rows": [] if page is None else page.rows}


def watch_balance(path: str, different: int, seconds: float, busy_timeout_s: float = 60) -> dict[str, Any]:
    """
    For so long, and until so many states have been seen: every sum of the accounts, the counters in order, the errors.

    An error ends it as well: what has gone wrong may keep the states from changing.
    """
    source = Source(Path(path), busy_timeout_s=busy_timeout_s)
    sums: set[int] = set()
    counters: list[int] = []
    errors: list[dict[str, Any]] = []
    until_s = time.monotonic() + seconds
    while not errors and (time.monotonic() < until_s or len(set(counters)) < different):
        try:
            total, counter = source.read(balance)
        except BqsyncError as exc:
            errors.append(told(exc))
        else:
            sums.add(total)
            counters.append(counter)
    return {"sums": sorted(sums), "in_order": counters == sorted(counters), "errors": errors}


def balance(connection: Connection) -> tuple[int, int]:
    """In two statements, which see one state of the database if they are in one transaction."""
    counter = connection.exec_driver_sql("SELECT amount FROM accounts WHERE id = 1000").scalar_one()
    total = connection.exec_driver_sql("SELECT sum(amount) FROM accounts WHERE id < 1000").scalar_one()
    again = connection.exec_driver_sql("SELECT amount FROM accounts WHERE id = 1000").scalar_one()
    return (int(total) if again == counter else -1), int(counter)


def read_pages(path: str) -> int:
    """
    Until told: the whole of `t` page by page; how many pages.

    Each is followed by a pause that is as long as its read, however slow the machine: half of the time nobody reads.
    """
    source, pages = Source(Path(path), busy_timeout_s=60), 0
    while True:
        began_s = time.monotonic()
        for _ in TableReader(source, "t", ["k", "x"], ["k"], PageBounds(5000, 8 << 20)).pages():
            pages += 1
            time.sleep(time.monotonic() - began_s)
            if is_told():
                return pages
            began_s = time.monotonic()
