"""Why a state file can't be used, as an operator reads it. Pure."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.exc import MultipleResultsFound, NoResultFound

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.damage import StrangeError
from bqsync.state.schema import STATE_VERSION

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNKNOWN_FORMAT = "unsupported file format"
"""SQLite's words for a schema format that was never given. Source: https://www.sqlite.org/fileformat.html#schemaformat"""


def is_damage(cause: BaseException) -> bool:
    """What can only be read so from a file that nobody has written so."""
    if isinstance(cause, UnicodeDecodeError | NoResultFound | MultipleResultsFound | StrangeError):
        return True
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        # The driver's own words about a text that is no UTF-8.
        return isinstance(cause, sqlite3.OperationalError)
    return code & 0xFF in _DAMAGED or str(cause) == _UNKNOWN_FORMAT


def is_read_only(cause: BaseException) -> bool:
    """SQLite may not write to the file, whatever the system allows."""
    return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY


def state_error(path: Path, cause: BaseException) -> BqsyncError:
    """STATE_DAMAGED where the file is, else STATE_UNWRITABLE."""
    if is_damage(cause):
        return BqsyncError(
            ErrorKind.STATE_DAMAGED, what=f"the state file {path} is damaged", why=str(cause),
            fix="run `bqsync sync`: the file is moved aside, and every table is reconciled with its target (a "
            "daemon does that by itself); nothing that was delivered is lost",
        )
    return BqsyncError(
        ErrorKind.STATE_UNWRITABLE, what=f"cannot use the state file {path}",
        why=f"{cause.strerror}: {cause.filename}" if isinstance(cause, OSError) else str(cause),
        fix="check free space and permissions of its folder (mode 0700, owned by the user of bqsync); what was "
        "delivered stays delivered, and rows whose delivery could not be noted are sent again",
    )


def closed(path: Path) -> BqsyncError:
    """Somebody works on though the state was closed."""
    return BqsyncError(ErrorKind.STATE_UNWRITABLE, what=f"the state {path} is closed",
                       why="bqsync is ending, and a part of it is still at work",
                       fix="nothing is lost: start it again")


def missing(path: Path) -> BqsyncError:
    """There is nothing to be read."""
    return BqsyncError(ErrorKind.STATE_MISSING, what=f"there is no state in {path} yet",
                       why="nothing was synced with this configuration", fix="run `bqsync sync`")


def newer(path: Path, version: int) -> BqsyncError:
    """The file is of a version that this bqsync does not know."""
    return BqsyncError(
        ErrorKind.STATE_NEWER, what=f"{path} was written by a newer bqsync",
        why=f"its version is {version}, this bqsync knows {STATE_VERSION}",
        fix="upgrade bqsync; or move the file away, and the next sync reconciles every table anew",
    )
