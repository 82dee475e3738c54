"""
Many small tables, read in one transaction where each would have had several.

Each opening of a database reads its whole schema. Where there are thousands of tables, that takes longer than to read a
small one, and the time for all of them would grow with the square of their number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from bqsync.capture.page_sql import quote
from bqsync.capture.source import Source

R = TypeVar("R")
T = TypeVar("T")

_SMALL_ROWS = 1_000
_TOGETHER_S = 0.1
"""About as long as the read of one page lasts."""


def read_small_tables(source: Source, names: Sequence[str], work: Callable[[Source, str], R]) -> dict[str, R]:
    """
    Run `work` for each table that is small.

    Args:
        source: the database.
        names: of its tables.
        work: reads one table by the source that it is given; it may be run several times.

    Returns:
        By name. What is large or odd is missing: it is to be read by itself, and what is wrong with it is told then.

    Raises:
        BqsyncError: one of the SOURCE_… kinds.
    """
    found: dict[str, R] = {}
    at = 0
    while at < len(names):
        some = source.read(partial(_read_some, source.path, names[at:], work))
        found.update((name, result) for name, result in zip(names[at:], some, strict=False) if result is not None)
        at += len(some)
    return found


class _OneTransaction(Source):
    """Reads within a transaction that is open, for a moment."""

    def __init__(self, path: Path, connection: Connection) -> None:
        super().__init__(path)
        self._connection = connection
        self._began_s = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Nothing more is to begin."""
        return time.monotonic() >= self._began_s + _TOGETHER_S

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` at once; a table whose reads go on for too long is left."""
        if time.monotonic() >= self._began_s + 2 * _TOGETHER_S:
            raise TimeoutError
        return work(self._connection)


def _read_some(
    path: Path, names: Sequence[str], work: Callable[[Source, str], R], connection: Connection
) -> list[R | None]:
    """The results of the first of these tables, one at least."""
    reads = _OneTransaction(path, connection)
    found: list[R | None] = []
    for name in names:
        try:
            found.append(work(reads, name) if _is_small(connection, name) else None)
        except Exception:  # noqa: BLE001 - whatever it is, the table is read by itself, and it is told then
            found.append(None)
        if reads.is_over:
            break
    return found


def _is_small(connection: Connection, table: str) -> bool:
    rows = connection.exec_driver_sql(f"SELECT count(*) FROM (SELECT 1 FROM {quote(table)} LIMIT {_SMALL_ROWS})")
    return int(rows.scalar_one()) < _SMALL_ROWS
