"""An index that disagrees with its table, as damage leaves it: SQLite goes by it and tells nobody; a sweep must not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bqsync.capture.order import read_orders
from bqsync.capture.page_sql import Range
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workbench import Workbench

    from bqsync.capture.pages import Row

DECLARED = (
    "(id TEXT PRIMARY KEY, at INTEGER, v TEXT)",
    "(id TEXT PRIMARY KEY, at INTEGER, v TEXT, UNIQUE (id, v))",
    "(id TEXT COLLATE NOCASE NOT NULL UNIQUE, at INTEGER, v TEXT)",
    "(id INTEGER PRIMARY KEY, at INTEGER, v TEXT, UNIQUE (id))",
    "(id TEXT, at INTEGER, v TEXT, PRIMARY KEY (id, at))",
)
ROWS = 9


def spoil_indexes(path: Path, change: str) -> None:
    """
    Change the rows of `t` behind the back of its indexes.

    The schema is made to say that there are none, a second connection changes the rows, and the schema is put back.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        kept = db.execute("SELECT * FROM sqlite_schema WHERE type = 'index'").fetchall()
        (declared,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 't'").fetchone()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE type = 'index'")
        db.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE t (id, at INTEGER, v TEXT)' WHERE name = 't'"
                   if "INTEGER PRIMARY KEY" not in declared else
                   "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, v TEXT)'"
                   " WHERE name = 't'")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(change)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 't'", (declared,))
        db.executemany("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", kept)


CHANGES = {
    "entries are missing": "INSERT INTO t VALUES ({new}, 5, 'hidden'); UPDATE t SET id = {other} WHERE v = 'v3'",
    "entries lead nowhere": "DELETE FROM t WHERE v = 'v4'",
    "entries have other values": "UPDATE t SET at = 77, v = 'new' WHERE v IN ('v0', 'v8')",
}


def made(path: Path, declared: str, change: str) -> list[Row]:
    """A table whose indexes are wrong; returns what it holds."""
    numbers = "INTEGER PRIMARY KEY" in declared
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(f"CREATE TABLE t {declared}; CREATE INDEX t_at ON t (at)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", [
            (n if numbers else f"k{n}", n, f"v{n}") for n in range(ROWS)])
    new, other = ("50", "60") if numbers else ("'k50'", "'k60'")
    spoil_indexes(path, CHANGES[change].format(new=new, other=other))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() != ("ok",), "the index is wrong indeed"
        return sorted(db.execute("SELECT id, at, v FROM t NOT INDEXED"), key=repr)


def reader(path: Path, *key: str, page_rows: int) -> TableReader:
    source = Source(path)
    orders = source.read(lambda connection: read_orders(connection, "t", key))
    return TableReader(source, "t", ["id", "at", "v"], key, PageBounds(page_rows, 1 << 20), order=orders.pages,
                       range_order=orders.ranges, key_is_unique=orders.key_is_unique)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("page_rows", [1, 3, 100])
def test_a_sweep_reads_what_the_table_holds_whatever_its_indexes_say(
    tmp_path: Path, declared: str, change: str, page_rows: int,
) -> None:
    held = made(tmp_path / "app.db", declared, change)
    table = reader(tmp_path / "app.db", *(["id", "at"] if "(id, at)" in declared else ["id"]), page_rows=page_rows)
    assert sorted((row for page in table.pages() for row in page.rows), key=repr) == held
    unindexed = Range(column="at", is_text=False, least=0, is_indexed=False)
    assert sorted((row for page in table.range_pages(unindexed) for row in page.rows), key=repr) == held


@pytest.mark.parametrize("watermark", ["", 'watermark = ["at"]\n'])
def test_a_row_that_no_index_finds_is_not_deleted(workbench: Workbench, watermark: str) -> None:
    workbench.fill("CREATE TABLE t (id TEXT PRIMARY KEY, at INTEGER, v TEXT); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [
                       (f"k{n}", 1_700_000_000 + n, f"v{n}") for n in range(ROWS)]))
    workbench.configure(f'[[tables]]\nname = "t"\n{watermark}timestamps = {{ at = "unix_seconds" }}')
    assert workbench.sync()["t"].rows_upserted == ROWS
    # The entries of k2 and k6 go, and others come for a row that is no more; then everything is written anew.
    spoil_indexes(workbench.db_path, "CREATE TABLE kept AS SELECT * FROM t; DELETE FROM t WHERE v IN ('v2', 'v6');")
    with closing(sqlite3.connect(workbench.db_path, isolation_level=None)) as db:
        db.execute("REINDEX t")
    spoil_indexes(workbench.db_path, "INSERT INTO t SELECT * FROM kept WHERE v IN ('v2', 'v6'); DROP TABLE kept")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_deleted, outcome.error) == (0, None)
    assert [row["v"] for row in workbench.rows("t", "id")] == [f"v{n}" for n in range(ROWS)]

    workbench.db.execute("REINDEX t")
    workbench.db.execute("DELETE FROM t WHERE id = 'k1'")
    assert workbench.sync()["t"].rows_deleted == 1
    assert workbench.verify("t").rows_different == 0
