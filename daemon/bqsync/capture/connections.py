"""Connections that can't write, each opened for one read."""

from __future__ import annotations

import sqlite3
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
    uri = f"file:{quote(str(access.real))}?{_parameters(access)}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        if access.exact_text:
            connection.text_factory = _keep_bytes
        connection.execute("PRAGMA query_only = ON")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _parameters(access: Access) -> str:
    """
    `readonly_shm`: where we might write the `-shm`, as in a group that may, SQLite would rebuild one that a crash left.

    Source: `unixOpenSharedMemory` in https://www.sqlite.org/src/file/src/os_unix.c
    """
    return "mode=ro&immutable=1" if access.immutable else "mode=ro&readonly_shm=1"


def _keep_bytes(text: bytes) -> str:
    """Decode so that the bytes which are no UTF-8 can be told and given back."""
    return text.decode("utf-8", "surrogateescape")
