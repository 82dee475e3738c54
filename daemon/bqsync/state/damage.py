"""What can't be in a state file that is whole: looked for when it is opened, and by whoever has met something odd."""

from __future__ import annotations

from sqlalchemy import Connection

from bqsync.state.schema import metadata

_STRANGE_SLOT = ("SELECT 1 FROM ledger LEFT JOIN tables ON tables.id = table_id"
                 " WHERE next_slot IS NULL OR slot < 0 OR slot >= next_slot LIMIT 1")

_STRANGE_RUN = ("SELECT 1 FROM runs LEFT JOIN tables ON tables.id = table_id WHERE next_slot IS NULL OR first_slot < 0"
                " OR rows < 1 OR first_slot + rows > next_slot OR length(keys) <> rows * key_bytes"
                " OR length(fingerprints) <> 8 * rows OR length(source_prints) <> 8 * rows"
                " OR first_key <> substr(keys, 1, key_bytes) OR last_key <> substr(keys, -key_bytes) LIMIT 1")

MISFIT = "rows of the ledger that are packed together do not fit together"


class StrangeError(Exception):
    """The file holds what nobody has written so; the message says what."""


def check_size(connection: Connection, size_bytes: int) -> None:
    """
    SQLite takes what is missing of the last page for zeros.

    Args:
        connection: to the file.
        size_bytes: of the file; 0 where that tells nothing.

    Raises:
        StrangeError: it ends within a page.
    """
    if size_bytes % int(connection.exec_driver_sql("PRAGMA page_size").scalar_one()):
        raise StrangeError(f"it is cut off within a page, at byte {size_bytes}")


def check_columns(connection: Connection) -> None:
    """
    A bit in the name of a table would make it another one, and an empty one would be made beside it.

    Raises:
        StrangeError: a table has other columns than it was made with.
    """
    for table in metadata.sorted_tables:
        found = {row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table.name})")}
        if found != set(table.columns.keys()):
            raise StrangeError(f"table {table.name} has not the columns that it was made with")


def find_damage(connection: Connection) -> str | None:
    """What is damaged in a way that SQLite does not tell while it reads; None where nothing is found. Reads it all."""
    found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    if found != "ok":
        return found
    if connection.exec_driver_sql(_STRANGE_SLOT).first() is not None:
        return "a row of the ledger has a number that was never given"
    if connection.exec_driver_sql(_STRANGE_RUN).first() is not None:
        return MISFIT
    return None
