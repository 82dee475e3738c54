"""Why a read can't be done just now, and how long it is worth trying again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from bqsync.capture.faults import source_error, sqlite_code
from bqsync.errors import BqsyncError, ErrorKind

_SIDE_FILES_S = 0.5
"""An application that is opening or closing its database is through by then; what a crash left is still there."""
_MOVED_ATTEMPTS, _MOVED_S = 10, 1.0
"""So many immutable reads in a row that were disturbed, for so long, mean a writer that never rests."""

_LOCKS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_SIDE_FILES = frozenset({
    sqlite3.SQLITE_READONLY_RECOVERY,  # also where the header of the -shm was read while a writer changed it
    sqlite3.SQLITE_READONLY_CANTINIT, sqlite3.SQLITE_READONLY_DIRECTORY, sqlite3.SQLITE_READONLY_ROLLBACK,
    sqlite3.SQLITE_CANTOPEN,
})


class NotNowError(Exception):
    """
    A read that may succeed a little later.

    Attributes:
        error: what is told when patience has ended.
        patience_s: how long to try, counted from the first attempt.
        least_attempts: try so often, however long that takes.
    """

    def __init__(self, error: BqsyncError, *, patience_s: float, least_attempts: int = 1) -> None:
        super().__init__(str(error))
        self.error = error
        self.patience_s = patience_s
        self.least_attempts = least_attempts


def locked(path: Path, busy_timeout_s: float) -> NotNowError:
    """Another process has the exclusive lock."""
    return NotNowError(BqsyncError(
        ErrorKind.SOURCE_BUSY, what=f"{path} was locked for {busy_timeout_s:g} s",
        why="the application holds an exclusive lock on the database",
        fix="nothing is lost, the read is tried again; raise `source.busy_timeout` if it happens often",
    ), patience_s=busy_timeout_s)


def without_shm(path: Path) -> NotNowError:
    """
    A `-wal` without a `-shm`: an application is just opening it, or a crash or a copy left it behind.

    Reading the latter would need the `-shm`, which is not ours to make.
    """
    return NotNowError(BqsyncError(
        ErrorKind.SOURCE_BUSY, what=f"{path} has a -wal file and no -shm file",
        why="a crash or a copy left the -wal behind; reading it would create the -shm in the application's folder",
        fix="open the database once with the application, or `sqlite3 FILE 'SELECT 1'` as its owner",
    ), patience_s=_SIDE_FILES_S)


def without_wal(path: Path) -> NotNowError:
    """
    Someone has a database in WAL mode open, and there is no `-wal`.

    It is just being opened; or its `-wal` was deleted under the application; or the application knows the file by
    another name, a hard link, and keeps its `-wal` there. In the last two cases, what we would read is stale.
    """
    return NotNowError(BqsyncError(
        ErrorKind.SOURCE_BUSY, what=f"{path} is open in another process, and has no -wal file",
        why="it is in WAL mode: the -wal was deleted, or stands beside another name of the same file (a hard link)",
        fix="point `source.db` at the name that the application opens; if it is that one, restart the application",
    ), patience_s=_SIDE_FILES_S)


def moved(path: Path) -> NotNowError:
    """What an immutable read saw does not count, since the file changed meanwhile."""
    return NotNowError(BqsyncError(
        ErrorKind.SOURCE_BUSY, what=f"{path} was rewritten during each of {_MOVED_ATTEMPTS} reads or more",
        why="it is in WAL mode without a -wal file, and another process keeps opening and closing it",
        fix="nothing is lost, the read is tried again; keep one connection open in the application to remove it",
    ), patience_s=_MOVED_S, least_attempts=_MOVED_ATTEMPTS)


def refusal(path: Path, exc: sqlite3.Error | DBAPIError, busy_timeout_s: float) -> NotNowError | None:
    """What SQLite said when the transaction was begun; None where waiting would not help."""
    code = sqlite_code(exc)
    if code & 0xFF in _LOCKS:
        return NotNowError(source_error(path, exc), patience_s=busy_timeout_s)
    if code in _SIDE_FILES:
        return NotNowError(source_error(path, exc), patience_s=_SIDE_FILES_S)
    return None
