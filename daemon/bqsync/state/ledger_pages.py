"""The whole ledger of a table in the order of its keys, a page at a time: single rows, and what is packed in runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from bqsync.state import runs
from bqsync.state.store import Store, driver_cursor

_PAGE_ROWS = 5_000
_PAGE_RUNS = 10


class PageRow(NamedTuple):
    """A delivered row. A tuple in the order of the columns that are read, because millions are."""

    key: bytes
    """Encoded target key."""
    source_key: bytes | None
    """Encoded source key, where that is another."""
    fingerprint: int | None
    """None: what the target holds under the key is not known."""
    source_print: int | None
    instant_us: int | None
    slot: int


def pages(store: Store, table_id: int) -> Iterator[list[PageRow]]:
    """All rows. Each page sees what was committed before it was read."""
    after: bytes | None = b""
    while after is not None:
        with store.transaction() as connection:
            page, after = _page(driver_cursor(connection), table_id, after)
        if page:
            yield page


def _page(cursor: sqlite3.Cursor, table_id: int, after: bytes) -> tuple[list[PageRow], bytes | None]:
    """The rows behind a key, and the key behind which the next page begins; None where there is none."""
    rows = cursor.execute(
        "SELECT key, source_key, fingerprint, source_print, instant_us, slot FROM ledger"
        " WHERE table_id = ? AND key > ? ORDER BY key LIMIT ?", (table_id, after, _PAGE_ROWS)).fetchall()
    packed = runs.following(cursor, table_id, after, _PAGE_RUNS)
    # Each of the two ends somewhere; the page ends at the nearer end.
    ends = [*([rows[-1][0]] if len(rows) == _PAGE_ROWS else []),
            *([packed[-1].run.last] if len(packed) == _PAGE_RUNS else [])]
    end = min(ends, default=None)
    page = [PageRow._make(row) for row in rows if end is None or row[0] <= end]
    for stored in packed:
        # Whole or not at all: no single row stands within a run.
        if end is None or stored.run.last <= end:
            page += [PageRow(key, source_key, fingerprint, source_print, None, slot)
                     for key, fingerprint, slot, source_print, source_key in stored.entries()]
    page.sort(key=itemgetter(0))
    return page, end
