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
from sqlalchemy.exc import DatabaseError, MultipleResultsFound, NoResultFound
from sqlalchemy.pool import StaticPool

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.regular_file import require_regular, require_regular_if_there
from bqsync.state import faults
from bqsync.state.damage import StrangeError, check_columns, check_size, find_damage
from bqsync.state.lock import make_folder
from bqsync.state.schema import STATE_VERSION, meta, metadata, sources

SIDE_FILES = ("", "-wal", "-shm", "-journal")
_DAMAGE, _AGE = "the file was damaged", "the file was written by an older bqsync"


class _OutdatedError(Exception):
    """The file was written by an older bqsync."""


class Store:
    """
    An open state file.

    Args:
        path: the file; made if it is missing.
        read_only: look, change nothing, make nothing.
        rebuild: move a damaged or outdated file aside and begin anew; only for who holds the lock.

    The file may be open in this process already, to be read or to be written to, so nothing but SQLite opens it: POSIX
    locks belong to the process, and closing any other descriptor of the file drops them all. Another process that
    closes the file could then take itself for the last one, and remove the -wal from under this one.
    Source: https://www.sqlite.org/howtocorrupt.html

    Damage that only shows later is told by whoever meets it. The file is moved aside then when it is closed.

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
        self._is_damaged = False
        self._is_closed = False
        self._data_version: int | None = None
        self._lock = threading.RLock()
        self._engine = self._open_or_rebuild()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction on the state: committed at the end of the block, rolled back by an exception."""
        with self._lock:
            if self._is_closed:
                raise faults.closed(self.path)
            try:
                with self._engine.begin() as connection:
                    connection.exec_driver_sql("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
                    yield connection
            except DatabaseError as exc:
                raise self._failed(exc.orig or exc) from exc
            except (sqlite3.Error, UnicodeDecodeError, NoResultFound, MultipleResultsFound, StrangeError) as exc:
                raise self._failed(exc) from exc

    def source_id(self, name: str) -> int:
        """The id of a source, allotted on first use."""
        with self.transaction() as connection:
            connection.exec_driver_sql("INSERT OR IGNORE INTO sources (name) VALUES (?)", (name,))
            return int(connection.execute(select(sources.c.id).where(sources.c.name == name)).scalar_one())

    def changed_by_others(self) -> bool:
        """
        Whether another process has written to the file since this was last asked. Costs no disk.

        Source: https://www.sqlite.org/pragma.html#pragma_data_version
        """
        # A commit of ours that is under way is not waited for: what others wrote shows the next time as well.
        if not self._lock.acquire(blocking=False):
            return False
        try:
            with self._engine.connect() as connection:
                version = int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())
        except DatabaseError as exc:
            raise self._failed(exc.orig or exc) from exc
        finally:
            self._lock.release()
        known, self._data_version = self._data_version, version
        return known not in (None, version)

    def damage(self) -> BqsyncError | None:
        """
        Whether the file is damaged in a way that SQLite does not tell while it reads; None where nothing is found.

        Reads all of it: for whoever has met something that can't be.
        """
        try:
            with self.transaction() as connection:
                found = find_damage(connection)
        except BqsyncError as failure:
            return failure if failure.kind is ErrorKind.STATE_DAMAGED else None
        return None if found is None else self.condemn(found)

    def condemn(self, why: str) -> BqsyncError:
        """Somebody has read what can only stand in a damaged file: the error that tells it."""
        return self._failed(StrangeError(why))

    def close(self) -> None:
        """
        Close the file; a damaged one is moved aside. Safe to call twice.

        A transaction of another thread is waited for: SQLite can't bear to lose its connection under a statement.
        """
        with self._lock:
            self._is_closed = True
            self._engine.dispose()
            if self._is_damaged and self._rebuild:
                self._is_damaged = False
                self.rebuilt_because = _DAMAGE
                self.rebuilt_from = self._move_aside()

    def _open_or_rebuild(self) -> Engine:
        if self._read_only and not self.path.exists():
            raise faults.missing(self.path)
        try:
            return self._open()
        except (DatabaseError, sqlite3.DatabaseError, UnicodeDecodeError, NoResultFound, StrangeError) as exc:
            cause = exc.orig if isinstance(exc, DatabaseError) and exc.orig is not None else exc
            if faults.is_read_only(cause) and os.access(self.path, os.W_OK):
                # Source: https://www.sqlite.org/fileformat.html#file_format_version_numbers
                cause = StrangeError("its header names a format that only a later SQLite writes")
            if not self._rebuild or not faults.is_damage(cause):
                raise self._failed(cause) from exc
            self.rebuilt_because = _DAMAGE
        except _OutdatedError as exc:
            if not self._rebuild:
                raise faults.missing(self.path) from exc
            self.rebuilt_because = _AGE
        self.rebuilt_from = self._move_aside()
        return self._open()

    def _open(self) -> Engine:
        if not self._read_only:
            self._create_private_file()
        size_bytes = self._size_bytes()
        engine = create_engine("sqlite://", creator=self._connect, poolclass=StaticPool)
        try:
            with engine.begin() as connection:
                # A transaction that has read may not write any more, once another process has written.
                connection.exec_driver_sql("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
                check_size(connection, size_bytes)
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
            # Only a file that nobody can have open is opened here, and closed: see the class.
            os.close(os.open(os.path.realpath(self.path), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            pass
        except OSError as exc:
            raise self._failed(exc) from exc

    def _size_bytes(self) -> int:
        """The size of the file; 0 where it may be whatever it is, beside a -wal."""
        try:
            for suffix in SIDE_FILES[1:]:
                require_regular_if_there(Path(f"{self.path}{suffix}"))
            found = self.path.stat()
            require_regular(self.path, found)
        except OSError as exc:
            raise self._failed(exc) from exc
        return 0 if Path(f"{self.path}-wal").exists() else found.st_size

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
            raise faults.newer(self.path, version)
        if self._read_only and version == 0:
            raise faults.missing(self.path)
        if 0 < version < STATE_VERSION:
            raise _OutdatedError
        if version:
            check_columns(connection)

    def _move_aside(self) -> Path:
        word = "damaged" if self.rebuilt_because == _DAMAGE else "outdated"
        aside = self.path.with_name(f"{self.path.name}.{word}-{time.strftime('%Y%m%dT%H%M%S')}")
        for suffix in SIDE_FILES:
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")  # noqa: PTH105 - names, not paths
        return aside

    def _failed(self, cause: BaseException) -> BqsyncError:
        """What SQLite or the system has met, as an error of ours; damage is remembered."""
        error = faults.state_error(self.path, cause)
        self._is_damaged = self._is_damaged or error.kind is ErrorKind.STATE_DAMAGED
        return error


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
