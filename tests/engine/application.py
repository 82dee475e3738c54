"""The application beside the daemon: one table `t`, statements from whatever thread, and what has arrived of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.workbench import Workbench

NOW = 1_750_000_000
PLAIN = '[[tables]]\nname = "t"\n'


def execute(bench: Workbench, statement: str, *parameters: Any) -> None:
    """A statement of the application, from whatever thread."""
    with closing(sqlite3.connect(bench.db_path, isolation_level=None)) as connection:
        connection.execute(statement, parameters)


def ids(bench: Workbench) -> list[Any]:
    """The keys that the target holds, in their order."""
    return [row["id"] for row in bench.rows("t", "id")]


def series(last: int) -> str:
    """The numbers from 1 to the last one, as FROM takes them."""
    return (f"(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {last})"
            " SELECT * FROM n)")
