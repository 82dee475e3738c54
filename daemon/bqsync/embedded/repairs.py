"""
What has to be different in bqemulator for a daemon's load: one cursor a thread, and no history. Tried with 1.4.0.

**Cursors.** bqemulator shares one DuckDB connection between the thread that answers REST and those that answer gRPC.
Two things go wrong when both are busy: `unregister` waits for the connection's lock while it holds Python's interpreter
lock, which the statement in hand needs to read the rows it inserts, and the process hangs for good; and a result that
is not fetched yet is replaced by that of another thread's statement. With a cursor of its own no thread meets another's
result, and the lock is waited for without the interpreter lock.

**History.** For time travel it copies the whole table after every append, so that a first copy takes time and disk by
the square of its size: 70 s and 1.7 GB for 100,000 rows of 1.2 kB. Nothing here asks for the past.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_one_statement = threading.RLock()
_of_thread = threading.local()


class _Cursor:
    """A DuckDB cursor whose every call waits for its turn."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._cursor, name)
        return self._in_turn(value) if callable(value) else value

    def _in_turn(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with _one_statement:
                result = method(*arguments, **options)
            return self if result is self._cursor else result

        return call


def give_each_thread_its_cursor() -> None:
    """Replace the connection that bqemulator's engine hands out. Called once, before the emulator starts."""
    from bqemulator.storage.engine import DuckDBEngine

    shared: Callable[[Any], Any] = vars(DuckDBEngine)["connection"].fget

    def of_this_thread(engine: Any) -> _Cursor:
        connection = shared(engine)
        cursor: _Cursor | None = getattr(_of_thread, "cursor", None)
        if cursor is None or _of_thread.connection is not connection:
            with _one_statement:
                raw = connection.cursor()
                raw.execute("SET TimeZone = 'UTC'")
            cursor = _of_thread.cursor = _Cursor(raw)
            _of_thread.connection = connection
        return cursor

    setattr(DuckDBEngine, "connection", property(of_this_thread))


def keep_no_history() -> None:
    """Publish changes without copying the changed table. Called once, before the emulator starts."""
    from bqemulator.domain.events import TableDataChanged
    from bqemulator.versioning.snapshots import SnapshotManager

    def publish(manager: Any, project_id: str, dataset_id: str, table_id: str) -> None:
        manager._events.publish(TableDataChanged(project_id, dataset_id, table_id))

    setattr(SnapshotManager, "record_change", publish)
