"""The rows of a state file, for those who take them elsewhere: ledger and quarantine of a table, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bqsync.state.quarantine import Quarantine, QuarantineEntry
from bqsync.state.store import Store, driver_cursor

_PAGE_ROWS = 5_000


class ExportedRow(NamedTuple):
    """A delivered row. A tuple in the order of the columns that are read, because millions are."""

    key: bytes
    """Encoded target key."""
    source_key: bytes | None
    """Encoded source key, where that is another."""
    fingerprint: int | None
    """None: what the target holds under the key is not known."""
    source_print: int | None
    instant_us: int | None


def ledger_pages(store: Store, table_id: int) -> Iterator[list[ExportedRow]]:
    """The ledger of a table in the order of its keys. Each page sees what was committed before it was read."""
    after = b""
    while True:
        with store.transaction() as connection:
            rows = driver_cursor(connection).execute(
                "SELECT key, source_key, fingerprint, source_print, instant_us FROM ledger"
                " WHERE table_id = ? AND key > ? ORDER BY key LIMIT ?", (table_id, after, _PAGE_ROWS)).fetchall()
        if not rows:
            return
        yield [ExportedRow._make(row) for row in rows]
        after = rows[-1][0]


def quarantine_entries(store: Store, table_id: int) -> list[QuarantineEntry]:
    """The quarantine of a table, in the order of its source keys. Bounded: a table with too many of them is stopped."""
    return [entry for _, entry in sorted(Quarantine(store, table_id).entries().items())]
