"""No row is lost or doubled over the boundaries of pages, whatever its key; and a page is as large as it may be."""

from __future__ import annotations

from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.capture.files import WIDE, application, bounded, keyed, make
from tests.properties import COSTLY

from bqsync.capture.order import read_orders
from bqsync.capture.page_sql import OrderTerm
from bqsync.capture.pages import Page, PageBounds, Row, TableReader, count_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bqsync.model import SqlValue

INTEGERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.floats(allow_nan=False).map(lambda number: number + 0.0)
BLOBS = st.binary(max_size=6)
TEXTS = st.text(alphabet="\0\x01 aAbBÄäß\uffff\U0001f600", max_size=5)
BROKEN_TEXTS = st.binary(max_size=5).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ODD_ONES: list[SqlValue] = [1, 1.5, 2**53 + 1, float(2**53), "1", b"1", ""]
MIXED: st.SearchStrategy[SqlValue] = INTEGERS | REALS | BLOBS | BROKEN_TEXTS | st.sampled_from(ODD_ONES)

TABLES: dict[str, tuple[str, list[str], st.SearchStrategy[tuple[SqlValue, ...]]]] = {
    "integer": ("(k INTEGER PRIMARY KEY, x)", ["k"], st.tuples(INTEGERS, st.just("x"))),
    "text": ("(k TEXT PRIMARY KEY, x)", ["k"], st.tuples(TEXTS, st.just(1))),
    "broken text": ("(k TEXT PRIMARY KEY, x)", ["k"], st.tuples(BROKEN_TEXTS, st.just(1))),
    "nocase": ("(k TEXT COLLATE NOCASE PRIMARY KEY, x)", ["k"], st.tuples(TEXTS, st.just(1))),
    "rtrim": ("(k TEXT COLLATE RTRIM PRIMARY KEY, x)", ["k"], st.tuples(TEXTS, st.just(1))),
    "real": ("(k REAL PRIMARY KEY, x)", ["k"], st.tuples(REALS, st.just(1))),
    "blob": ("(k BLOB PRIMARY KEY, x)", ["k"], st.tuples(BLOBS, st.just(1))),
    "mixed": ("(k PRIMARY KEY, x)", ["k"], st.tuples(MIXED, st.just(1))),
    "mixed in an integer column": ("(k INT PRIMARY KEY, x)", ["k"], st.tuples(INTEGERS | REALS, st.just(1))),
    "mixed in a text column": ("(k TEXT PRIMARY KEY, x)", ["k"], st.tuples(BROKEN_TEXTS | BLOBS, st.just(1))),
    "composite": ("(a TEXT, x, b INTEGER, PRIMARY KEY (b, a))", ["b", "a"],
                  st.tuples(TEXTS, st.just(1), st.integers(-2, 2))),
    "composite of anything": ("(a, b, PRIMARY KEY (a, b))", ["a", "b"], st.tuples(MIXED, MIXED)),
    "descending": ("(a, b, PRIMARY KEY (a DESC, b))", ["a", "b"], st.tuples(st.integers(0, 3), INTEGERS)),
    "without rowid": ("(a TEXT, b REAL, PRIMARY KEY (b, a)) WITHOUT ROWID", ["b", "a"],
                      st.tuples(BROKEN_TEXTS, st.sampled_from([0.5, -1.5, 1e300]))),
    "without an index": ("(k, x)", ["k"], st.tuples(MIXED, st.just(1))),
}


def rows_of(pages: Iterable[Page]) -> list[Row]:
    return list(chain.from_iterable(page.rows for page in pages))


def identity(row: Sequence[SqlValue]) -> list[tuple[type, SqlValue]]:
    """Equal only where every cell has the same value of the same type."""
    return [(type(value), value) for value in row]


@pytest.mark.parametrize("kind", TABLES)
def test_pages_hold_every_row_once_and_in_order(kind: str, tmp_path: Path) -> None:
    declaration, key, some_rows = TABLES[kind]

    @COSTLY
    @given(st.lists(some_rows, max_size=14, unique_by=lambda row: row), st.integers(1, 5))
    def hold(rows: list[tuple[SqlValue, ...]], page_rows: int) -> None:
        reader = keyed(tmp_path / "app.db", declaration, key, rows)
        at_once = rows_of(islice(reader.pages(), 2))
        with_count = reader._source.read(lambda connection: count_rows(connection, "t"))
        assert len(at_once) == with_count
        pages = list(islice(bounded(reader, page_rows).pages(), len(rows) + 2))
        assert [identity(row) for row in rows_of(pages)] == [identity(row) for row in at_once]
        assert all(len(page.rows) == page_rows for page in pages[:-1])
        positions = [reader.columns.index(name) for name in key]
        for row in at_once:
            values = tuple(row[at] for at in positions)
            assert reader.find(values) == row
            assert reader.present([values]) == [True]

    hold()


@pytest.mark.parametrize("page_rows", [1, 2, 3, 7, 8, 9])
def test_every_page_size_reads_the_same_rows(page_rows: int, tmp_path: Path) -> None:
    rows: list[tuple[SqlValue, ...]] = [
        (key, other) for key in ("", "a", "A", "a\0", "é", "\udcff", b"a", b"", 1, 1.5, -(2**63)) for other in (1, "x")
    ]
    reader = keyed(tmp_path / "app.db", "(a, b, PRIMARY KEY (a, b))", ["a", "b"], rows)
    found = rows_of(bounded(reader, page_rows).pages())
    assert len(found) == len(rows)
    assert {tuple(identity(row)) for row in found} == {tuple(identity(row)) for row in rows}


def test_an_empty_table_has_no_page(tmp_path: Path) -> None:
    assert list(keyed(tmp_path / "app.db", "(k PRIMARY KEY)", ["k"], []).pages()) == []


def test_rows_with_a_null_in_the_key_are_read_apart(tmp_path: Path) -> None:
    rows: list[Row] = [("a", 1, "x"), (None, 1, "y"), ("b", None, "z"), (None, None, "w"), (None, 1, "y")]
    reader = keyed(tmp_path / "app.db", "(a TEXT, b INTEGER, x, PRIMARY KEY (a, b))", ["a", "b"], rows)
    assert rows_of(bounded(reader, 1).pages()) == [rows[0]]
    assert sorted(map(str, reader.null_key_rows(10))) == sorted(map(str, rows[1:]))
    for page_rows in (1, 2, 3, 4, 5):
        paged = bounded(reader, page_rows)
        assert paged.null_key_rows(10) == rows[1:], "in the order of the rowid, over several pages"
        for limit in (1, 2, 3, 4):
            found = paged.null_key_rows(limit)
            assert found == rows[1:][:len(found)]
            assert min(limit, 4) <= len(found) < limit + page_rows


def test_rows_with_a_null_in_the_key_are_all_read_where_a_page_ends_by_its_bytes(tmp_path: Path) -> None:
    rows: list[Row] = [(None, "x" * 500) for _ in range(20)]
    reader = bounded(keyed(tmp_path / "app.db", "(k TEXT PRIMARY KEY, x)", ["k"], rows), 1000, 1200)
    assert reader.null_key_rows(100) == rows
    assert len(reader.null_key_rows(4)) == 6


def test_rows_with_a_null_in_the_key_are_all_read_in_a_table_without_rowid(tmp_path: Path) -> None:
    rows: list[Row] = [(key, None) for key in ("a", "b", "\udcff", "é")]
    reader = bounded(keyed(tmp_path / "app.db", "(n TEXT PRIMARY KEY, k TEXT UNIQUE) WITHOUT ROWID", ["k"], rows), 1)
    reader = TableReader(reader._source, "t", ["k", "n"], ["k"], PageBounds(1, 1 << 20), range_order=(OrderTerm("n"),))
    assert sorted(map(str, reader.null_key_rows(10))) == sorted(str((null, key)) for key, null in rows)


@pytest.mark.parametrize("sizes", [[600] * 20, [10] * 50 + [5000] * 50, [5000, 10, 10, 5000, 400, 400, 400, 1]])
def test_a_page_ends_with_the_row_that_reaches_its_bytes(sizes: list[int], tmp_path: Path) -> None:
    rows = [(index, "x" * size) for index, size in enumerate(sizes)]
    reader = bounded(keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, x)", ["k"], rows), 1000, 1000)
    pages = list(reader.pages())
    assert rows_of(pages) == rows
    weights = [[15 + len(str(text)) for _, text in page.rows] for page in pages]
    assert all(sum(page[:-1]) < 1000 for page in weights)
    assert all(sum(page) >= 1000 for page in weights[:-1])


def test_a_row_that_comes_or_goes_between_two_pages_disturbs_no_other(tmp_path: Path) -> None:
    even = [(key,) for key in range(0, 20, 2)]
    pages = bounded(keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY)", ["k"], even), 3).pages()
    found = list(next(pages).rows)
    writer = application(tmp_path / "app.db")
    writer.execute("DELETE FROM t WHERE k IN (4, 6)")
    writer.execute("INSERT INTO t VALUES (3), (7)")
    writer.close()
    found += rows_of(pages)
    assert found == [(0,), (2,), (4,), (7,), (8,), (10,), (12,), (14,), (16,), (18,)]


def test_a_key_that_is_spelled_otherwise_is_not_present(tmp_path: Path) -> None:
    text = keyed(tmp_path / "app.db", "(k TEXT COLLATE NOCASE PRIMARY KEY)", ["k"], [("Anna",), ("\udcff",)])
    assert text.present([("Anna",), ("anna",), ("\udcff",), ("\udcfe",)]) == [True, False, True, False]
    assert text.find(("nobody",)) is None
    number = keyed(tmp_path / "app.db", "(k PRIMARY KEY)", ["k"], [(1,), (2.5,), ("3",)])
    assert number.present([(1,), (1.0,), (2.5,), ("3",), (3,), (b"3",)]) == [True, False, True, True, False, False]


def test_odd_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "it's 100% #1?.db"
    reader = keyed(path, '("select" INTEGER PRIMARY KEY, "a""b" TEXT, "" TEXT)', ["select"], [(1, "x", "y")])
    assert rows_of(reader.pages()) == [(1, "x", "y")]


@pytest.mark.parametrize(("schema", "expected"), [
    ("(k INTEGER PRIMARY KEY, x)", 3_999), ("(k TEXT PRIMARY KEY, x)", 4_000),
    ("(k INTEGER PRIMARY KEY, x) WITHOUT ROWID", 0),
])
def test_how_many_rows_there_may_be_is_told_by_the_first_and_the_last_number(
    tmp_path: Path, schema: str, expected: int,
) -> None:
    source = make(tmp_path / "app.db", f"CREATE TABLE t {schema}")
    order = source.read(lambda connection: read_orders(connection, "t", ["k"])).pages
    reader = TableReader(source, "t", ["k", "x"], ["k"], WIDE, order=order)
    assert reader.rows_at_most() == 0
    with closing(application(tmp_path / "app.db")) as db:
        db.executemany("INSERT INTO t VALUES (?, 'x')", [(number,) for number in range(1, 4_001)])
        db.execute("DELETE FROM t WHERE k = 1 AND typeof(k) = 'integer'")
    assert reader.rows_at_most() == expected
