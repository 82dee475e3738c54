"""What an application does with its database; asked for by name, in a process of its own."""

from __future__ import annotations

import os
import random
import sqlite3
import time

from tests.guest.person import is_told

connections: dict[str, sqlite3.Connection] = {}
BUSY = sqlite3.SQLITE_BUSY


def create(path: str, mode: str, script: str, file_mode: int = 0o644) -> None:
    """A database that is made and closed cleanly."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.executescript(script)
    connection.close()
    os.chmod(path, file_mode)  # side files get the mode of the database


def open_(path: str, *statements: str, busy_timeout_s: float = 0) -> list[list[object]]:
    """Open, and stay open."""
    connections[path] = sqlite3.connect(path, isolation_level=None, timeout=busy_timeout_s)
    return run(path, *statements)


def run(path: str, *statements: str) -> list[list[object]]:
    """The rows of the last statement."""
    rows: list[list[object]] = []
    for statement in statements:
        rows = [list(row) for row in connections[path].execute(statement)]
    return rows


def close(path: str) -> None:
    connections.pop(path).close()


def leave(path: str, mode: int) -> None:
    os.chmod(path, mode)


def replace(path: str, other: str) -> None:
    os.replace(path, other)


def write_balanced(path: str, mode: str, busy_timeout_s: float = 0) -> dict[str, int]:
    """
    Until told: transactions that move amounts between accounts, so that the sum stays 0, and count themselves.

    Any lock that outlasts the time-out counts, and the transaction is tried again.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=busy_timeout_s)
    done = busy = 0
    while not is_told():
        try:
            if mode == "mixed":
                connection.execute(f"PRAGMA journal_mode = {random.choice(['delete', 'wal', 'persist', 'truncate'])}")
            transact(connection, done + 1)
            done += 1
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != BUSY:
                raise
            busy += 1
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        time.sleep(random.uniform(0, 0.002))
    connection.close()
    return {"done": done, "busy": busy}


def transact(connection: sqlite3.Connection, number: int) -> None:
    one, other = random.sample(range(1, 200), 2)
    amount = random.randrange(1000)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE accounts SET amount = amount + ? WHERE id = ?", (amount, one))
    connection.execute("UPDATE accounts SET amount = amount - ? WHERE id = ?", (amount, other))
    connection.execute("UPDATE accounts SET amount = ? WHERE id = 1000", (number,))
    connection.execute("COMMIT")


def visit(path: str, times: int, pause_s: float) -> dict[str, int]:
    """Open, write, close, again and again; how often the -wal was there after the close."""
    left = busy = 0
    for _ in range(times):
        connection = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            connection.execute("UPDATE accounts SET amount = amount + 1 WHERE id = 1000")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != BUSY:
                raise
            busy += 1
        connection.close()
        left += os.path.exists(f"{path}-wal")
        time.sleep(random.uniform(0, 2 * pause_s))
    return {"left": left, "busy": busy}
