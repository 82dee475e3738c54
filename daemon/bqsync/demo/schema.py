"""The nine tables of the job tracker, as the files in `sql/` create them."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bqsync.model import SqlValue

KEYS: dict[str, tuple[str, ...]] = {
    "job_runs": ("job_run_id",),
    "job_details": ("job_id",),
    "document_store": ("document_id",),
    "run_findings": ("job_run_id", "job_id"),
    "llm_models": ("model_id",),
    "job_quarantine": ("job_quarantine_id",),
    "job_skills": ("job_skill_id",),
    "prompt": ("prompt_id",),
    "llm_runs_v2": ("llm_run_id",),
}
"""The key columns of every table, parents before the tables that refer to them."""

TABLES: tuple[str, ...] = tuple(KEYS)

_BUSY_TIMEOUT_S = 30.0


def connect(path: Path) -> sqlite3.Connection:
    """
    Open (or make) a database as the application opens it: WAL mode, foreign keys on, a commit per statement.

    Raises:
        sqlite3.Error: the file can't be opened or is no database.
    """
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    prepare(connection)
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """
    Create those of the nine tables that are missing, in WAL mode with foreign keys on.

    Commits a transaction that is open on the connection.
    """
    connection.commit()
    prepare(connection)
    for statement in create_statements().values():
        connection.executescript(statement)


def prepare(connection: sqlite3.Connection) -> None:
    """Set what the application sets on its connection. Has no effect inside a transaction."""
    connection.execute("PRAGMA journal_mode = WAL").close()
    # A power cut may take the last commits of the demo: nobody needs an fsync for each.
    connection.execute("PRAGMA synchronous = NORMAL").close()
    connection.execute("PRAGMA foreign_keys = ON").close()


def create_statements() -> dict[str, str]:
    """The text of each SQL file by its name, in the order in which they have to run."""
    folder = resources.files("bqsync").joinpath("sql")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return {file.name: file.read_text(encoding="utf-8") for file in files}


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction, whatever the connection's isolation level: committed at the end, rolled back on an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def insert_statement(table: str, columns: Mapping[str, SqlValue]) -> str:
    """An INSERT with one named parameter a column."""
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in columns)})"


def upsert_statement(table: str, columns: Mapping[str, SqlValue]) -> str:
    """The application's one way of writing: an INSERT that updates the row of the same key."""
    keys = KEYS[table]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in keys)
    return f"{insert_statement(table, columns)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {updates}"
