"""A range of a watermark column holds every row that counts, each once, whatever stands beside them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.capture.files import application
from tests.capture.test_pages import rows_of
from tests.properties import COSTLY

from bqsync.capture.order import read_orders
from bqsync.capture.page_sql import OrderTerm, Range, newest_query, plan_query, range_query
from bqsync.capture.pages import PageBounds, Row, TableReader
from bqsync.capture.probe_sql import text_forms_query
from bqsync.capture.source import Source
from bqsync.encode.instants import look_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bqsync.model import SqlValue

TABLES = {
    "rowid": "(k INTEGER PRIMARY KEY, ts, x)",
    "text key": "(k TEXT PRIMARY KEY, ts, x)",
    "without rowid": "(k, ts, x, PRIMARY KEY (k)) WITHOUT ROWID",
    "key of two, without rowid": "(k, ts NOT NULL, x, PRIMARY KEY (ts DESC, k)) WITHOUT ROWID",
    "two names of the rowid are columns": '(k TEXT PRIMARY KEY, ts, x, "rowid" TEXT, OID INT)',
    "every name of the rowid is a column": '(k TEXT PRIMARY KEY, ts, x, "rowid", _rowid_, oid)',
    "a key that an index keeps": "(k TEXT COLLATE NOCASE, ts, x); CREATE UNIQUE INDEX u ON t (k COLLATE BINARY)",
}
INDEX = "; CREATE INDEX at ON t (ts)"


def make(path: Path, script: str, rows: Iterable[Sequence[SqlValue]], *, key: Sequence[str] = ("k",),
         page_rows: int = 1000) -> TableReader:
    """A table `t` with these k, ts, x, read as the engine reads it."""
    path.unlink(missing_ok=True)
    with closing(application(path)) as connection:
        connection.executescript(f"CREATE TABLE t {script}")
        for row in rows:
            places = ", ".join("CAST(? AS TEXT)" if isinstance(value, str) else "?" for value in row)
            bound = [value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value for value in row]
            connection.execute(f"INSERT OR REPLACE INTO t (k, ts, x) VALUES ({places})", bound)
    return reader(path, key=key, page_rows=page_rows)


def reader(path: Path, *, key: Sequence[str] = ("k",), page_rows: int = 1000) -> TableReader:
    source = Source(path)
    orders = source.read(lambda connection: read_orders(connection, "t", key))
    return TableReader(source, "t", ["k", "ts", "x"], key, PageBounds(page_rows, 1 << 30), order=orders.pages,
                       range_order=orders.ranges, key_is_unique=orders.key_is_unique)


def numbers(least: SqlValue = None, *, indexed: bool = False) -> Range:
    return Range(column="ts", is_text=False, least=least, is_indexed=indexed)


def texts(least: SqlValue = None, *, indexed: bool = False) -> Range:
    return Range(column="ts", is_text=True, least=least, is_indexed=indexed)


def spelled(rows: Iterable[Row]) -> list[str]:
    return sorted(map(repr, rows))


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("kind", TABLES)
def test_rows_with_equal_values_are_read_once_over_the_bounds_of_pages(
    tmp_path: Path, kind: str, *, indexed: bool,
) -> None:
    rows = [(key, key // 4, "x") for key in range(23)]
    declared = TABLES[kind] + (INDEX if indexed else "")
    key = ("k", "ts") if kind.startswith("key of two") else ("k",)
    for page_rows in (1, 2, 3, 4, 5, 22, 23, 24):
        pages = list(islice(make(tmp_path / "app.db", declared, rows, key=key, page_rows=page_rows)
                            .range_pages(numbers(2, indexed=indexed)), 40))
        found = rows_of(pages)
        assert [int(str(row[0])) for row in sorted(found, key=lambda row: int(str(row[0])))] == list(range(8, 23))
        assert all(len(row) == 3 for row in found), "what the order asked for is cut off"
        if indexed:
            assert all(len(page.rows) == page_rows for page in pages[:-1])
            assert [row[1] for row in found] == sorted(int(str(row[1])) for row in found)
        else:
            assert len(pages) == -(-23 // page_rows), "one for each page of the table, be it empty"
            assert all(len(page.rows) == len(page.prints) <= page_rows for page in pages)


VALUES: st.SearchStrategy[SqlValue] = (
    st.integers(-3, 3) | st.sampled_from([0.5, -0.5, 2.0, 1e300, 2**62, None]) | st.sampled_from(["", "1", "9", "a"])
    | st.binary(max_size=2)
)
TEXTS = st.text("-0129TZa\u00e9", max_size=4)
KEYS: st.SearchStrategy[SqlValue] = st.none() | st.integers(0, 9) | st.binary(max_size=2).map(
    lambda raw: raw.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("declared", [
    "(k, ts, x); CREATE UNIQUE INDEX u ON t (k)", "(k TEXT, ts INTEGER, x, UNIQUE (k))",
    "(k NOT NULL, ts, x, PRIMARY KEY (k)) WITHOUT ROWID",
])
def test_a_range_has_the_values_of_its_class_from_its_bound_onward_and_no_null_keys(
    tmp_path: Path, declared: str, *, indexed: bool,
) -> None:
    @COSTLY
    @given(st.lists(st.tuples(KEYS, VALUES, st.just("x")), max_size=14), st.integers(1, 4),
           st.none() | st.integers(-2, 2) | st.just(0.5))
    def hold(rows: list[tuple[SqlValue, ...]], page_rows: int, least: float | None) -> None:
        if "NOT NULL" in declared:
            rows = [row for row in rows if row[0] is not None]
        table = make(tmp_path / "app.db", declared + (INDEX if indexed else ""), rows, page_rows=page_rows)
        everything = rows_of(table.pages())
        wanted = [row for row in everything if isinstance(row[1], int | float) and (least is None or row[1] >= least)]
        found = rows_of(islice(table.range_pages(numbers(least, indexed=indexed)), 30))
        assert spelled(found) == spelled(wanted)
        for text in (None, "", "1x"):  # a bound that is a number would be taken for one by some columns
            texts_wanted = [row for row in everything if isinstance(row[1], str) and (text is None or row[1] >= text)]
            found = rows_of(islice(table.range_pages(texts(text, indexed=indexed)), 30))
            assert spelled(found) == spelled(texts_wanted)

    hold()


def test_keys_that_are_no_utf8_at_the_bounds_of_pages(tmp_path: Path) -> None:
    rows = [(text, 1, "x") for text in ("a", "\udcff", "\udcff\udcfe", "b\udc80", "é", "z")]
    for indexed in (False, True):
        for page_rows in (1, 2, 3):
            declared = "(k TEXT, ts, x, PRIMARY KEY (k)) WITHOUT ROWID" + (INDEX if indexed else "")
            table = make(tmp_path / "app.db", declared, rows, page_rows=page_rows)
            assert spelled(rows_of(islice(table.range_pages(numbers(1, indexed=indexed)), 9))) == spelled(rows)


def test_a_text_that_is_no_utf8_is_a_bound_of_its_own_column(tmp_path: Path) -> None:
    rows = [(key, text, "x") for key, text in enumerate(["2024", "2024\udcff", "2024\udcff", "2025"])]
    table = make(tmp_path / "app.db", TABLES["rowid"] + INDEX, rows, page_rows=1)
    assert rows_of(islice(table.range_pages(texts("2024x", indexed=True)), 9)) == rows[1:]


def test_a_row_that_comes_behind_the_cursor_of_an_index_is_in_the_same_walk(tmp_path: Path) -> None:
    table = make(tmp_path / "app.db", TABLES["rowid"] + INDEX, [(1, 10, "x"), (2, 10, "x"), (3, 20, "x")], page_rows=1)
    pages = table.range_pages(numbers(0, indexed=True))
    found = rows_of([next(pages)])
    with closing(application(tmp_path / "app.db")) as writer:
        writer.execute("INSERT INTO t VALUES (9, 10, 'late'), (0, 10, 'before'), (8, 15, 'between')")
    found += rows_of(pages)
    assert [row[0] for row in found] == [1, 2, 9, 8, 3]


@pytest.mark.parametrize("least", [None, 5])
@pytest.mark.parametrize("after", [None, (6, 1)])
def test_an_indexed_range_uses_its_index_and_sorts_nothing(
    tmp_path: Path, least: SqlValue, after: tuple[int, int] | None,
) -> None:
    make(tmp_path / "app.db", TABLES["text key"] + INDEX, [])
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        query = plan_query(range_query("t", ["k", "ts"], ["k"], numbers(least, indexed=True), after=after,
                                       limit_rows=10, order=(OrderTerm("ts"), OrderTerm("rowid"))))
        plan = " ".join(row[3] for row in connection.execute(query.sql, query.parameters))
    assert "USING INDEX at" in plan
    assert "TEMP B-TREE" not in plan


def test_a_range_without_an_index_is_read_by_the_pages_of_the_table_and_no_other_query(tmp_path: Path) -> None:
    """Else one page of it could be a scan of the whole table in one transaction."""
    table = make(tmp_path / "app.db", TABLES["text key"], [(f"k{n:02}", n % 5, "x") for n in range(20)], page_rows=3)
    whole, picked = list(table.pages()), list(table.range_pages(numbers(3)))
    assert [page.rows for page in picked] == [[row for row in page.rows if int(str(row[1])) >= 3] for page in whole]
    by_row = {row: one for page in whole for row, one in zip(page.rows, page.prints, strict=True)}
    assert all(by_row[row] == one for page in picked for row, one in zip(page.rows, page.prints, strict=True))
    assert [page.rows for page in table.range_pages(numbers(99))] == [[]] * 7


@pytest.mark.parametrize(("value", "as_number", "as_text"), [
    (None, False, False), (b"z", False, False), (5, True, False), (4, False, False), (5.0, True, False),
    (4.999, False, False), (float("inf"), True, False), (2**62, True, False), ("5", False, True), ("4", False, False),
    ("", False, False), ("5\udcff", False, True), ("é", False, True),
])
def test_a_value_lies_in_a_range_of_its_class_alone(value: SqlValue, *, as_number: bool, as_text: bool) -> None:
    assert (value in numbers(5), value in texts("5")) == (as_number, as_text)
    assert (value in numbers()) == isinstance(value, int | float)
    assert (value in texts()) == isinstance(value, str)


@COSTLY
@given(st.lists(st.tuples(KEYS, VALUES | TEXTS, st.just("x")), max_size=14), st.integers(1, 4),
       st.none() | st.integers(-2, 2) | st.just(0.5), st.none() | st.text("-0129TZa", max_size=4))
def test_with_an_index_and_without_one_a_range_has_the_same_rows_and_prints(
    tmp_path: Path, rows: list[tuple[SqlValue, ...]], page_rows: int, number: float | None, text: str | None,
) -> None:
    table = make(tmp_path / "app.db", "(k, ts, x); CREATE UNIQUE INDEX u ON t (k)" + INDEX, rows, page_rows=page_rows)
    for kind, least in ((numbers, number), (texts, text)):
        found = [list(islice(table.range_pages(kind(least, indexed=indexed)), 40)) for indexed in (False, True)]
        by_index, picked = ([(repr(row), one) for page in pages for row, one in zip(*page, strict=True)]
                            for pages in found)
        assert sorted(by_index) == sorted(picked)
        assert all(len(page.rows) <= page_rows for pages in found for page in pages)


@pytest.mark.parametrize("declared", [
    "(k INTEGER PRIMARY KEY, ts, x)", "(k TEXT PRIMARY KEY, ts TEXT, x)",
    "(k TEXT PRIMARY KEY, ts TEXT, x) WITHOUT ROWID",
])
@pytest.mark.parametrize(("index", "expected"), [
    ("", False), ("CREATE INDEX at ON t (ts)", True), ("CREATE UNIQUE INDEX at ON t (ts)", True),
    ("CREATE INDEX at ON t (ts DESC)", True),
    ("CREATE INDEX at ON t (ts, x)", True),
    ("CREATE INDEX at ON t (ts DESC, x)", True),
    ("CREATE INDEX at ON t (x, ts)", False), ("CREATE INDEX at ON t (ts COLLATE NOCASE)", False),
    ("CREATE INDEX at ON t (ts) WHERE x IS NOT NULL", False), ("CREATE INDEX at ON t (lower(ts))", False),
])
def test_a_range_is_indexed_where_sqlite_finds_it_by_an_index(
    tmp_path: Path, declared: str, index: str, *, expected: bool,
) -> None:
    table = make(tmp_path / "app.db", f"{declared}; {index}", [(str(n), str(n % 3), "x") for n in range(9)])
    for part in (numbers(0, indexed=True), texts("", indexed=True)):
        assert table.is_indexed(part) == expected


@pytest.mark.parametrize("declared", [
    "(k, ts INTEGER PRIMARY KEY, x)", "(k, ts PRIMARY KEY, x)",
    ("(k, ts PRIMARY KEY, x) WITHOUT ROWID"),  # ORDER BY s."ts", s."ts"
])
def test_a_range_of_the_key_itself_is_indexed(tmp_path: Path, declared: str) -> None:
    assert make(tmp_path / "app.db", declared, [], key=("ts",)).is_indexed(numbers(0, indexed=True))


def test_an_index_that_is_of_the_columns_own_collation_counts(tmp_path: Path) -> None:
    table = make(tmp_path / "app.db", "(k TEXT PRIMARY KEY, ts TEXT COLLATE NOCASE, x)" + INDEX, [])
    assert table.is_indexed(texts("", indexed=True))
    table = make(tmp_path / "app.db", "(k TEXT PRIMARY KEY, ts TEXT COLLATE NOCASE, x);"
                 "CREATE INDEX at ON t (ts COLLATE BINARY)", [])
    assert not table.is_indexed(texts("", indexed=True))


def test_the_newest_value_is_the_greatest_that_counts(tmp_path: Path) -> None:
    rows: list[tuple[SqlValue, ...]] = [
        (1, 100, "x"), (2, 250.5, "x"), (3, 9_999, "of the future"), (4, "300", "x"), (5, b"\xff", "x"),
        (6, None, "x"),
    ]
    for declared in (TABLES["rowid"], TABLES["rowid"] + INDEX):
        table = make(tmp_path / "app.db", declared, rows)
        assert table.newest(numbers(), 1_000, None) == 250.5
        assert table.newest(numbers(), 250.5, None) == 250.5, "the bound itself counts"
        assert table.newest(numbers(), 99, None) is None
        assert table.newest(numbers(), 2**62, None) == 9_999


def test_the_newest_text_has_the_look_of_the_column(tmp_path: Path) -> None:
    rows: list[tuple[SqlValue, ...]] = [
        (1, "2024-01-01T10:00:00Z", "x"), (2, "2024-01-01T10:00:00.5Z", "another form"), (3, "2024-01-02", "x"),
        (4, "2024-01-01T09:00:00Z", "x"), (5, "2030-01-01T00:00:00Z", "of the future"), (6, 5_000, "x"),
        (7, "2024-01-01x10:00:00Z", "x"), (8, None, "x"),
    ]
    look = look_of("####-##-##T##:##:##Z")
    for declared in (TABLES["rowid"], TABLES["rowid"] + INDEX):
        table = make(tmp_path / "app.db", declared, rows)
        assert table.newest(texts(), "2025-01-01T00:00:00Z", look) == "2024-01-01T10:00:00Z"
        assert table.newest(texts(), None, look) is None
        assert table.newest(texts(), "2024-01-01T09:59:59Z", look) == "2024-01-01T09:00:00Z"


def forms(path: Path, *values: SqlValue) -> list[tuple[str, int]]:
    make(path, TABLES["rowid"], [(index, value, "x") for index, value in enumerate(values)])
    query = text_forms_query("t", "ts")
    return Source(path).read(lambda connection: [
        (row[0], row[1]) for row in connection.exec_driver_sql(query.sql, query.parameters)])


def test_texts_of_one_form_are_one_look_and_what_is_no_text_is_none(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    assert forms(path) == forms(path, 1, 2.5, None, b"2024-01-01") == []
    assert forms(path, "2024-01-02", "2024-01-01", 5, None) == [("2024-01-01", 2)]
    assert forms(path, "2024-01-02T00:00:00.123Z", "2023-12-31T23:59:59.000Z") == [("2023-12-31T23:59:59.000Z", 2)]


@pytest.mark.parametrize("other", [
    "2024-01-01", "2024-01-01 10:00:00Z", "2024-01-01T10:00:00z", "2024-01-01T10:00:00", "2024-01-01T10:00:00.5Z",
    "2024-01-01T10:00", "soon", "", "2024-01-01T10:00:00+",
])
def test_texts_of_another_form_are_another_look(tmp_path: Path, other: str) -> None:
    assert len(forms(tmp_path / "app.db", "2024-01-01T10:00:00Z", other)) == 2


@pytest.mark.parametrize(("one", "other"), [
    ("2024-01-01T10:00:00+02:00", "2024-01-01T10:00:00+01:00"),
    ("2024-01-01T10:00:00+02:00", "2024-01-01T10:00:00-02:00"),
    ("2024-01-01T10:00:00.5+02:00", "2024-01-01T10:00:00.55+0200"),
    ("2024-01-01T10:00:00.55Z", "2024-01-01T10:00:00,55Z"), ("2024-01-01T10:00:00+0200", "2024-01-01T10:00:00.55+0"),
])
def test_offsets_and_marks_tell_forms_of_one_length_apart(tmp_path: Path, one: str, other: str) -> None:
    assert len(forms(tmp_path / "app.db", one, other)) == 2


def test_the_text_of_a_range_and_of_its_newest_value() -> None:
    part = Range(column='a"t', is_text=True, least="2024", is_indexed=True)
    order = (OrderTerm('a"t'), OrderTerm("rowid"))
    rows = 'SELECT s."k" FROM "t" AS s WHERE typeof(s."a""t") IN (\'text\') AND s."k" IS NOT NULL AND s."a""t" >= ?'
    first = range_query("t", ["k"], ["k"], part, after=None, limit_rows=5, order=order)
    assert (first.sql, first.parameters) == (f'{rows} ORDER BY s."a""t", s."rowid" LIMIT ?', ("2024", 5))
    query = range_query("t", ["k"], ["k"], part, after=("2024", 7), limit_rows=5, order=order)
    assert query.sql == (
        f'SELECT * FROM ({rows} AND s."a""t" = ? AND (s."rowid") > (?) ORDER BY s."rowid" LIMIT ?) UNION ALL'
        f' SELECT * FROM ({rows} AND s."a""t" > ? ORDER BY s."a""t", s."rowid" LIMIT ?) LIMIT ?'
    )
    assert query.parameters == ("2024", "2024", 7, 5, "2024", "2024", 5, 5)
    assert newest_query("t", part, "2025", None).sql == (
        'SELECT s."a""t" FROM "t" AS s WHERE typeof(s."a""t") IN (\'text\') AND s."a""t" <= ?'
        ' ORDER BY s."a""t" DESC LIMIT 1'
    )


def test_the_next_page_of_equal_values_is_found_by_the_index_and_not_by_passing_over_the_last_ones() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript("CREATE TABLE t (id TEXT PRIMARY KEY, at INTEGER); CREATE INDEX t_at ON t (at)")
        part = Range(column="at", is_text=False, least=0, is_indexed=True)
        query = range_query("t", ["id", "at"], ["id"], part, after=(5, 7), limit_rows=9,
                            order=(OrderTerm("at"), OrderTerm("rowid")))
        plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters))
    assert "(at=? AND rowid>?)" in plan
    assert "TEMP B-TREE" not in plan
