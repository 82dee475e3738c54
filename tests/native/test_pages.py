"""Pages by compiled code meet their neighbours, and leave the file as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.native.tables import BOUNDS, ZONE, Table, column, specification

from bqsync.capture.pages import PageBounds, TableReader
from bqsync.engine.ahead import PagesAhead
from bqsync.engine.sweep_pages import SMALL_ROWS, SweepPages
from bqsync.errors import BqsyncError
from bqsync.model import EncodedPage, EncodedRow, SqlValue, TargetType, TimestampFormat
from bqsync.native.offer import UnfitError
from bqsync.native.reader import NativeReader, Scanned

SPEC = specification([column("id", TargetType.INT64, 4), column("v", TargetType.STRING, 5)])
SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
DECLARED = "(id TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID"
WRITE = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0).executescript("BEGIN EXCLUSIVE; COMMIT")
"""


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path, SCHEMA, SPEC)


def rows_of(table: Table, pages: Iterator[Any]) -> list[EncodedRow]:
    """As encoded rows, whichever way they came."""
    found: list[EncodedRow] = []
    for page in pages:
        if isinstance(page, EncodedPage):
            found += page.rows(range(len(page)))
        else:
            found += [row for row in map(table.encoder.encode, page.rows) if isinstance(row, EncodedRow)]
    return found


def ahead_of(table: Table, *, page_rows: int = 100) -> PagesAhead:
    bounds = PageBounds(page_rows, BOUNDS.size_bytes)
    reader = TableReader(table.source, "t", ["id", "v"], ["id"], bounds, order=table.reader.order)
    return PagesAhead(table.native, table.source, reader.walk(), rows=0, is_first_copy=True, bounds=bounds)


def until_the_end(ahead: PagesAhead) -> Iterator[Any]:
    while (page := ahead.next()) is not None:
        yield page


def test_a_walk_brings_every_row_once_whichever_way_its_pages_are_read(table: Table) -> None:
    """A blob among the texts, and a text that is no UTF-8: their pages are read by rows, and those around them not."""
    table.fill([(n, b"x" if n == 1_234 else "\udcff" if n == 3_000 else f"v{n}") for n in range(4_000)])
    wanted = [row.key for row in table.by_rows() if isinstance(row, EncodedRow)]
    ahead = ahead_of(table)
    try:
        pages = list(until_the_end(ahead))
        assert ahead.next() is None, "the end stays the end"
    finally:
        ahead.close()
    assert [row.key for row in rows_of(table, iter(pages))] == wanted
    kinds = [isinstance(page, EncodedPage) for page in pages]
    assert kinds.count(True) > kinds.count(False) >= 2
    firsts = [page.first_sequence for page in pages if isinstance(page, EncodedPage)]
    assert firsts == sorted(firsts)


def test_what_was_read_ahead_is_read_again_when_newer_rows_were_merged(table: Table) -> None:
    table.fill([(n, "old") for n in range(2_000)])
    ahead = ahead_of(table, page_rows=10)
    try:
        first = ahead.next()
        with ahead._changed:
            ahead._changed.wait_for(lambda: len(ahead._found) >= 3)
        with closing(sqlite3.connect(table.path)) as db, db:
            db.execute("UPDATE t SET v = 'new'")
        ahead.forget()
        rest = rows_of(table, until_the_end(ahead))
    finally:
        ahead.close()
    taken = len(rows_of(table, iter([first])))
    fresh = [row for row in table.by_rows() if isinstance(row, EncodedRow)][taken:]
    assert rest == fresh, "each row behind the first page, once, as it is now"


def test_what_fails_ahead_is_raised_where_the_page_is_taken(table: Table) -> None:
    table.fill([(n, "x") for n in range(2_000)])
    ahead = ahead_of(table, page_rows=10)
    try:
        assert ahead.next() is not None
        table.path.unlink()
        with pytest.raises(BqsyncError, match="does not exist"):
            list(until_the_end(ahead))
    finally:
        ahead.close()


@pytest.mark.parametrize(("known", "firsts"),
                         [(0, [False, True]), (SMALL_ROWS, [False, True]), (SMALL_ROWS + 1, [True])])
def test_only_a_table_that_is_known_to_be_small_begins_by_rows(table: Table, known: int, firsts: list[bool]) -> None:
    """Of a first copy, the numbers of its rows tell at most how many there are: here few, and then many more."""
    table.fill([(n, f"v{n}") for n in range(SMALL_ROWS)])
    with SweepPages(table.reader, table.source, table.native) as sweep:
        sweep.expect(known)
        with closing(sqlite3.connect(table.path)) as db, db:
            db.executemany("INSERT INTO t VALUES (?, 'more')", [(n,) for n in range(SMALL_ROWS, 20_000)])
        pages = list(sweep)
    assert rows_of(table, iter(pages)) == [row for row in table.by_rows() if isinstance(row, EncodedRow)]
    assert [isinstance(page, EncodedPage) for page in pages][: len(firsts)] == firsts


def test_what_fails_while_nobody_waits_is_tried_again(table: Table) -> None:
    """An application may hold the file for long while what was read ahead is sent."""
    table.fill([(n, "x") for n in range(2_000)])
    ahead = ahead_of(table, page_rows=10)
    hidden = table.path.with_name("hidden")
    try:
        with ahead._changed:
            assert ahead._changed.wait_for(lambda: not ahead._is_wanted(), 20)
        table.path.rename(hidden)
        pages = [ahead.next()]
        with ahead._changed:
            assert ahead._changed.wait_for(lambda: ahead._has_failed, 20)
        hidden.rename(table.path)
        pages += until_the_end(ahead)
    finally:
        ahead.close()
    assert rows_of(table, iter(pages)) == [row for row in table.by_rows() if isinstance(row, EncodedRow)]


def test_no_page_by_rows_waits_behind_another_one(table: Table) -> None:
    """One row may have a gigabyte: what has no bound is read ahead once."""
    table.fill([(n, "\udcff" if n % 10 == 5 else "x") for n in range(2_000)])
    ahead, most = ahead_of(table, page_rows=10), 0
    try:
        while (page := ahead.next()) is not None:
            most = max(most, sum(not isinstance(one.page, EncodedPage) for one in ahead._found))
            assert not isinstance(page, EncodedPage)
    finally:
        ahead.close()
    assert most <= 1


def test_the_end_is_read_once_and_nobody_waits_for_more(table: Table) -> None:
    table.fill([(n, "x") for n in range(30)])
    ahead = ahead_of(table, page_rows=10)
    try:
        assert len(list(until_the_end(ahead))) == 3
        with closing(sqlite3.connect(table.path, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            assert ahead.next() is None
            assert not ahead._is_wanted()
    finally:
        ahead.close()


@pytest.mark.parametrize("immutable", [False, True])
def test_the_lock_is_held_until_the_last_look(table: Table, immutable: bool) -> None:
    """Meanwhile no last close can take away the `-wal` that shows what was written during the read."""
    with closing(sqlite3.connect(table.path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    table.fill([(1, "old")])
    if not immutable:
        writer = sqlite3.connect(table.path, isolation_level=None)
        writer.execute("UPDATE t SET v = 'x'")
    script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA user_version = 7'); db.close()"
    seen: list[bool] = []

    def scan(uri: str) -> Scanned | None:
        scanned = table.native.scan(uri, None, 9, BOUNDS.size_bytes)
        if not seen:
            assert ("immutable=1" in uri) is immutable
            subprocess.run([sys.executable, "-c", script, table.path], check=True)
            seen.append(table.path.with_name("app.db-wal").exists())
        return scanned

    table.source.lend(scan, table.native.close)
    assert seen == [True]


@pytest.mark.parametrize(("target", "unit", "values"), [
    (TargetType.STRING, None, ["", "x"]), (TargetType.STRING, None, ["", ""]), (TargetType.BYTES, None, [b"", b"x"]),
    (TargetType.BYTES, None, [None, b""]), (TargetType.TIMESTAMP, TimestampFormat.UNIX_NANOS, [10**18, 5]),
    (TargetType.TIMESTAMP, TimestampFormat.JULIAN_DAYS, [2_460_000, None]), (TargetType.DATE, None, [None, None]),
    (TargetType.NUMERIC, None, [1, 2]),
])
def test_a_page_without_any_text_is_read_by_compiled_code(
    tmp_path: Path, target: TargetType, unit: TimestampFormat | None, values: list[SqlValue],
) -> None:
    spec = specification([column("id", TargetType.INT64, 4), column("v", target, 5, timestamp_format=unit)])
    table = Table(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", spec)
    table.fill(enumerate(values))
    page = table.by_compiled_code(first_sequence=None)
    assert page is not None
    assert page.rows((0, 1)) == table.by_rows()


def test_a_view_in_the_place_of_the_table_is_left_to_rows(table: Table) -> None:
    table.fill([(1, "x")])
    with closing(sqlite3.connect(table.path)) as db, db:
        db.executescript("ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT id AS rowid, id, 'view' AS v FROM u")
    with pytest.raises(UnfitError, match="error 1 "):
        table.by_compiled_code()


def test_a_first_copy_of_a_table_with_many_numbers_begins_by_compiled_code(table: Table) -> None:
    table.fill([(n, "x" * 20) for n in range(SMALL_ROWS + 1)])
    assert table.reader.rows_at_most() > SMALL_ROWS
    with SweepPages(table.reader, table.source, table.native) as sweep:
        sweep.expect(0)
        assert all(isinstance(page, EncodedPage) for page in sweep)


def test_a_file_that_moves_under_an_immutable_reader_is_read_again(table: Table) -> None:
    with closing(sqlite3.connect(table.path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    table.fill([(1, "old")])
    os.utime(table.path, (1, 1))  # long ago: what is settled is read without a lock
    times = 0

    def scan(uri: str) -> Scanned | None:
        nonlocal times
        times += 1
        scanned = table.native.scan(uri, None, 9, BOUNDS.size_bytes)
        if times == 1:
            assert "immutable=1" in uri
            table.fill([(1, "new")])
        return scanned

    table.source.lend(scan, table.native.close)
    assert times > 1
    assert b"new" in table.native.encode(0).body


def test_nothing_is_written_beside_the_database(table: Table) -> None:
    with closing(sqlite3.connect(table.path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    table.fill([(n, "x") for n in range(10)])
    before = {path.name: path.stat().st_mtime_ns for path in table.path.parent.iterdir()}
    assert table.by_compiled_code() is not None
    assert {path.name: path.stat().st_mtime_ns for path in table.path.parent.iterdir()} == before


def test_no_descriptor_of_the_file_stays_open(table: Table) -> None:
    """Nor does the application's lock go: SQLite itself knows of all that this process has open."""
    table.fill([(n, "x") for n in range(10)])
    with closing(sqlite3.connect(table.path, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM t").fetchone()
        table.native.scan(f"file:{table.path}?mode=ro", None, 9, BOUNDS.size_bytes)
        table.native.close()
        other = subprocess.run([sys.executable, "-c", WRITE, table.path], capture_output=True, text=True, check=False)
        assert "database is locked" in other.stderr, "the lock of a reader in this process is gone"
    assert str(table.path) not in {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()}


def test_a_writer_that_holds_the_file_has_the_page_read_by_rows(table: Table) -> None:
    """Whatever keeps it out is told by the reader by rows, which knows what to do."""
    table.fill([(1, "x")])
    with closing(sqlite3.connect(table.path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnfitError, match="error 5 "):
            table.native.scan(f"file:{table.path}?mode=ro", None, 9, BOUNDS.size_bytes)
    assert table.by_compiled_code() is not None


def test_a_page_ends_at_its_bound_of_bytes_and_a_row_that_is_too_large_is_read_by_rows(table: Table) -> None:
    table.fill([(n, "x" * (1_000_000 if n >= 100 else 10)) for n in range(200)] + [(200, "x" * 9_900_000)])
    assert len(table.by_compiled_code(after=(99,)) or ()) == 9, "9 MB: one more than 8 MiB takes"
    assert len(table.by_compiled_code(after=(198,), most_rows=1) or ()) == 1
    with pytest.raises(UnfitError, match="too large"):
        table.by_compiled_code(after=(199,))


@pytest.mark.parametrize("key", ["a", "\udcff", ""])
def test_a_page_begins_behind_any_text(tmp_path: Path, key: str) -> None:
    """One that is no UTF-8 among them: a page by rows may have ended at it."""
    spec = specification([column("id", TargetType.STRING, 4), column("v", TargetType.STRING, 5)])
    table = Table(tmp_path, f"CREATE TABLE t {DECLARED}", spec)
    table.fill([("", "1"), ("a", "2"), ("b", "3"), ("\udcff", "4")])
    page = table.by_compiled_code(after=(key,), most_rows=1) if key != "\udcff" else None
    wanted = {"": b"a", "a": b"b"}
    if page is None:
        assert table.by_compiled_code(after=(key,)) is None
    else:
        assert [row.key[1:-2] for row in page.rows(range(len(page)))] == [wanted[key]]


@pytest.mark.parametrize("most_rows", [1, 2, 3])
def test_an_order_that_leads_nowhere_is_left_to_rows(tmp_path: Path, most_rows: int) -> None:
    """Broken UTF-16 becomes another text when it is read: behind that one, the next row is not found."""
    spec = specification([column("id", TargetType.STRING, 4), column("v", TargetType.STRING, 5)])
    table = Table(tmp_path, f"PRAGMA encoding = 'UTF-16le'; CREATE TABLE t {DECLARED}; INSERT INTO t (id) VALUES ('a'),"
                  "('b'), ('é'), ('\U0001f600'), (CAST(x'ffdb' AS TEXT)), (CAST(x'00dc' AS TEXT)), ('k0')", spec)

    def walk() -> None:
        after: tuple[SqlValue, ...] | None = None
        for _ in range(20):
            page = table.by_compiled_code(after=after, most_rows=most_rows)
            assert page is not None, "the walk came to an end, with rows left out"
            after = (page.rows([len(page) - 1])[0].key[1:-2].decode(),)

    with pytest.raises(UnfitError, match="not found again" if most_rows == 1 else "not found again|another value"):
        walk()


def test_a_schema_that_changes_under_a_walk_is_told(table: Table) -> None:
    table.fill([(1, "x")])
    with closing(sqlite3.connect(table.path)) as db, db:
        db.execute("ALTER TABLE t RENAME COLUMN v TO w")
    with pytest.raises(UnfitError):
        table.by_compiled_code()


def test_two_threads_read_one_file(table: Table) -> None:
    table.fill([(n, f"v{n}") for n in range(3_000)])
    wanted = [row for row in table.by_rows() if isinstance(row, EncodedRow)]

    def walk(_: int) -> list[EncodedRow]:
        reader, found = NativeReader(SPEC, ZONE, table.reader.order), list[EncodedRow]()
        after: tuple[SqlValue, ...] | None = None
        while True:
            scan = partial(reader.scan, after=after, most_rows=50, most_bytes=1 << 20)
            scanned = table.source.lend(scan, reader.close)
            if scanned is None:
                return found
            page = reader.encode(None)
            found += page.rows(range(len(page)))
            after = scanned.place

    with ThreadPoolExecutor(4) as pool:
        assert all(found == wanted for found in pool.map(walk, range(4)))
