"""What can't be read is told with its kind, what happened, why, and how to fix it; and it never counts as no rows."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError
from tests.capture.files import application, make
from tests.capture.test_source import SCRIPT, count, descriptors

from bqsync.capture.faults import source_error
from bqsync.capture.source import Source
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


def failure(source: Source, kind: ErrorKind) -> BqsyncError:
    with pytest.raises(BqsyncError) as caught:
        count(source)
    error = caught.value
    assert error.kind is kind, error
    assert str(source.path) in error.what
    assert error.why
    assert error.fix
    assert descriptors(source.path) == []
    return error


def test_a_missing_file_is_missing_and_is_not_made(path: Path) -> None:
    assert "never counts as deleted" in failure(Source(path), ErrorKind.SOURCE_MISSING).why
    assert not path.exists()


def test_a_missing_folder_is_a_missing_file(path: Path) -> None:
    failure(Source(path.parent / "nowhere" / "app.db"), ErrorKind.SOURCE_MISSING)


def test_a_folder_is_no_database(path: Path) -> None:
    path.mkdir()
    assert "is a directory" in failure(Source(path), ErrorKind.SOURCE_NOT_A_DATABASE).what


def test_a_file_of_no_bytes_is_not_an_empty_database(path: Path) -> None:
    path.touch()
    failure(Source(path), ErrorKind.SOURCE_EMPTY)
    with pytest.raises(BqsyncError) as caught:
        Source(path).file_state()
    assert caught.value.kind is ErrorKind.SOURCE_EMPTY


@pytest.mark.parametrize("content", [
    b"x", b"SQLite format 3\0" + b"\0" * 495, b"not a database\n" * 400, b"\0" * 4096,
    b"SQLite format 2\0" + b"\0" * 4096,
])
def test_a_file_of_something_else_is_not_a_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    failure(Source(path), ErrorKind.SOURCE_NOT_A_DATABASE)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_damaged_page_is_told(path: Path, mode: str) -> None:
    source = make(path, SCRIPT + "INSERT INTO t SELECT k + 10, hex(zeroblob(3000)) FROM t;", mode=mode)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xee" * 4096)
    assert "integrity_check" in failure(source, ErrorKind.SOURCE_CORRUPT).fix


def test_a_file_cut_short_is_damaged(path: Path) -> None:
    source = make(path, SCRIPT)
    os.truncate(path, 4096)
    failure(source, ErrorKind.SOURCE_CORRUPT)


def test_an_exclusive_lock_is_waited_for_and_then_told(path: Path) -> None:
    make(path, SCRIPT)
    with closing(application(path)) as app:
        app.execute("BEGIN EXCLUSIVE")
        error = failure_while_open(Source(path, busy_timeout_s=0.05))
        assert "exclusive lock" in error.why
        app.execute("ROLLBACK")
        assert count(Source(path, busy_timeout_s=0.05)) == 2


def failure_while_open(source: Source) -> BqsyncError:
    with pytest.raises(BqsyncError) as caught:
        count(source)
    assert caught.value.kind is ErrorKind.SOURCE_BUSY
    return caught.value


def test_a_reserved_lock_does_not_keep_a_reader_out(path: Path) -> None:
    make(path, SCRIPT)
    with closing(application(path)) as app:
        app.execute("BEGIN IMMEDIATE")
        app.execute("INSERT INTO t VALUES (3, 'c')")
        assert count(Source(path, busy_timeout_s=0.05)) == 2


def test_a_file_that_never_rests_is_busy(path: Path) -> None:
    source = make(path, SCRIPT, mode="wal")

    def read(_: Connection) -> None:
        with closing(application(path, mode="wal")) as app:
            app.execute("INSERT INTO t (x) VALUES (?)", ("y" * 5000,))

    with pytest.raises(BqsyncError) as caught:
        source.read(read)
    assert caught.value.kind is ErrorKind.SOURCE_BUSY
    assert "keep one connection open" in caught.value.fix


def test_a_table_that_is_gone_is_a_change_of_the_source(path: Path) -> None:
    source = make(path, SCRIPT)
    with pytest.raises(BqsyncError) as caught:
        source.read(lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere"))
    assert caught.value.kind is ErrorKind.SOURCE_CHANGED


def test_a_disk_that_ends_the_transaction_does_not_hide_its_failure(path: Path) -> None:
    """After SQLITE_IOERR the transaction is rolled back already, and a ROLLBACK would fail on its own account."""
    source = make(path, SCRIPT)

    def read(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(BqsyncError) as caught:
        source.read(read)
    assert caught.value.kind is ErrorKind.SOURCE_CORRUPT
    assert "Input/output error" in caught.value.why


@pytest.mark.parametrize(("code", "kind"), [
    (sqlite3.SQLITE_BUSY, ErrorKind.SOURCE_BUSY), (sqlite3.SQLITE_BUSY_SNAPSHOT, ErrorKind.SOURCE_BUSY),
    (sqlite3.SQLITE_PROTOCOL, ErrorKind.SOURCE_BUSY),
    (sqlite3.SQLITE_LOCKED, ErrorKind.SOURCE_BUSY), (sqlite3.SQLITE_READONLY_ROLLBACK, ErrorKind.SOURCE_BUSY),
    (sqlite3.SQLITE_READONLY_RECOVERY, ErrorKind.SOURCE_BUSY),
    (sqlite3.SQLITE_READONLY_CANTINIT, ErrorKind.SOURCE_UNREADABLE),
    (sqlite3.SQLITE_READONLY_DIRECTORY, ErrorKind.SOURCE_UNREADABLE),
    (sqlite3.SQLITE_CANTOPEN, ErrorKind.SOURCE_UNREADABLE),
    (sqlite3.SQLITE_CANTOPEN_ISDIR, ErrorKind.SOURCE_UNREADABLE),
    (sqlite3.SQLITE_PERM, ErrorKind.SOURCE_UNREADABLE), (sqlite3.SQLITE_NOTADB, ErrorKind.SOURCE_NOT_A_DATABASE),
    (sqlite3.SQLITE_CORRUPT, ErrorKind.SOURCE_CORRUPT), (sqlite3.SQLITE_CORRUPT_VTAB, ErrorKind.SOURCE_CORRUPT),
    (sqlite3.SQLITE_IOERR_READ, ErrorKind.SOURCE_CORRUPT), (sqlite3.SQLITE_SCHEMA, ErrorKind.SOURCE_CHANGED),
])
@pytest.mark.parametrize("wrapped", [False, True])
def test_every_code_of_sqlite_has_its_kind(path: Path, code: int, kind: ErrorKind, *, wrapped: bool) -> None:
    cause = sqlite3.OperationalError("from the library")
    cause.sqlite_errorcode, cause.sqlite_errorname = code, "SQLITE_X"
    error = source_error(path, OperationalError("SELECT 1", None, cause) if wrapped else cause)
    assert error.kind is kind
    assert all((error.what, error.why, error.fix))


@pytest.mark.parametrize(("number", "kind"), [
    (errno.ENOENT, ErrorKind.SOURCE_MISSING), (errno.EACCES, ErrorKind.SOURCE_UNREADABLE),
    (errno.EISDIR, ErrorKind.SOURCE_NOT_A_DATABASE), (errno.EIO, ErrorKind.SOURCE_CORRUPT),
    (errno.ENOTDIR, ErrorKind.SOURCE_MISSING), (errno.ELOOP, ErrorKind.SOURCE_MISSING),
    (errno.ENOLCK, ErrorKind.SOURCE_UNREADABLE),
])
def test_every_failure_of_the_file_system_has_its_kind(path: Path, number: int, kind: ErrorKind) -> None:
    error = source_error(path, OSError(number, os.strerror(number)))
    assert error.kind is kind
    assert all((error.what, error.why, error.fix))


def test_the_state_of_the_file_tells_every_commit(path: Path) -> None:
    source = make(path, SCRIPT, mode="wal")
    states = [source.file_state()]
    assert states[0].wal is None
    with closing(application(path, mode="wal")) as app:
        for _ in range(3):
            app.execute("INSERT INTO t (x) VALUES ('z')")
            states.append(source.file_state())
    states.append(source.file_state())
    assert len(set(states)) == 5
    assert source.file_state() == states[-1]
