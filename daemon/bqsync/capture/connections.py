"""Connections that can't write, each opened for one read."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool


class Access(NamedTuple):
    """How a file is read."""

    real: Path
    """The file behind all links: SQLite would follow them too, but a link may be changed between our look and its."""
    immutable: bool
    """Without locks, and without a `-wal`."""
    exact_text: bool
    """Texts that are no UTF-8 keep their bytes, by a slower way."""


class Connections:
    """Makes them; an engine of SQLAlchemy is kept for each way to read."""

    def __init__(self) -> None:
        self._engines: dict[Access, Engine] = {}

    def open(self, access: Access) -> Connection:
        """
        A connection of its own, which never waits for a lock (see `shared_lock`).

        Raises:
            sqlalchemy.exc.DBAPIError: SQLite can't open the file.
        """
        if access not in self._engines:
            if any(known.real != access.real for known in self._engines):
                self._engines.clear()  # a link leads elsewhere now
            self._engines[access] = _engine(access)
        return self._engines[access].connect()


def _engine(access: Access) -> Engine:
    uri = uri_of(access)

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        if access.exact_text:
            connection.text_factory = _keep_bytes
        for setting in settings():
            connection.execute(setting)
        _distrust(connection)
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def settings() -> tuple[str, ...]:
    """
    What every connection to the file begins with: it writes nothing, and trusts nothing that somebody else has written.

    The schema calls no function but harmless ones, damaged cells are told as such, and a page that can't be read is an
    error and not a signal.

    Source: https://www.sqlite.org/security.html
    """
    distrusted = ("PRAGMA trusted_schema = OFF",) if _can_distrust_schemas() else ()
    return ("PRAGMA query_only = ON", *distrusted, "PRAGMA cell_size_check = ON", "PRAGMA mmap_size = 0")


def _distrust(connection: sqlite3.Connection) -> None:
    """No other file is opened, and nothing is run. A row may be as long as SQLite lets it be: a large row is a row."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)


@cache
def _can_distrust_schemas() -> bool:
    """
    Whether this SQLite takes its own JSON functions for harmless.

    Some do not (seen with 3.40.1, that of Debian 12), and call a database damaged in which a generated column or an
    index uses one. Nothing is lost there: the connection knows no function but SQLite's own, and those of them that
    are dangerous are refused in a schema in any case.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        try:
            connection.execute("CREATE TABLE probe (a TEXT, b TEXT AS (json_extract(a, '$')))")
        except sqlite3.Error:
            return False
    return True


def uri_of(access: Access) -> str:
    """
    The file and the way to open it, for SQLite.

    `readonly_shm`: where we might write the `-shm`, as in a group that may, SQLite would rebuild one that a crash left.

    Source: `unixOpenSharedMemory` in https://www.sqlite.org/src/file/src/os_unix.c
    """
    way = "immutable=1" if access.immutable else "readonly_shm=1"
    return f"file:{quote(str(access.real))}?mode=ro&{way}"


def _keep_bytes(text: bytes) -> str:
    """Decode so that the bytes which are no UTF-8 can be told and given back."""
    return text.decode("utf-8", "surrogateescape")
