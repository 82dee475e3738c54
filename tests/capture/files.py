"""SQLite files as applications make them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bqsync.capture.page_sql import OrderTerm
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bqsync.model import SqlValue

WIDE = PageBounds(rows=1000, size_bytes=1 << 30)


def application(path: Path, *, mode: str = "delete") -> sqlite3.Connection:
    """A connection of the application's own, in autocommit."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    return connection


def make(path: Path, script: str, *, mode: str = "delete") -> Source:
    """A database that an application has made and closed."""
    with closing(application(path, mode=mode)) as connection:
        connection.executescript(script)
    return Source(path)


def keyed(path: Path, declaration: str, key: Sequence[str], rows: Iterable[Sequence[SqlValue]]) -> TableReader:
    """A table `t` with these rows; a text that is no UTF-8 is stored as the bytes that it stands for."""
    path.unlink(missing_ok=True)
    with closing(application(path)) as connection:
        connection.execute(f"CREATE TABLE t {declaration}")
        for row in rows:
            places = ", ".join("CAST(? AS TEXT)" if isinstance(value, str) else "?" for value in row)
            bound = [value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value for value in row]
            connection.execute(f"INSERT OR REPLACE INTO t VALUES ({places})", bound)
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(t)")]
        without_rowid = bool(connection.execute("PRAGMA table_list(t)").fetchone()[4])
    range_order = () if without_rowid else (OrderTerm("rowid"),)
    return TableReader(Source(path), "t", columns, key, WIDE, range_order=range_order)


def bounded(reader: TableReader, rows: int, size_bytes: int = 1 << 30) -> TableReader:
    """The same reader with other bounds."""
    return TableReader(reader._source, reader.table, reader.columns, reader.key, PageBounds(rows, size_bytes),
                       order=reader.order, range_order=reader._range_order)
