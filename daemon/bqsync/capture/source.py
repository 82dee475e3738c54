"""
The user's SQLite file, read as a guest.

Nothing is written to the file or its folder, no read transaction outlives one call of `Source.read`, and no connection
outlives it either: while one is open, the application's last close would neither checkpoint nor remove the `-wal`.

POSIX locks belong to the process, and closing any descriptor of the file drops them. So one lock serializes everything
here that opens the file, the look at its header included, and nothing else in the process may open it.
Source: https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from bqsync.capture.faults import source_error, undecodable_text
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import SourceIdentity

T = TypeVar("T")

_SMALLEST_BYTES = 512
_HEADER_BYTES = 28
_WRITE_VERSION_AT = 18
_COUNTER_AT = 24
_WAL_VERSION = 2
"""Source: https://www.sqlite.org/fileformat.html#the_database_header"""
_POSITIVE = (1 << 63) - 1
"""Device and inode are unsigned; the state keeps signed integers."""
_SHM_LOOKS, _SHM_LOOK_S = 10, 0.05
"""For half a second, a `-wal` without a `-shm` may be an application that is opening its database."""
_IMMUTABLE_ATTEMPTS = 10
"""An immutable read is discarded when the file moved meanwhile; so many in a row means a writer that never rests."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What `stat` tells of the file and its `-wal`: while it stays the same, nothing was committed."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    wal: tuple[int, int, int] | None
    """Inode, size in bytes and modification time in ns; None where there is no `-wal`."""
    is_settled: bool = field(default=True, compare=False)
    """Any later commit shows in it."""


class Source:
    """
    Reads of one SQLite file.

    Args:
        path: the database file.
        busy_timeout_s: how long a read waits for a lock that the application holds.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = 5.0) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()
        self._engines: dict[tuple[bool, bool], Engine] = {}

    def read(self, work: Callable[[Connection], T]) -> T:
        """
        Run `work` in one read transaction of its own.

        `work` may be run several times (with another decoding of texts, or because the file moved): it must only read.

        Raises:
            BqsyncError: one of the SOURCE_… kinds.
        """
        with self._lock:
            try:
                return self._read_decoding(work)
            except (sqlite3.Error, DBAPIError, OSError) as exc:
                raise source_error(self.path, exc) from exc

    def file_state(self) -> FileState:
        """
        What `stat` tells now.

        Raises:
            BqsyncError: SOURCE_MISSING, SOURCE_EMPTY, SOURCE_NOT_A_DATABASE or SOURCE_UNREADABLE.
        """
        try:
            return self._file_state()
        except OSError as exc:
            raise source_error(self.path, exc) from exc

    def identity(self) -> SourceIdentity:
        """
        What tells this database from another one, and from its earlier self.

        Raises:
            BqsyncError: one of the SOURCE_… kinds.
        """
        application_id, schema_cookie = self.read(_numbers_of_the_database)
        with self._lock:
            try:
                state, header = self._file_state(), self._header()
            except OSError as exc:
                raise source_error(self.path, exc) from exc
        return SourceIdentity(
            device=state.device & _POSITIVE, inode=state.inode & _POSITIVE, application_id=application_id,
            schema_cookie=schema_cookie, change_counter=int.from_bytes(header[_COUNTER_AT : _COUNTER_AT + 4], "big"),
        )

    def journal_mode(self) -> str:
        """
        The journal mode that the file was last written in: `wal`, or `rollback` for all the others.

        Raises:
            BqsyncError: one of the SOURCE_… kinds.
        """
        with self._lock:
            try:
                return "wal" if self._in_wal_mode() else "rollback"
            except OSError as exc:
                raise source_error(self.path, exc) from exc

    def _file_state(self) -> FileState:
        main = os.stat(self.path)  # noqa: PTH116 - one call gives all four
        if not main.st_size:
            raise BqsyncError(
                ErrorKind.SOURCE_EMPTY, what=f"{self.path} has 0 bytes",
                why="SQLite takes such a file for an empty database; it is never read as 'everything was deleted'",
                fix="restore the file, or point `source.db` at the right one",
            )
        if main.st_size < _SMALLEST_BYTES:
            # SQLite takes such a stump for an empty database as well.
            raise BqsyncError(
                ErrorKind.SOURCE_NOT_A_DATABASE, what=f"{self.path} has {main.st_size} bytes",
                why=f"a SQLite database has {_SMALLEST_BYTES} at least; nothing is deleted in BigQuery meanwhile",
                fix="restore the file, or point `source.db` at the right one",
            )
        try:
            log = Path(f"{self.path}-wal").stat()
        except FileNotFoundError:
            wal = None
        else:
            wal = (log.st_ino, log.st_size, log.st_mtime_ns)
        return FileState(main.st_dev, main.st_ino, main.st_size, main.st_mtime_ns, wal)

    def _settled_state(self) -> FileState:
        """
        The state of the file, once reading it leaves no trace.

        A `-wal` without a `-shm` is one that the application is just opening, or one that a crash or a copy left
        behind. Reading the latter would make the `-shm`, as our user.
        """
        for _ in range(_SHM_LOOKS):
            state = self._file_state()
            if state.wal is None or Path(f"{self.path}-shm").exists():
                return state
            time.sleep(_SHM_LOOK_S)
        raise BqsyncError(
            ErrorKind.SOURCE_BUSY, what=f"{self.path} has a -wal file and no -shm file",
            why="a crash or a copy left the -wal behind; reading it would create the -shm in the application's folder",
            fix="open the database once with the application, or `sqlite3 FILE 'SELECT 1'` as its owner",
        )

    def _read_decoding(self, work: Callable[[Connection], T]) -> T:
        """Invalid UTF-8 fails a whole fetch; only then texts are decoded by the slower way that keeps their bytes."""
        try:
            return self._read_undisturbed(work, exact_text=False)
        except (sqlite3.OperationalError, DBAPIError) as exc:
            if not undecodable_text(exc):
                raise
        return self._read_undisturbed(work, exact_text=True)

    def _read_undisturbed(self, work: Callable[[Connection], T], *, exact_text: bool) -> T:
        for _ in range(_IMMUTABLE_ATTEMPTS):
            before = self._settled_state()
            immutable = before.wal is None and self._in_wal_mode()
            with self._transaction(immutable=immutable, exact_text=exact_text) as connection:
                result = work(connection)
            # An immutable connection takes no locks and sees no log: what it read counts only if nothing moved.
            if not immutable or self._file_state() == before:
                return result
        raise BqsyncError(
            ErrorKind.SOURCE_BUSY, what=f"{self.path} was rewritten during each of {_IMMUTABLE_ATTEMPTS} reads",
            why="it is in WAL mode without a -wal file, and another process keeps opening and closing it",
            fix="nothing is lost, the read is tried again; keep one connection open in the application to remove it",
        )

    def _in_wal_mode(self) -> bool:
        header = self._header()
        return len(header) == _HEADER_BYTES and header[_WRITE_VERSION_AT] == _WAL_VERSION

    def _header(self) -> bytes:
        """The first bytes of the file. Only under the lock: closing a descriptor of it drops the locks of a reader."""
        with self.path.open("rb") as file:
            return file.read(_HEADER_BYTES)

    @contextmanager
    def _transaction(self, *, immutable: bool, exact_text: bool) -> Iterator[Connection]:
        with closing(self._engine(immutable=immutable, exact_text=exact_text).connect()) as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                # A failed disk ends the transaction by itself; a second end would hide that failure.
                if getattr(connection.connection.driver_connection, "in_transaction", False):
                    connection.exec_driver_sql("ROLLBACK")

    def _engine(self, *, immutable: bool, exact_text: bool) -> Engine:
        kind = (immutable, exact_text)
        if kind not in self._engines:
            self._engines[kind] = self._new_engine(immutable=immutable, exact_text=exact_text)
        return self._engines[kind]

    def _new_engine(self, *, immutable: bool, exact_text: bool) -> Engine:
        uri = f"file:{quote(str(self.path))}?mode=ro{'&immutable=1' if immutable else ''}"

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(uri, uri=True, timeout=self._busy_timeout_s, isolation_level=None,
                                         check_same_thread=False)
            if exact_text:
                connection.text_factory = _keep_bytes
            connection.execute("PRAGMA query_only = ON")
            return connection

        return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _numbers_of_the_database(connection: Connection) -> tuple[int, int]:
    application_id = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
    return application_id, int(connection.exec_driver_sql("PRAGMA schema_version").scalar_one())


def _keep_bytes(text: bytes) -> str:
    """Decode so that the bytes which are no UTF-8 can be told and given back."""
    return text.decode("utf-8", "surrogateescape")
