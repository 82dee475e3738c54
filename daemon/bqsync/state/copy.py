"""A copy of the state that a rehearsal writes to: it begins as the file is now, and is gone when it is closed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.store import Store


class StateCopy(Store):
    """
    The contents of a state file in a temporary database of SQLite's own, which has no name.

    The file is read in one short transaction, beside whoever holds its lock, and never written. Where there is none, or
    one that an older bqsync wrote, the copy is empty: as the state would be that a sync begins with.

    Args:
        path: the state file; None for a state in which nothing was ever noted.

    Raises:
        BqsyncError: STATE_NEWER, STATE_UNWRITABLE or STATE_DAMAGED.
    """

    def __init__(self, path: Path | None) -> None:
        self._begins_empty = path is None or not _is_usable(path)
        super().__init__(path or Path(), rebuild=False)

    def _create_private_file(self) -> None:
        """None: SQLite makes its own."""

    def _size_bytes(self) -> int:
        return 0 if self._begins_empty else super()._size_bytes()

    def _connect(self) -> sqlite3.Connection:
        copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        copy.execute("PRAGMA synchronous = OFF")
        if not self._begins_empty:
            uri = f"{self.path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None)) as original:
                original.backup(copy)
        return copy


def _is_usable(path: Path) -> bool:
    try:
        Store(path, read_only=True).close()
    except BqsyncError as failure:
        if failure.kind is not ErrorKind.STATE_MISSING:
            raise
        return False
    return True
