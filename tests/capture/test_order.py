"""Pages lose no row, whatever tells the rows of a table apart."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bqsync.capture.order import Order, page_order, read_orders
from bqsync.capture.page_sql import OrderTerm, page_query, plan_query
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.source import Source

if TYPE_CHECKING:
    from pathlib import Path


def order_of(path: Path, script: str, *key: str) -> Order:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return Source(path).read(lambda connection: page_order(connection, "t", key))


ROWID = OrderTerm("rowid", is_rowid=True)


@pytest.mark.parametrize(("script", "key", "expected"), [
    ("CREATE TABLE t (id INTEGER PRIMARY KEY, x)", ["id"], [OrderTerm("id", is_rowid=True)]),
    ("CREATE TABLE t (id INTEGER PRIMARY KEY DESC, x)", ["id"], [ROWID]),
    ("CREATE TABLE t (id INT PRIMARY KEY, x)", ["id"], [ROWID]),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, x)", ["id"], [ROWID]),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, x)", ["x"], [ROWID]),
    ("CREATE TABLE t (rowid TEXT, oid TEXT)", ["oid"], [OrderTerm("_rowid_", is_rowid=True)]),
    ("CREATE TABLE t (a, b, PRIMARY KEY (b, a))", ["a", "b"], [ROWID]),
    ("CREATE TABLE t (a NOT NULL, b NOT NULL); CREATE UNIQUE INDEX u ON t (a, b)", ["a", "b"], [ROWID]),
    ("CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY)", ["a"], [ROWID]),
    ("CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID", ["a"], [OrderTerm("a")]),
    ("CREATE TABLE t (a INTEGER, b, PRIMARY KEY (a)) WITHOUT ROWID", ["a"], [OrderTerm("a")]),
    ("CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID", ["b"], [OrderTerm("a")]),
    ("CREATE TABLE t (a TEXT COLLATE NOCASE, b, PRIMARY KEY (a COLLATE BINARY)) WITHOUT ROWID", ["a"],
     [OrderTerm("a", "BINARY")]),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, rowid, _rowid_, oid)", ["id"], [OrderTerm("id")]),
    ("CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY, rowid, _rowid_, oid)", ["a"], [OrderTerm("a", "NOCASE")]),
    ("CREATE TABLE t (a, b, rowid, _rowid_, oid); CREATE UNIQUE INDEX u ON t (lower(a))", ["a"], [OrderTerm("a")]),
    ("CREATE TABLE t (id INTEGER PRIMARY KEY, rowid, _rowid_, oid)", ["oid"], [OrderTerm("id", is_rowid=True)]),
    ("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (id TEXT PRIMARY KEY)", ["id"], [ROWID]),
    ("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID", ["a"],
     [OrderTerm("a")]),
])
def test_the_order_is_that_of_the_table_itself_where_it_can_be_named(
    tmp_path: Path, script: str, key: list[str], expected: list[OrderTerm],
) -> None:
    assert list(order_of(tmp_path / "app.db", script, *key)) == expected


@pytest.mark.parametrize(("table", "key", "rows"), [
    ("(k TEXT COLLATE NOCASE NOT NULL, n, PRIMARY KEY (k COLLATE BINARY))", "k", [("A", 1), ("a", 2), ("b", 3)]),
    ("(k TEXT COLLATE NOCASE, n); CREATE UNIQUE INDEX u ON t (k COLLATE BINARY)", "k", [("A", 1), ("a", 2), ("B", 3)]),
    ("(k TEXT, n)", "k", [("a", 1), ("a", 2), ("b", 3), ("a", 4)]),
    ("(n TEXT, k TEXT, PRIMARY KEY (n)) WITHOUT ROWID", "k", [("1", "a"), ("2", "a"), ("3", "b")]),
])
@pytest.mark.parametrize("page_rows", [1, 2, 3])
def test_rows_with_keys_that_compare_as_equal_are_all_read(
    tmp_path: Path, table: str, key: str, rows: list[tuple[object, ...]], page_rows: int,
) -> None:
    path = tmp_path / "app.db"
    order = order_of(path, f"CREATE TABLE t {table}", key)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    reader = TableReader(Source(path), "t", [key], [key], PageBounds(page_rows, 1 << 20), order=order)
    position = 1 if table.startswith("(n") else 0
    read = sorted(str(row[0]) for page in reader.pages() for row in page.rows)
    assert read == sorted(str(row[position]) for row in rows)


@pytest.mark.parametrize(("declared", "expected"), [
    ("(a TEXT COLLATE NOCASE, b INTEGER, x, PRIMARY KEY (a, b))", "SEARCH s USING INTEGER PRIMARY KEY (rowid>?)"),
    ("(a TEXT, b INTEGER, x, PRIMARY KEY (a, b)) WITHOUT ROWID", "SEARCH s USING PRIMARY KEY ((a,b)>(?,?))"),
    ("(a INTEGER PRIMARY KEY, b UNIQUE, x, UNIQUE (a, b))", "SEARCH s USING INTEGER PRIMARY KEY (rowid>?)"),
])
def test_a_page_is_found_in_the_table_itself(tmp_path: Path, declared: str, expected: str) -> None:
    path = tmp_path / "app.db"
    order = order_of(path, f"CREATE TABLE t {declared}", "a", "b")
    after = (1,) * len(order)
    query = plan_query(page_query("t", ["a", "b", "x"], ["a", "b"], after, 10, order=order))
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(query.sql, query.parameters).fetchall()
    assert [row[3] for row in plan] == [expected]


@pytest.mark.parametrize(("script", "key", "pages", "ranges", "is_unique"), [
    ("CREATE TABLE t (id INTEGER PRIMARY KEY, x)", ["id"], [OrderTerm("id", is_rowid=True)],
     [OrderTerm("id", is_rowid=True)], True),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, x)", ["ID"], [ROWID], [ROWID], True),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, x)", ["x"], [ROWID], [ROWID], False),
    ('CREATE TABLE t ("rowid" TEXT PRIMARY KEY, x)', ["rowid"], [OrderTerm("_rowid_", is_rowid=True)],
     [OrderTerm("_rowid_", is_rowid=True)], True),
    ("CREATE TABLE t (ROWID TEXT PRIMARY KEY, _RowId_, x)", ["rowid"], [OrderTerm("oid", is_rowid=True)],
     [OrderTerm("oid", is_rowid=True)], True),
    ("CREATE TABLE t (rowid TEXT PRIMARY KEY, _rowid_, oid)", ["rowid"], [OrderTerm("rowid")], [OrderTerm("rowid")],
     True),
    ("CREATE TABLE t (rowid, _rowid_, oid)", ["oid"], [OrderTerm("oid")], [OrderTerm("oid")], False),
    ("CREATE TABLE t (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID", ["a", "b"], [OrderTerm("b"), OrderTerm("a")],
     [OrderTerm("b"), OrderTerm("a")], True),
    ("CREATE TABLE t (a, b NOT NULL UNIQUE, PRIMARY KEY (a)) WITHOUT ROWID", ["b"], [OrderTerm("a")], [OrderTerm("a")],
     True),
])
def test_a_range_is_read_in_the_order_in_which_equal_values_stand_in_an_index(
    tmp_path: Path, script: str, key: list[str], pages: list[OrderTerm], ranges: list[OrderTerm], *, is_unique: bool,
) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.executescript(script)
    orders = Source(tmp_path / "app.db").read(lambda connection: read_orders(connection, "t", key))
    assert (list(orders.pages), list(orders.ranges), orders.key_is_unique) == (pages, ranges, is_unique)
