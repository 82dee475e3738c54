"""
The state file: opened, created, checked; everything else in this room works on its connection.

One connection, used under one lock by all threads: transactions are short, and SQLite has one writer anyway.
`synchronous=FULL`: a delivered row that the ledger forgets is only sent again, but a forgotten intent could let a MERGE
run late.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.state.lock import make_folder
from bqsync.state.schema import STATE_VERSION, meta, metadata, sources

_SIDE_FILES = ("", "-wal", "-shm")
_DAMAGE, _AGE = "the file was damaged", "the file was written by an older bqsync"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class _OutdatedError(Exception):
    """The file was written by an older bqsync."""


class Store:
    """
    An open state file.

    Args:
        path: the file; made if it is missing.
        read_only: look, change nothing, make nothing.
        rebuild: move a damaged or outdated file aside and begin anew; only for who holds the lock.

    Attributes:
        instance: a short random name, made with the file: staging tables carry it.
        rebuilt_from: where a damaged or outdated state was moved, if there was one.
        rebuilt_because: why, in words.

    Raises:
        BqsyncError: STATE_NEWER, STATE_UNWRITABLE, STATE_DAMAGED, or STATE_MISSING.
    """

    def __init__(self, path: Path, *, read_only: bool = False, rebuild: bool = True) -> None:
        self.path = path
        self.instance = ""
        self.rebuilt_from: Path | None = None
        self.rebuilt_because = ""
        self._read_only = read_only
        self._rebuild = rebuild and not read_only
        self._lock = threading.RLock()
        self._engine = self._open_or_rebuild()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction on the state: committed at the end of the block, rolled back by an exception."""
        with self._lock:
            try:
                with self._engine.begin() as connection:
                    connection.exec_driver_sql("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
                    yield connection
            except DatabaseError as exc:
                raise self._unwritable(exc.orig or exc) from exc
            except sqlite3.Error as exc:
                raise self._unwritable(exc) from exc

    def source_id(self, name: str) -> int:
        """The id of a source, allotted on first use."""
        with self.transaction() as connection:
            connection.exec_driver_sql("INSERT OR IGNORE INTO sources (name) VALUES (?)", (name,))
            return int(connection.execute(select(sources.c.id).where(sources.c.name == name)).scalar_one())

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._engine.dispose()

    def _open_or_rebuild(self) -> Engine:
        if self._read_only and not self.path.exists():
            raise self._missing()
        try:
            return self._open()
        except (DatabaseError, sqlite3.DatabaseError) as exc:
            cause = exc.orig if isinstance(exc, DatabaseError) else exc
            if not self._rebuild or getattr(cause, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise self._unwritable(cause or exc) from exc
            self.rebuilt_because = _DAMAGE
        except _OutdatedError as exc:
            if not self._rebuild:
                raise self._missing() from exc
            self.rebuilt_because = _AGE
        self.rebuilt_from = self._move_aside()
        return self._open()

    def _open(self) -> Engine:
        if not self._read_only:
            self._create_private_file()
        engine = create_engine("sqlite://", creator=self._connect, poolclass=StaticPool)
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("BEGIN")
                self._check_version(connection)
                if not self._read_only:
                    _create_tables(connection)
                self.instance = connection.execute(select(meta.c.value).where(meta.c.name == "instance")).scalar_one()
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _create_private_file(self) -> None:
        make_folder(self.path)
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as exc:
            raise self._unwritable(exc) from exc

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode={'ro' if self._read_only else 'rw'}",
            uri=True, timeout=10, isolation_level=None, check_same_thread=False,
        )
        if not self._read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _check_version(self, connection: Connection) -> None:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version > STATE_VERSION:
            raise BqsyncError(
                ErrorKind.STATE_NEWER, what=f"{self.path} was written by a newer bqsync",
                why=f"its version is {version}, this bqsync knows {STATE_VERSION}",
                fix="upgrade bqsync; or move the file away, and the next sync reconciles every table anew",
            )
        if self._read_only and version == 0:
            raise self._missing()
        if 0 < version < STATE_VERSION:
            raise _OutdatedError

    def _move_aside(self) -> Path:
        word = "damaged" if self.rebuilt_because == _DAMAGE else "outdated"
        aside = self.path.with_name(f"{self.path.name}.{word}-{time.strftime('%Y%m%dT%H%M%S')}")
        for suffix in _SIDE_FILES:
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")  # noqa: PTH105 - names, not paths
        return aside

    def _missing(self) -> BqsyncError:
        return BqsyncError(ErrorKind.STATE_MISSING, what=f"there is no state in {self.path} yet",
                           why="nothing was synced with this configuration", fix="run `bqsync sync`")

    def _unwritable(self, cause: BaseException) -> BqsyncError:
        if getattr(cause, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            return BqsyncError(
                ErrorKind.STATE_DAMAGED, what=f"the state file {self.path} is damaged", why=str(cause),
                fix=f"move it away (mv {self.path} {self.path}.damaged): the next sync makes a new one and reconciles "
                "every table with its target; nothing that was delivered is lost",
            )
        return BqsyncError(
            ErrorKind.STATE_UNWRITABLE, what=f"cannot use the state file {self.path}", why=str(cause),
            fix="check free space and permissions of its folder (mode 0700, owned by the user of bqsync); what was "
            "delivered stays delivered, and rows whose delivery could not be noted are sent again",
        )


def driver_cursor(connection: Connection) -> sqlite3.Cursor:
    """The driver's own cursor: SQLAlchemy's rows cost more than the read where thousands of them are read."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(type(raw))
    return raw.cursor()


def _create_tables(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.exec_driver_sql(
        "INSERT OR IGNORE INTO meta (name, value) VALUES ('instance', ?)", (secrets.token_hex(4),)
    )
    connection.exec_driver_sql(f"PRAGMA user_version = {STATE_VERSION}")
