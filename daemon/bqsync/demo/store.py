"""The application's store: an upsert or a delete is one statement and one commit, and is counted by the row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bqsync.demo.schema import KEYS, TABLES, upsert_statement

if TYPE_CHECKING:
    import random
    import sqlite3

    from bqsync.demo.rows import Row
    from bqsync.model import SqlValue

Counts = dict[str, dict[str, int]]
"""Rows by table, and there by `inserts`, `updates` and `deletes`."""

_CASCADES: dict[str, tuple[str, ...]] = {
    "job_runs": ("run_findings",),
    "job_details": ("run_findings", "job_quarantine"),
}
"""Tables whose rows go with a parent's; the parent's key has the same name in them."""


class ApplicationStore:
    """Reads and writes the nine tables over one connection that commits by itself (`connect`)."""

    def __init__(self, connection: sqlite3.Connection, rng: random.Random) -> None:
        self._connection = connection
        self._rng = rng
        self.statements = 0
        """Writing statements so far."""
        self.counts: Counts = {table: {"inserts": 0, "updates": 0, "deletes": 0} for table in TABLES}

    def upsert(self, table: str, row: Row) -> Row:
        """Insert a whole row, or update the one that has its key."""
        key = {name: row[name] for name in KEYS[table]}
        kind = "updates" if self.count(table, key) else "inserts"
        self._connection.execute(upsert_statement(table, row), row)
        self._done(table, kind, 1)
        return row

    def delete(self, table: str, where: Row) -> None:
        """Delete the rows with these values, and by cascade those that belong to them."""
        cascades = {child: self.count(child, where) for child in _CASCADES.get(table, ())}
        cursor = self._connection.execute(f"DELETE FROM {table} WHERE {_condition(where)}", where)
        self._done(table, "deletes", cursor.rowcount)
        for child, rows in cascades.items():
            self.counts[child]["deletes"] += rows

    def pick(self, table: str, condition: str = "TRUE") -> Row | None:
        """Some row that meets the condition (SQL), if there is one."""
        # From a random rowid onward, else from the first: no sort, whatever the size of the table.
        last = self._connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 1
        for first in (self._rng.randint(1, last), 1):
            query = f"SELECT * FROM {table} WHERE rowid >= ? AND ({condition}) ORDER BY rowid LIMIT 1"
            cursor = self._connection.execute(query, (first,))
            values: tuple[SqlValue, ...] | None = cursor.fetchone()
            if values is not None:
                cursor.close()  # a statement at rest would keep its read transaction open
                return dict(zip((column[0] for column in cursor.description or ()), values, strict=True))
        return None

    def count(self, table: str, where: Row) -> int:
        """How many rows have these values."""
        query = f"SELECT count(*) FROM {table} WHERE {_condition(where)}"
        return int(self._connection.execute(query, where).fetchone()[0])

    def extent(self) -> str:
        """Row count and highest rowid of every table: differs between a database and what it grows into."""
        queries = [f"SELECT count(*), max(rowid) FROM {table}" for table in TABLES]
        return " ".join(str(self._connection.execute(query).fetchone()) for query in queries)

    def _done(self, table: str, kind: str, rows: int) -> None:
        self.statements += 1
        self.counts[table][kind] += rows


def _condition(where: Row) -> str:
    return " AND ".join(f"{name} = :{name}" for name in where)
