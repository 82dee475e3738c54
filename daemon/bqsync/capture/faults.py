"""Failures of SQLite and of the file system, as an operator reads them."""

from __future__ import annotations

import errno
import re
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from bqsync.errors import BqsyncError, ErrorKind

_NOT_READABLE = "run bqsync as a user that may read it (for example `usermod -aG <group of the file> bqsync`)"

_BY_CODE: dict[int, tuple[ErrorKind, str, str]] = {
    sqlite3.SQLITE_BUSY: (
        ErrorKind.SOURCE_BUSY, "the application holds an exclusive lock on the database",
        "nothing is lost, the read is tried again; raise `source.busy_timeout` if it happens often",
    ),
    sqlite3.SQLITE_LOCKED: (
        ErrorKind.SOURCE_BUSY, "the database is locked", "nothing is lost, the read is tried again",
    ),
    sqlite3.SQLITE_PROTOCOL: (
        ErrorKind.SOURCE_BUSY, "other processes kept changing the locks of the database",
        "nothing is lost, the read is tried again",
    ),
    sqlite3.SQLITE_READONLY_ROLLBACK: (
        ErrorKind.SOURCE_BUSY, "a crash left a hot journal, which only a writer may roll back",
        "open the database once with the application (or `sqlite3 FILE 'SELECT 1'` as its owner)",
    ),
    sqlite3.SQLITE_READONLY_RECOVERY: (
        ErrorKind.SOURCE_BUSY, "a crash left a -wal file that only a writer may recover",
        "open the database once with the application",
    ),
    sqlite3.SQLITE_READONLY_CANTINIT: (
        ErrorKind.SOURCE_UNREADABLE, "the -shm file of the database can't be read", _NOT_READABLE,
    ),
    sqlite3.SQLITE_READONLY_DIRECTORY: (
        ErrorKind.SOURCE_UNREADABLE, "the database needs a -shm file and bqsync may not create one in its folder",
        "keep one connection open in the application, or run bqsync as the user of the application",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        ErrorKind.SOURCE_UNREADABLE, "the file, its -wal or its -shm may not be read", _NOT_READABLE,
    ),
    sqlite3.SQLITE_PERM: (ErrorKind.SOURCE_UNREADABLE, "access was refused", _NOT_READABLE),
    sqlite3.SQLITE_NOTADB: (
        ErrorKind.SOURCE_NOT_A_DATABASE, "the file is not a SQLite database, or it is encrypted",
        "point `source.db` at a SQLite file",
    ),
    sqlite3.SQLITE_CORRUPT: (
        ErrorKind.SOURCE_CORRUPT, "the database is damaged",
        "run `PRAGMA integrity_check` and restore a backup; nothing is deleted in BigQuery meanwhile",
    ),
    sqlite3.SQLITE_IOERR: (
        ErrorKind.SOURCE_CORRUPT, "the disk or the file system failed to read the file",
        "look at the kernel's log for disk errors; nothing is deleted in BigQuery meanwhile",
    ),
}


def undecodable_text(exc: BaseException) -> bool:
    """Whether a fetch failed on a text that is not UTF-8."""
    return "Could not decode to UTF-8" in str(_original(exc))


def sqlite_code(exc: BaseException) -> int:
    """The extended result code. Source: https://www.sqlite.org/rescode.html"""
    return int(getattr(_original(exc), "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR)


def source_error(path: Path, exc: BaseException) -> BqsyncError:
    """Translate a failure of reading `path`. The full code decides, else its primary code (its low byte)."""
    original = _original(exc)
    if isinstance(original, OSError):
        return _file_error(path, original)
    if isinstance(original, UnicodeError):
        return name_error(path)
    code = sqlite_code(exc)
    name = getattr(original, "sqlite_errorname", None) or type(original).__name__
    found = _BY_CODE.get(code) or _BY_CODE.get(code & 0xFF)
    if path.is_dir():
        return _directory(path)
    if "no such collation sequence" in str(original):
        return BqsyncError(
            ErrorKind.SOURCE_TABLE_INVALID, what=f"reading {path} failed: {original}",
            why="the key or the watermark of a table uses a collation that only the application defines",
            fix="name other columns in `key` or `watermark`, or give the column a UNIQUE index of a built-in collation",
        )
    if found is None:
        return BqsyncError(ErrorKind.SOURCE_CHANGED, what=f"reading {path} failed with {name}", why=_words(original),
                           fix="if the schema has just changed, the next cycle reads it anew; else run `bqsync check`")
    kind, why, fix = found
    return BqsyncError(kind, what=f"cannot read {path}: SQLite returned {name}", why=why, fix=fix)


def name_error(path: Path) -> BqsyncError:
    """SQLite takes names that are no text; nobody can ask it for them."""
    return BqsyncError(ErrorKind.SOURCE_TABLE_INVALID, what=f"the schema of {path} has a name that is not valid UTF-8",
                       why="a table, a column or an index can't be asked for by such a name, or the file is damaged",
                       fix="rename it (ALTER TABLE … RENAME), or run `PRAGMA integrity_check` and restore a backup")


def _words(exc: BaseException) -> str:
    """What SQLite says; between single quotes it may say a cell, as of a path in a generated column."""
    return re.sub(r"'.*'", "'…'", str(exc), flags=re.DOTALL)


def _original(exc: BaseException) -> BaseException:
    return exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc


def _file_error(path: Path, exc: OSError) -> BqsyncError:
    if exc.errno == errno.ELOOP:
        return BqsyncError(ErrorKind.SOURCE_MISSING, what=f"{path} does not exist",
                           why="its symbolic links lead in a circle; a missing file never counts as deleted rows",
                           fix="correct the links, or `source.db` (or DB_FILE)")
    if exc.errno == errno.ENOLCK:
        return BqsyncError(ErrorKind.SOURCE_UNREADABLE, what=f"cannot lock {path} for reading",
                           why="its file system knows no locks, or its lock service is down: what is read there may "
                               "be half-written",
                           fix="keep the database on a local file system")
    if isinstance(exc, FileNotFoundError | NotADirectoryError):
        return BqsyncError(ErrorKind.SOURCE_MISSING, what=f"{path} does not exist",
                           why="the database file is missing; a missing file never counts as deleted rows",
                           fix="start the application that creates it, or correct `source.db` (or DB_FILE)")
    if isinstance(exc, IsADirectoryError):
        return _directory(path)
    if isinstance(exc, PermissionError):
        return BqsyncError(ErrorKind.SOURCE_UNREADABLE, what=f"cannot read {path}", why=exc.strerror or "no permission",
                           fix=_NOT_READABLE)
    return BqsyncError(ErrorKind.SOURCE_CORRUPT, what=f"cannot read {path}", why=exc.strerror or str(exc),
                       fix="look at the kernel's log for disk errors")


def _directory(path: Path) -> BqsyncError:
    return BqsyncError(ErrorKind.SOURCE_NOT_A_DATABASE, what=f"{path} is a directory", why="a SQLite file is expected",
                       fix="point `source.db` at the database file")
