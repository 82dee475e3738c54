"""A table of ten columns and about 230 bytes a row, always the same for the same number of rows."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

TABLE = "events"
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, kind TEXT NOT NULL, amount REAL, is_paid BOOLEAN,
    note TEXT, payload TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, score REAL
);
CREATE INDEX IF NOT EXISTS events_updated_at ON events (updated_at);
"""
SECTION = """
[[tables]]
name = "events"
timestamps = { created_at = "unix_seconds", updated_at = "unix_seconds" }
"""
_KINDS = ("view", "click", "purchase", "refund", "sign-up", "log-in")
_START_S = 1_700_000_000


def make(path: Path, rows: int) -> None:
    """Create the database with so many rows."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        with connection:
            connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _rows(rows))


def _rows(count: int) -> Iterator[tuple[object, ...]]:
    rng = random.Random(1)
    for number in range(count):
        yield (
            number, rng.randrange(1_000_000), rng.choice(_KINDS), round(rng.random() * 100, 2), rng.randrange(2),
            f"note {number}" if number % 3 else None, f"{rng.getrandbits(480):0120x}", _START_S + number,
            _START_S + number, rng.random(),
        )
