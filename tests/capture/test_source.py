"""A guest reads what was committed, and leaves the file and its folder as they were."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from tests.capture.files import application, make

from bqsync.capture.source import Source
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

SCRIPT = "CREATE TABLE t (k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');"
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


def count(source: Source) -> int:
    return source.read(counted)


def counted(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one())


def traces(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Everything in a folder that a guest might have changed."""
    found = {entry.name: entry.stat() for entry in os.scandir(folder)}
    return {name: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}


def descriptors(path: Path) -> list[str]:
    """What this process has open of a database and its side files."""
    targets: list[str] = []
    for entry in os.scandir("/proc/self/fd"):
        try:
            targets.append(Path(entry.path).readlink().name)
        except FileNotFoundError:
            continue
    return [name for name in targets if name.startswith(path.name)]


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "wal"])
def test_a_database_that_nobody_has_open_is_read_without_a_trace(path: Path, mode: str) -> None:
    """As root too, who might create the side files of a WAL anywhere: mode=ro alone would do so."""
    source = make(path, SCRIPT, mode=mode)
    before = traces(path.parent)
    content = path.read_bytes()
    assert "app.db-wal" not in before
    assert count(source) == 2
    assert traces(path.parent) == before
    assert path.read_bytes() == content
    assert descriptors(path) == []


def test_a_user_who_may_only_read_reads_and_leaves_no_trace(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with subprocess.Popen([sys.executable, "-c", READ_AS_NOBODY], stdout=subprocess.PIPE, text=True) as process:
        printed, _ = process.communicate(timeout=60)
    assert printed == "2 ['app.db'] ['app.db']\n"


READ_AS_NOBODY = f"""
import os, sys, tempfile
from pathlib import Path
from tests.capture.files import make
from tests.capture.test_source import SCRIPT, count
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "app.db")
    source = make(path, SCRIPT, mode="wal")
    before = sorted(os.listdir(folder))
    os.chmod(folder, 0o755)
    os.chmod(path, 0o644)
    os.seteuid({NOBODY})
    rows = count(source)
    os.seteuid(0)
    print(rows, before, sorted(os.listdir(folder)))
"""


def test_what_stands_in_the_wal_of_an_open_application_is_seen(path: Path) -> None:
    make(path, SCRIPT, mode="wal")
    with closing(application(path, mode="wal")) as app:
        app.execute("PRAGMA wal_autocheckpoint = 0")
        app.execute("INSERT INTO t VALUES (3, 'c')")
        main = path.stat()
        before = traces(path.parent)
        assert set(before) == {"app.db", "app.db-wal", "app.db-shm"}
        source = Source(path)
        assert count(source) == 3
        app.execute("INSERT INTO t VALUES (4, 'd')")
        assert count(source) == 4
        assert set(traces(path.parent)) == set(before)
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (main.st_size, main.st_mtime_ns)


def test_the_last_close_of_the_application_removes_its_wal_though_we_have_read(path: Path) -> None:
    """An open connection of ours would keep the -wal there, and a copy of the main file alone would lack its rows."""
    make(path, SCRIPT, mode="wal")
    app = application(path, mode="wal")
    app.execute("INSERT INTO t VALUES (3, 'c')")
    source = Source(path)
    assert count(source) == 3
    assert len(descriptors(path)) > 0, "the application's own"
    app.close()
    assert set(traces(path.parent)) == {"app.db"}
    assert descriptors(path) == []
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone() == (3,)
    assert count(source) == 3


def test_the_wal_that_a_crash_left_is_read_and_left(path: Path) -> None:
    make(path, SCRIPT, mode="wal")
    program = (f"import sqlite3, os, signal; c = sqlite3.connect({str(path)!r}, isolation_level=None);"
               "c.execute(\"INSERT INTO t VALUES (3, 'c')\"); os.kill(os.getpid(), signal.SIGKILL)")
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    before = traces(path.parent)
    assert set(before) == {"app.db", "app.db-wal", "app.db-shm"}
    assert count(Source(path)) == 3
    after = traces(path.parent)
    assert set(after) == set(before)
    assert {name: after[name] for name in ("app.db", "app.db-wal")} == {
        name: before[name] for name in ("app.db", "app.db-wal")
    }


def test_nothing_stays_open_after_a_failed_read(path: Path) -> None:
    source = make(path, SCRIPT)
    with pytest.raises(BqsyncError):
        source.read(lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere").fetchall())
    with pytest.raises(ZeroDivisionError):
        source.read(lambda _: 1 // 0)
    assert descriptors(path) == []
    assert count(source) == 2


@pytest.mark.parametrize("statement", ["INSERT INTO t VALUES (9, '')", "CREATE TABLE u (x)", "PRAGMA user_version = 7"])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_nothing_can_be_written(path: Path, statement: str, mode: str) -> None:
    source = make(path, SCRIPT, mode=mode)
    content = path.read_bytes()
    with pytest.raises(BqsyncError):
        source.read(lambda connection: connection.exec_driver_sql(statement))
    assert source.read(lambda connection: connection.exec_driver_sql("PRAGMA query_only").scalar_one()) == 1
    assert path.read_bytes() == content


def test_one_read_is_one_transaction(path: Path) -> None:
    make(path, SCRIPT, mode="wal")
    with closing(application(path, mode="wal")) as app:
        app.execute("INSERT INTO t VALUES (3, 'c')")

        def twice(connection: Connection) -> tuple[int, int]:
            first = counted(connection)
            app.execute("DELETE FROM t WHERE k = 1")
            return first, counted(connection)

        source = Source(path)
        assert source.read(twice) == (3, 3)
        assert count(source) == 2


def test_a_file_that_moves_during_an_immutable_read_is_read_again(path: Path) -> None:
    source = make(path, SCRIPT, mode="wal")
    counts: list[int] = []

    def read(connection: Connection) -> int:
        counts.append(counted(connection))
        if len(counts) < 3:
            with closing(application(path, mode="wal")) as app:
                app.execute("INSERT INTO t (x) VALUES (?)", ("y" * 5000,))
        return counts[-1]

    assert source.read(read) == 4
    assert len(counts) == 3


def test_what_looks_damaged_because_it_is_being_rewritten_is_read_again(path: Path) -> None:
    source = make(path, SCRIPT, mode="wal")
    failed: list[int] = []

    def read(connection: Connection) -> int:
        if not failed:
            failed.append(1)
            with closing(application(path, mode="wal")) as app:
                app.execute("INSERT INTO t (x) VALUES (?)", ("y" * 5000,))
            torn = sqlite3.DatabaseError("database disk image is malformed")
            torn.sqlite_errorcode, torn.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
            raise torn
        return counted(connection)

    assert source.read(read) == 3


def test_a_commit_within_a_tick_of_the_clock_does_not_pass_an_immutable_read(path: Path) -> None:
    """The time stamp stays the same, as where the kernel stamps by ticks, and so does the size."""
    source = make(path, SCRIPT, mode="wal")
    write = (f"import sqlite3; connection = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
             "connection.execute(\"UPDATE t SET x = 'n' WHERE k = 1\"); connection.close()")
    looks: list[bool] = []

    def read(connection: Connection) -> str:
        text = str(connection.exec_driver_sql("SELECT x FROM t WHERE k = 1").scalar_one())
        looks.append(True)
        if len(looks) == 1:
            stamp = path.stat().st_mtime_ns
            subprocess.run([sys.executable, "-c", write], check=True)
            os.utime(path, ns=(stamp, stamp))
        return text

    for _ in range(20):  # a machine that pauses before the read has a look that is settled
        with closing(application(path, mode="wal")) as app:
            app.execute("UPDATE t SET x = 'o' WHERE k = 1")
        looks.clear()
        soon_ns = time.time_ns() + 50_000_000
        os.utime(path, ns=(soon_ns, soon_ns))
        if source.read(read) == "n":
            return
    pytest.fail("the commit was never seen")


def test_a_wal_that_appears_during_an_immutable_read_is_read_as_well(path: Path) -> None:
    source = make(path, SCRIPT, mode="wal")
    opened: list[sqlite3.Connection] = []

    def read(connection: Connection) -> int:
        rows = counted(connection)
        if not opened:
            opened.append(application(path, mode="wal"))
            opened[0].execute("INSERT INTO t VALUES (3, 'c')")
        return rows

    assert source.read(read) == 3
    opened[0].close()


def test_a_look_at_the_header_waits_for_a_read_whose_locks_it_would_drop(path: Path) -> None:
    """POSIX locks go with any descriptor of the file that the process closes; then a writer commits into the read."""
    source = make(path, SCRIPT)
    write = (f"import sqlite3; connection = sqlite3.connect({str(path)!r}, timeout=0, isolation_level=None)\n"
             "connection.execute('UPDATE t SET x = 1')")

    def read(connection: Connection) -> tuple[int, list[str]]:
        cursor = connection.exec_driver_sql("SELECT x FROM t ORDER BY k")
        first = cursor.fetchone()
        threads = [Thread(target=look) for look in (source.journal_mode, source.identity)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.2)
        waiting = sum(thread.is_alive() for thread in threads)
        written = subprocess.run([sys.executable, "-c", write], capture_output=True, text=True, check=False)
        assert "database is locked" in written.stderr
        return waiting, [first[0] if first else "", *(row[0] for row in cursor)]

    assert source.read(read) == (2, ["a", "b"])


@pytest.fixture
def reader_in_the_middle(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(application(path, mode="wal")) as app:
        app.executescript(SCRIPT)
        app.execute("PRAGMA busy_timeout = 0")
        yield app


def test_a_writer_is_not_blocked_while_a_page_is_read(path: Path, reader_in_the_middle: sqlite3.Connection) -> None:
    def read(connection: Connection) -> int:
        cursor = connection.exec_driver_sql("SELECT k FROM t")
        cursor.fetchone()
        for key in range(10, 20):
            reader_in_the_middle.execute("INSERT INTO t VALUES (?, 'w')", (key,))
        reader_in_the_middle.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return counted(connection)

    source = Source(path)
    assert source.read(read) == 2
    assert count(source) == 12


def test_texts_that_are_no_utf8_keep_their_bytes(path: Path) -> None:
    source = make(path, SCRIPT + "INSERT INTO t VALUES (3, CAST(x'61ff00c3' AS TEXT));")
    calls: list[int] = []

    def read(connection: Connection) -> list[str]:
        calls.append(1)
        return [row[0] for row in connection.exec_driver_sql("SELECT x FROM t ORDER BY k")]

    texts = source.read(read)
    assert texts[:2] == ["a", "b"]
    assert texts[2].encode("utf-8", "surrogateescape") == b"a\xff\0\xc3"
    assert len(calls) == 2, "the exact decoding is for those reads that need it"


def test_a_wal_that_was_left_without_its_shm_is_told_and_no_trace_is_left(tmp_path: Path) -> None:
    writer = sqlite3.connect(tmp_path / "app.db")
    writer.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    left = tmp_path / "left"
    left.mkdir()
    for name in ("app.db", "app.db-wal"):
        shutil.copy(tmp_path / name, left / name)
    writer.close()
    with pytest.raises(BqsyncError) as caught:
        count(Source(left / "app.db"))
    assert caught.value.kind is ErrorKind.SOURCE_BUSY
    assert "open the database once" in caught.value.fix
    assert sorted(file.name for file in left.iterdir()) == ["app.db", "app.db-wal"]
