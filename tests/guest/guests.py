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


def watch_balance(path: str, pause_s: float = 0) -> dict[str, Any]:
    """Until told: every sum of the accounts that was read, the counters in order, the errors, the longest read."""
    source = Source(Path(path), busy_timeout_s=5)
    sums: set[int] = set()
    counters: list[int] = []
    errors: list[dict[str, Any]] = []
    longest_s = 0.0
    while not is_told():
        began_s = time.monotonic()
        try:
            total, counter = source.read(balance)
        except BqsyncError as exc:
            errors.append(told(exc))
        else:
            sums.add(total)
            counters.append(counter)
        longest_s = max(longest_s, time.monotonic() - began_s)
        time.sleep(pause_s)
    return {"sums": sorted(sums), "reads": len(counters), "last": counters[-1] if counters else None,
            "in_order": counters == sorted(counters), "different": len(set(counters)), "errors": errors,
            "longest_s": longest_s}


def balance(connection: Connection) -> tuple[int, int]:
    """In two statements, which see one state of the database if they are in one transaction."""
    counter = connection.exec_driver_sql("SELECT amount FROM accounts WHERE id = 1000").scalar_one()
    total = connection.exec_driver_sql("SELECT sum(amount) FROM accounts WHERE id < 1000").scalar_one()
    again = connection.exec_driver_sql("SELECT amount FROM accounts WHERE id = 1000").scalar_one()
    return (int(total) if again == counter else -1), int(counter)


def read_pages(path: str, pause_s: float) -> int:
    """Until told: the whole of `t` page by page with a pause after each, as the daemon does; how many pages."""
    source, pages = Source(Path(path), busy_timeout_s=5), 0
    while not is_told():
        for _ in TableReader(source, "t", ["k", "x"], ["k"], PageBounds(5000, 8 << 20)).pages():
            pages += 1
            time.sleep(pause_s)
            if is_told():
                return pages
    return pages
