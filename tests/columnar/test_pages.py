"""Pages by columns meet their neighbours, and a process that is gone costs nothing but time."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.columnar.tables import BOUNDS, Table, column, specification

from bqsync.capture.pages import PageBounds, TableReader
from bqsync.columnar.child import ColumnarReader, ReaderGoneError
from bqsync.columnar.messages import PageRead, PageWanted, Unfit
from bqsync.engine.ahead import PagesAhead
from bqsync.engine.sweep_pages import LARGE_ROWS, SweepPages
from bqsync.model import EncodedPage, EncodedRow, TargetType

PATIENCE_S = 60.0
SPEC = specification([column("id", TargetType.INT64, 4), column("v", TargetType.STRING, 5)])
SCHEMA = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path, SCHEMA, SPEC)


@pytest.fixture
def process(table: Table) -> Iterator[ColumnarReader]:
    with ColumnarReader(table.assignment) as reader:
        assert reader.is_ready(PATIENCE_S)
        yield reader


def rows_of(table: Table, pages: Iterator[Any]) -> list[EncodedRow]:
    """As encoded rows, whichever way they came."""
    found: list[EncodedRow] = []
    for page in pages:
        if isinstance(page, EncodedPage):
            found += page.rows(range(len(page)))
        else:
            found += [row for row in map(table.encoder.encode, page.rows) if isinstance(row, EncodedRow)]
    return found


def bounded(table: Table, rows: int) -> TableReader:
    return TableReader(table.source, "t", ["id", "v"], ["id"], PageBounds(rows, BOUNDS.size_bytes),
                       order=table.reader.order)


def ahead_of(table: Table, process: ColumnarReader, *, page_rows: int = 100) -> PagesAhead:
    return PagesAhead(process, table.source, bounded(table, page_rows).walk(), rows=0, is_first_copy=True,
                      most_rows=page_rows, table="t")


def large(table: Table) -> SweepPages:
    pages = SweepPages(table.reader, table.source, table.assignment)
    pages.expect(LARGE_ROWS)
    return pages


def until_the_end(ahead: PagesAhead) -> Iterator[Any]:
    while (page := ahead.next()) is not None:
        yield page


def test_a_walk_brings_every_row_once_whichever_way_its_pages_are_read(table: Table, process: ColumnarReader) -> None:
    """A blob among the texts, and a text that is no UTF-8: their pages are read by rows, and those around them not."""
    table.fill([(n, b"x" if n == 1_234 else "\udcff" if n == 3_000 else f"v{n}") for n in range(4_000)])
    wanted = [row.key for row in table.by_rows() if isinstance(row, EncodedRow)]
    ahead = ahead_of(table, process)
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


def test_what_was_read_ahead_is_read_again_when_newer_rows_were_merged(table: Table, process: ColumnarReader) -> None:
    table.fill([(n, "old") for n in range(2_000)])
    ahead = ahead_of(table, process, page_rows=10)
    try:
        first = ahead.next()
        with ahead._changed:
            ahead._changed.wait_for(lambda: len(ahead._found) == 3)
        with closing(sqlite3.connect(table.path)) as db, db:
            db.execute("UPDATE t SET v = 'new'")
        ahead.forget()
        rest = rows_of(table, until_the_end(ahead))
    finally:
        ahead.close()
    taken = len(rows_of(table, iter([first])))
    fresh = [row for row in table.by_rows() if isinstance(row, EncodedRow)][taken:]
    assert rest == fresh, "each row behind the first page, once, as it is now"


def test_the_process_dies_and_the_rest_is_read_by_rows(table: Table, process: ColumnarReader,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    table.fill([(n, f"v{n}") for n in range(3_000)])
    ahead = ahead_of(table, process)
    try:
        pages = [ahead.next()]
        os.kill(process._process.pid, signal.SIGKILL)
        pages += until_the_end(ahead)
    finally:
        ahead.close()
    assert rows_of(table, iter(pages)) == [row for row in table.by_rows() if isinstance(row, EncodedRow)]
    assert "columnar.ended" in "".join(capsys.readouterr())


def test_a_table_that_is_known_to_be_large_is_read_by_columns(table: Table) -> None:
    table.fill([(n, f"v{n}") for n in range(20_000)])
    with large(table) as sweep:
        rest = iter(sweep)
        pages = [next(rest)]
        assert sweep._child is not None
        assert sweep._child.is_ready(PATIENCE_S), "until then, reading goes on by rows"
        pages += rest
        with large(table) as other:
            by_rows = list(other)
    assert rows_of(table, iter(pages)) == rows_of(table, iter(by_rows))
    assert any(isinstance(page, EncodedPage) for page in pages)
    assert not any(isinstance(page, EncodedPage) for page in by_rows), "one process at a time"


def test_a_first_copy_of_a_table_with_many_numbers_begins_by_columns(table: Table) -> None:
    """How many rows there are nobody has counted: the last number tells enough, and a small file that it may not."""
    table.fill([(1, "x"), (LARGE_ROWS, "y")])
    assert 2 <= table.reader.rows_at_most() < LARGE_ROWS
    table.fill([(n, "x" * 20) for n in range(LARGE_ROWS // 20)] + [(LARGE_ROWS, "x" * 2_000_000)])
    with SweepPages(table.reader, table.source, table.assignment) as sweep:
        sweep.expect(0)
        rest = iter(sweep)
        pages = [next(rest)]
        assert sweep._child is not None, "it is started for the first page"
        assert sweep._child.is_ready(PATIENCE_S)
        pages += rest
    assert rows_of(table, iter(pages)) == [row for row in table.by_rows() if isinstance(row, EncodedRow)]
    assert any(isinstance(page, EncodedPage) for page in pages)


def test_an_answer_that_nobody_waits_for_any_more_is_not_taken_for_another_one(
    table: Table, process: ColumnarReader,
) -> None:
    """The file moved while an immutable page was read: the same page is asked for once more."""
    table.fill([(1, "old")])

    def ask(after: tuple[int, ...] | None, *, again: bool) -> None:
        wanted = partial(PageWanted, after=after, limit_rows=9, first_sequence=0)
        table.source.lend(lambda uri: process.ask(wanted(uri=uri), again=again))

    ask(None, again=False)
    ask(None, again=False)
    ask((1,), again=True)
    assert process.owed == 2
    first = process.page()
    assert isinstance(first, PageRead)
    assert first.page is not None
    assert process.page() == PageRead(None)
    assert process.owed == 0


def test_a_file_that_moves_under_an_immutable_reader_is_read_again(table: Table, process: ColumnarReader) -> None:
    with closing(sqlite3.connect(table.path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    table.fill([(1, "old")])
    os.utime(table.path, (1, 1))  # long ago: what is settled is read without a lock
    times = 0

    def ask(uri: str) -> None:
        nonlocal times
        times += 1
        process.ask(PageWanted(uri=uri, after=None, limit_rows=9, first_sequence=0), again=times > 1)
        if times == 1:
            assert "immutable=1" in uri
            table.fill([(1, "new")])

    table.source.lend(ask)
    found = process.page()
    assert times > 1
    assert isinstance(found, PageRead)
    assert found.page is not None
    assert b"new" in found.page.body


def test_nothing_is_written_beside_the_database(table: Table, process: ColumnarReader) -> None:
    with closing(sqlite3.connect(table.path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    table.fill([(n, "x") for n in range(10)])
    before = {path.name: path.stat().st_mtime_ns for path in table.path.parent.iterdir()}
    assert isinstance(table.by_columns(process), PageRead)
    assert {path.name: path.stat().st_mtime_ns for path in table.path.parent.iterdir()} == before


def test_a_writer_that_holds_the_file_has_the_page_read_by_rows(table: Table, process: ColumnarReader) -> None:
    """Whatever keeps the process out is told by the reader by rows, which knows what to do."""
    table.fill([(1, "x")])
    with closing(sqlite3.connect(table.path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        process.ask(PageWanted(uri=f"file:{table.path}?mode=ro", after=None, limit_rows=9, first_sequence=0))
        assert isinstance(process.page(), Unfit)
    assert isinstance(table.by_columns(process), PageRead)


def test_rows_that_are_far_larger_than_those_before_do_not_fill_the_memory(
    table: Table, process: ColumnarReader,
) -> None:
    """600 MB in one page of columns: it is given up, and read by rows, a few at a time."""
    table.fill([(n, "x" * (1_000_000 if n >= 100 else 10)) for n in range(700)])
    assert isinstance(table.by_columns(process, limit_rows=50), PageRead)
    assert isinstance(table.by_columns(process, after=(50,), limit_rows=5_000), Unfit)
    assert isinstance(table.by_columns(process, limit_rows=50), PageRead), "and it goes on"


def test_a_process_that_is_gone_says_so(table: Table, process: ColumnarReader) -> None:
    os.kill(process._process.pid, signal.SIGKILL)
    with pytest.raises(ReaderGoneError, match="ended with -9"):
        table.by_columns(process)


def test_a_process_that_stands_still_does_not_keep_the_file_locked(table: Table) -> None:
    """The lock is held while it reads: it is ended, and a writer gets in."""
    table.fill([(1, "x")])
    with ColumnarReader(table.assignment, read_s=0.5) as process:
        assert process.is_ready(PATIENCE_S)
        os.kill(process._process.pid, signal.SIGSTOP)
        with pytest.raises(ReaderGoneError, match="no answer"):
            table.by_columns(process)
        assert process._process.returncode == -signal.SIGKILL
    table.fill([(2, "y")])
