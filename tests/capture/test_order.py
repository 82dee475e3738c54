"""Pages lose no row, whatever tells the rows of a table apart."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bqsync.capture.order import Order, page_order, read_orders
from bqsync.capture.page_sql import OrderTerm, rows_of
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.source import Source

if TYPE_CHECKING:
    from pathlib import Path


def order_of(path: Path, script: str, *key: str) -> Order:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return Source(path).read(lambda connection: page_order(connection, "t", key))


@pytest.mark.parametrize(("script", "key", "expected"), [
    ("CREATE TABLE t (id INTEGER PRIMARY KEY, x)", ["id"], [OrderTerm("id")]),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, x)", ["id"], [OrderTerm("id")]),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, x)", ["x"], [OrderTerm("rowid")]),
    ("CREATE TABLE t (rowid TEXT, oid TEXT)", ["oid"], [OrderTerm("_rowid_")]),
    ("CREATE TABLE t (a, b, PRIMARY KEY (b, a))", ["a", "b"], [OrderTerm("b"), OrderTerm("a")]),
    ("CREATE TABLE t (a NOT NULL, b NOT NULL); CREATE UNIQUE INDEX u ON t (a, b)", ["a", "b"],
     [OrderTerm("a"), OrderTerm("b")]),
    ("CREATE TABLE t (a, b); CREATE UNIQUE INDEX u ON t (a) WHERE b", ["a"], [OrderTerm("rowid")]),
    ("CREATE TABLE t (a, b); CREATE UNIQUE INDEX u ON t (lower(a))", ["a"], [OrderTerm("rowid")]),
    ("CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY)", ["a"], [OrderTerm("a", "NOCASE")]),
    ("CREATE TABLE t (a TEXT COLLATE NOCASE NOT NULL, PRIMARY KEY (a COLLATE BINARY))", ["a"],
     [OrderTerm("a", "BINARY")]),
    ("CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID", ["a"], [OrderTerm("a")]),
    ("CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID", ["b"], [OrderTerm("a")]),
    ("PRAGMA encoding = 'UTF-8'; CREATE TABLE t (id TEXT PRIMARY KEY)", ["id"], [OrderTerm("id")]),
    ("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (id TEXT PRIMARY KEY)", ["id"], [OrderTerm("rowid")]),
    ("PRAGMA encoding = 'UTF-16be'; CREATE TABLE t (id TEXT PRIMARY KEY)", ["id"], [OrderTerm("rowid")]),
    ("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a TEXT, b, PRIMARY KEY (a)) WITHOUT ROWID", ["a"],
     [OrderTerm("a")]),
    ("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (id TEXT PRIMARY KEY, rowid, _rowid_, oid)", ["id"],
     [OrderTerm("id")]),
])
def test_the_order_is_that_of_a_unique_index_or_of_the_rowid(
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


def test_a_composite_key_with_collations_uses_its_index(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    order = order_of(path, "CREATE TABLE t (a TEXT COLLATE NOCASE, b INTEGER, x, PRIMARY KEY (a, b))", "a", "b")
    reader = TableReader(Source(path), "t", ["a", "b", "x"], ["a", "b"], PageBounds(10, 1 << 20), order=order)
    terms = ", ".join(term.sql for term in reader._order)
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT * FROM {rows_of('t')} WHERE ({terms}) > (?, ?) ORDER BY {terms}", ("x", 1)
        ).fetchall()
    assert any("sqlite_autoindex_t_1" in row[3] for row in plan)
    assert not any("TEMP B-TREE" in row[3] for row in plan)


@pytest.mark.parametrize(("script", "key", "pages", "ranges", "is_unique"), [
    ("CREATE TABLE t (id INTEGER PRIMARY KEY, x)", ["id"], [OrderTerm("id")], [OrderTerm("rowid")], True),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, x)", ["ID"], [OrderTerm("id")], [OrderTerm("rowid")], True),
    ("CREATE TABLE t (id TEXT PRIMARY KEY, x)", ["x"], [OrderTerm("rowid")], [OrderTerm("rowid")], False),
    ('CREATE TABLE t ("rowid" TEXT PRIMARY KEY, x)', ["rowid"], [OrderTerm("rowid")], [OrderTerm("_rowid_")], True),
    ("CREATE TABLE t (ROWID TEXT PRIMARY KEY, _RowId_, x)", ["rowid"], [OrderTerm("ROWID")], [OrderTerm("oid")], True),
    ("CREATE TABLE t (rowid TEXT PRIMARY KEY, _rowid_, oid)", ["rowid"], [OrderTerm("rowid")], [OrderTerm("rowid")],
     True),
    ("CREATE TABLE t (rowid, _rowid_, oid)", ["oid"], [OrderTerm("oid")], [OrderTerm("oid")], False),
    ("CREATE TABLE t (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID", ["a", "b"], [OrderTerm("b"), OrderTerm("a")],
     [OrderTerm("b"), OrderTerm("a")], True),
    ("CREATE TABLE t (a, b NOT NULL UNIQUE, PRIMARY KEY (a)) WITHOUT ROWID", ["b"], [OrderTerm("b")], [OrderTerm("a")],
     True),
])
def test_a_range_is_read_in_the_order_in_which_equal_values_stand_in_an_index(
    tmp_path: Path, script: str, key: list[str], pages: list[OrderTerm], ranges: list[OrderTerm], *, is_unique: bool,
) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.executescript(script)
    orders = Source(tmp_path / "app.db").read(lambda connection: read_orders(connection, "t", key))
    assert (list(orders.pages), list(orders.ranges), orders.key_is_unique) == (pages, ranges, is_unique)
