"""Real commits in every journal mode are told, and our own reads never are."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.watch.witness import watching

from bqsync.capture.source import Source
from bqsync.watch import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

MODES = ("delete", "truncate", "persist", "memory", "off", "wal")


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def application(database: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """The writer, with one commit behind it."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        assert connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        connection.execute("INSERT INTO t (text) VALUES ('first')")
        yield connection


def test_each_commit_gives_a_signal(database: Path, application: sqlite3.Connection) -> None:
    with watching(database) as (_, witness):
        for statement in ("INSERT INTO t (text) VALUES ('a')", "UPDATE t SET text = 'b'", "DELETE FROM t") * 5:
            witness.forget()
            application.execute(statement)
            witness.wait_for()


def test_a_commit_is_told_as_it_is_made(database: Path, application: sqlite3.Connection) -> None:
    """Without the half second by which watchdog's observer pairs the events of a move, and without any poll."""
    waits_s = []
    with watching(database) as (_, witness):
        for number in range(20):
            witness.forget()
            application.execute("INSERT INTO t (text) VALUES (?)", (str(number),))
            began_s = time.monotonic()
            witness.wait_for()
            waits_s.append(time.monotonic() - began_s)
    # The shortest: a busy machine may keep any of them waiting.
    assert min(waits_s) < 0.4


def test_our_own_reads_give_no_signal(database: Path, application: sqlite3.Connection) -> None:
    """
    A read opens, closes, and as root sets owners: were that told, each look would cause the next one.

    The deletion at the end comes behind whatever the reads made: it is the only signal.
    """
    source = Source(database)
    with watching(database) as (_, witness):
        for _ in range(3):
            assert source.read(count) == 1
            source.identity()
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reader:
                assert reader.execute("SELECT count(*) FROM t").fetchone() == (1,)
        database.unlink()
        witness.wait_for()
    assert witness.signals == [Signal.CHANGED]


def test_our_own_reads_of_a_database_at_rest_give_no_signal(database: Path, application: sqlite3.Connection) -> None:
    """The application is gone: in WAL mode, so are `-wal` and `-shm`."""
    application.close()
    with watching(database) as (_, witness):
        assert Source(database).read(count) == 1
        database.unlink()
        witness.wait_for()
    assert witness.signals == [Signal.CHANGED]


def test_a_vacuum_gives_a_signal(database: Path, application: sqlite3.Connection) -> None:
    with watching(database) as (_, witness):
        application.execute("VACUUM")
        witness.wait_for()


@pytest.mark.parametrize("mode", ["wal"], indirect=True)
@pytest.mark.parametrize("kind", ["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
def test_a_checkpoint_gives_a_signal(database: Path, application: sqlite3.Connection, kind: str) -> None:
    with watching(database) as (_, witness):
        assert application.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()[0] == 0
        witness.wait_for()


@pytest.mark.parametrize("mode", ["wal"], indirect=True)
def test_the_last_close_gives_a_signal(database: Path, application: sqlite3.Connection) -> None:
    """It writes the log back into the main file, and removes it."""
    with watching(database) as (_, witness):
        application.close()
        witness.wait_for()


def test_a_rename_over_the_database_gives_a_signal(database: Path, application: sqlite3.Connection) -> None:
    application.close()
    restored = database.with_name("restored")
    restored.write_bytes(database.read_bytes())
    with watching(database) as (_, witness):
        restored.replace(database)
        witness.wait_for()


def test_a_database_moved_away_gives_a_signal(database: Path, application: sqlite3.Connection) -> None:
    with watching(database) as (_, witness):
        database.rename(database.with_name("aside"))
        witness.wait_for()


def test_a_database_that_is_made_later_gives_a_signal(tmp_path: Path) -> None:
    with (watching(tmp_path / "later.db") as (_, witness),
          closing(sqlite3.connect(tmp_path / "later.db", isolation_level=None)) as application):
        application.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        witness.wait_for()


def test_another_database_in_the_folder_gives_no_signal(database: Path, application: sqlite3.Connection) -> None:
    other = database.with_name("app.db2")
    with (watching(database) as (_, witness), watching(other) as (_, other_witness),
          closing(sqlite3.connect(other, isolation_level=None)) as connection):
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        other_witness.wait_for()
        database.unlink()
        witness.wait_for()
    assert witness.signals == [Signal.CHANGED]


def count(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one())
