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
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bqsync.capture.connections import Access, Connections, uri_of
from bqsync.capture.cut_off import HEADER_BYTES, require_whole
from bqsync.capture.faults import source_error, undecodable_text
from bqsync.capture.file_state import FileState, beside, file_state, real_path
from bqsync.capture.refusals import NotNowError, locked, moved, refusal, without_shm, without_wal
from bqsync.capture.shared_lock import LockedError, is_locked_by_others, shared_lock
from bqsync.capture.stale_log import LogWatch
from bqsync.model import SourceIdentity

__all__ = ["FileState", "Source"]

T = TypeVar("T")
R = TypeVar("R")
_Opener = Callable[[Access], AbstractContextManager[R]]
"""Opens the file in that way, for one read."""

_HEADER_BYTES = 28
_WRITE_VERSION_AT = 18
_COUNTER_AT = 24
_WAL_VERSION = 2
"""Source: https://www.sqlite.org/fileformat.html#the_database_header"""
_POSITIVE = (1 << 63) - 1
"""Device and inode are unsigned; the state keeps signed integers."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.01
"""Between two attempts. Nothing is held meanwhile; short, since a busy writer leaves no long gaps."""


class Source:
    """
    Reads of one SQLite file.

    Args:
        path: the database file.
        busy_timeout_s: how long a read waits for a lock that the application holds.

    Attributes:
        waited_s: for how long reads of all threads have waited so far until the application let them.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = 5.0) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self.waited_s = 0.0
        self._lock = threading.Lock()
        self._connections = Connections()
        self._log_watch = LogWatch()

    def read(self, work: Callable[[Connection], T]) -> T:
        """
        Run `work` in one read transaction of its own.

        `work` may be run several times (with another decoding of texts, or because the file moved): it must only read.

        Raises:
            BqsyncError: one of the SOURCE_… kinds.
        """
        return self._guarded(lambda: self._read_decoding(work))

    def lend(self, work: Callable[[str], T], close: Callable[[], None]) -> T:
        """
        Have somebody else read the file, by the same SQLite and under the same locks and looks.

        Args:
            work: given the URI for SQLite by which the file may be opened and read in one transaction. May be run
                several times.
            close: closes the file, whatever became of `work`. Before, the last look is taken: SQLite's close drops
                every lock that this process has on the file.

        Raises:
            BqsyncError: one of the SOURCE_… kinds.
        """
        @contextmanager
        def read_there(access: Access) -> Iterator[str]:
            try:
                yield uri_of(access)
            finally:
                close()

        return self._guarded(lambda: self._read_patiently(work, read_there, exact_text=False))

    def _guarded(self, read: Callable[[], T]) -> T:
        with self._lock:
            try:
                return read()
            except (sqlite3.Error, DBAPIError, OSError, UnicodeError) as exc:
                raise source_error(self.path, exc) from exc

    def file_state(self) -> FileState:
        """
        What `stat` tells now.

        Raises:
            BqsyncError: SOURCE_MISSING, SOURCE_EMPTY, SOURCE_NOT_A_DATABASE or SOURCE_UNREADABLE.
        """
        try:
            return file_state(self.path)
        except OSError as exc:
            raise source_error(self.path, exc) from exc

    def identity(self) -> SourceIdentity:
        """
        What tells this database from another one, and from its earlier self.

        Raises:
            BqsyncError: one of the SOURCE_… kinds.
        """
        application_id, schema_cookie = self.read(_numbers_of_the_database)
        state, header = self._look_inside()
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
        return "wal" if _in_wal_mode(self._look_inside()[1]) else "rollback"

    def _look_inside(self) -> tuple[FileState, bytes]:
        with self._lock:
            try:
                # The look comes first: it refuses what must not be opened, as a pipe.
                return file_state(self.path), self._header()
            except OSError as exc:
                raise source_error(self.path, exc) from exc

    def _header(self) -> bytes:
        """Only under the lock: closing a descriptor of the file drops the locks of a reader."""
        with self.path.open("rb") as file:
            return file.read(_HEADER_BYTES)

    def _read_decoding(self, work: Callable[[Connection], T]) -> T:
        """Invalid UTF-8 fails a whole fetch; only then texts are decoded by the slower way that keeps their bytes."""
        try:
            return self._read_patiently(work, self._transaction, exact_text=False)
        except (sqlite3.OperationalError, DBAPIError) as exc:
            if not undecodable_text(exc):
                raise
        return self._read_patiently(work, self._transaction, exact_text=True)

    def _read_patiently(self, work: Callable[[R], T], opened: _Opener[R], *, exact_text: bool) -> T:
        """Until the application lets us, and no longer than the reason for waiting is good for."""
        began_s, attempts, pause_s = time.monotonic(), 0, _FIRST_PAUSE_S
        while True:
            try:
                return self._read_once(work, opened, exact_text=exact_text)
            except LockedError:
                reason = locked(self.path, self._busy_timeout_s)
            except NotNowError as exc:
                reason = exc
            attempts += 1
            if attempts >= reason.least_attempts and time.monotonic() - began_s >= reason.patience_s:
                raise reason.error from reason.__cause__
            paused_s = time.monotonic()
            time.sleep(pause_s)
            self.waited_s += time.monotonic() - paused_s
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _read_once(self, work: Callable[[R], T], opened: _Opener[R], *, exact_text: bool) -> T:
        before, real = file_state(self.path), real_path(self.path)
        access = Access(real, immutable=False, exact_text=exact_text)
        with shared_lock(real) as descriptor:
            # As long as the lock is held, no last close removes the side files, and the journal mode stays.
            self._log_watch.check(self.path, os.fstat(descriptor), beside(real, "-wal"))
            if beside(real, "-wal").exists():
                if not beside(real, "-shm").exists():
                    raise without_shm(self.path)
                return self._run(work, opened(access))
            header = os.pread(descriptor, HEADER_BYTES, 0)
            if not _is_hot(real):
                require_whole(self.path, header, os.fstat(descriptor).st_size)
            if not _in_wal_mode(header[:_HEADER_BYTES]):
                return self._run(work, opened(access))
            if is_locked_by_others(descriptor):
                raise without_wal(self.path)
            # A look that is not settled says little: what is written meanwhile may leave the same time stamps. Under
            # the lock it can't but leave a -wal.
            if not before.is_settled:
                return self._run(work, opened(access._replace(immutable=True)), before)
        # Nothing is held: the application may open, write, close and checkpoint, and the page is read again.
        return self._run(work, opened(access._replace(immutable=True)), before)

    def _run(
        self, work: Callable[[R], T], opened: AbstractContextManager[R], before: FileState | None = None
    ) -> T:
        """In one transaction. What an immutable connection read counts only if the file is as it was `before`."""
        try:
            with opened as reader:
                result = work(reader)
                # Looked at while the connection is open: its end drops our lock on the file too.
                if before is None or file_state(self.path) == before:
                    return result
        except Exception as exc:
            # Pages that were written over in the middle look like a damaged file, or like anything.
            if before is None or file_state(self.path) == before:
                raise
            raise moved(self.path) from exc
        raise moved(self.path)

    @contextmanager
    def _transaction(self, access: Access) -> Iterator[Connection]:
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(closing(self._connections.open(access)))
                connection.exec_driver_sql("BEGIN")
                # BEGIN alone takes neither lock nor snapshot; whatever keeps us out is met here, and not in the work.
                connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
            except (sqlite3.Error, DBAPIError) as exc:
                reason = refusal(self.path, exc, self._busy_timeout_s)
                if reason is None:
                    raise
                raise reason from exc
            try:
                yield connection
            finally:
                # A failed disk ends the transaction by itself; a second end would hide that failure.
                if getattr(connection.connection.driver_connection, "in_transaction", False):
                    connection.exec_driver_sql("ROLLBACK")


def _is_hot(real: Path) -> bool:
    """A journal stands beside it: what is missing may be there, and SQLite looks."""
    return beside(real, "-journal").exists()


def _in_wal_mode(header: bytes) -> bool:
    return len(header) == _HEADER_BYTES and header[_WRITE_VERSION_AT] == _WAL_VERSION


def _numbers_of_the_database(connection: Connection) -> tuple[int, int]:
    application_id = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
    return application_id, int(connection.exec_driver_sql("PRAGMA schema_version").scalar_one())

