"""
The application whose database is kept: inserts, updates and deletes, some ten times a second, until SIGTERM.

    application.py FILE JOURNAL_MODE

Runs inside the machine as a user of its own, with Python alone. Keeps its connection open, and closes it at the end.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import threading
import time


def main(path: str, journal_mode: str) -> None:
    """Write until told to end."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute(f"PRAGMA journal_mode = {journal_mode}")
    connection.execute("CREATE TABLE IF NOT EXISTS orders"
                       " (number INTEGER PRIMARY KEY, customer TEXT NOT NULL, total REAL, updated_at INTEGER NOT NULL)")
    while not stop.wait(0.1):
        now_s = int(time.time())
        number = connection.execute("INSERT INTO orders (customer, total, updated_at) VALUES ('Ada', 0.3, ?)",
                                    (now_s,)).lastrowid or 0
        connection.execute("UPDATE orders SET total = total + 1, updated_at = ? WHERE number = ?", (now_s, number - 3))
        connection.execute("DELETE FROM orders WHERE number = ? AND number % 10 = 0", (number - 5,))
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
