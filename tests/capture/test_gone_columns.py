"""A column that has just been dropped or renamed is an error, and never the text of its own name."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.capture.files import application

from bqsync.capture.page_sql import OrderTerm, Query, Range, lookup_query, newest_query, null_key_query, page_query
from bqsync.capture.page_sql import range_query as next_range
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.probe import UNIT_RANGES, probe_instants, rounded_rows
from bqsync.capture.probe_sql import kinds_query, places_query, rounded_query, text_forms_query
from bqsync.capture.source import Source
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import TimestampFormat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWID = (OrderTerm("rowid"),)


def queries(table: str, key: str, gone: str) -> dict[str, Query]:
    """Every query there is, each of which needs the column that is gone."""
    part = Range(column=gone, is_text=True, least="a", is_indexed=True)
    by_key = Range(column=key, is_text=False, least=0, is_indexed=True)
    order, of_gone = (OrderTerm(key),), (OrderTerm(gone),)
    rounded = [rounded_query(table, gone, fmt) for fmt in (TimestampFormat.ISO8601, TimestampFormat.UNIX_NANOS)]
    found = {
        "page": page_query(table, [key, gone], [key], None, 9),
        "next page": page_query(table, [key, gone], [key], [1], 9),
        "page by key": page_query(table, [key], [gone], None, 9),
        "next page by key": page_query(table, [key], [gone], ["a"], 9),
        "page by order": page_query(table, [key], [key], ["a"], 9, order=of_gone),
        "page by order of a collation": page_query(table, [key], [key], ["a"], 9, order=[OrderTerm(gone, "NOCASE")]),
        "range": next_range(table, [key], [key], part, after=None, limit_rows=9, order=(*of_gone, *order)),
        "next of range": next_range(table, [key], [key], part, after=("a", 1), limit_rows=9, order=(*of_gone, *order)),
        "range with it": next_range(table, [gone], [key], by_key, after=None, limit_rows=9, order=order),
        "range by key": next_range(table, [key], [gone], by_key, after=None, limit_rows=9, order=order),
        "range by order": next_range(table, [key], [key], by_key, after=(1, 1), limit_rows=9, order=(*order, *of_gone)),
        "newest": newest_query(table, part, "z", None), "newest of a look": newest_query(table, part, "z", "*"),
        "null keys": null_key_query(table, [key], [gone], None, 9, order=order),
        "null keys with it": null_key_query(table, [gone], [key], None, 9, order=order),
        "next null keys": null_key_query(table, [key], [key], ["a"], 9, order=of_gone),
        "lookup": lookup_query(table, [gone], [key], [1]), "lookup by it": lookup_query(table, [key], [gone], ["a"]),
        "kinds": kinds_query(table, gone, UNIT_RANGES), "text forms": text_forms_query(table, gone),
        "places": Query(places_query(table, gone, UNIT_RANGES, "text")),
    }
    return found | {f"rounded {number}": query for number, query in enumerate(rounded) if query is not None}


TABLES = {
    "plain": ("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, w)", "v"),
    "a column of the alias": ("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, s TEXT, v TEXT)", "v"),
    "a table and a column of the alias": ("s", "CREATE TABLE s (k INTEGER PRIMARY KEY, s TEXT, v TEXT)", "v"),
    "the column of the alias is gone": ("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, s TEXT)", "s"),
    "table and column of the alias, gone": ("s", "CREATE TABLE s (k INTEGER PRIMARY KEY, v TEXT, s TEXT)", "s"),
    "another spelling of the alias": ("S", 'CREATE TABLE "S" (k INTEGER PRIMARY KEY, "S" TEXT, w)', "S"),
    "odd name": ("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, 's.\"v' TEXT, w)", 's."v'),
    "the name of the result": ("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, kind TEXT, w)", "kind"),
    "without rowid": ("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, w) WITHOUT ROWID", "v"),
    "rowid": ("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, rowid TEXT, w) WITHOUT ROWID", "rowid"),
    "oid": ("t", "CREATE TABLE t (k INTEGER PRIMARY KEY, oid TEXT, w) WITHOUT ROWID", "oid"),
}


@pytest.mark.parametrize("how", ["DROP COLUMN {}", "RENAME COLUMN {} TO elsewhere"])
@pytest.mark.parametrize("kind", TABLES)
def test_every_query_fails_whose_column_is_gone(kind: str, how: str) -> None:
    table, script, gone = TABLES[kind]
    quoted = '"' + gone.replace('"', '""') + '"'
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(script)
        connection.execute(f'INSERT INTO "{table}" VALUES (1, \'a\', \'b\')')
        for name, query in queries(table, "k", gone).items():
            assert connection.execute(query.sql, query.parameters).fetchall() is not None, name
        connection.execute(f'ALTER TABLE "{table}" {how.format(quoted)}')
        for name, query in queries(table, "k", gone).items():
            with pytest.raises(sqlite3.OperationalError, match="no such column"):
                raise AssertionError((name, connection.execute(query.sql, query.parameters).fetchall()))


def test_the_rowid_is_no_column_of_a_table_made_anew_without_one() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v) WITHOUT ROWID")
        for query in (page_query("t", ["k"], ["k"], None, 9, order=ROWID),
                      page_query("t", ["k"], ["k"], [1], 9, order=ROWID),
                      null_key_query("t", ["k"], ["k"], [1], 9, order=ROWID)):
            with pytest.raises(sqlite3.OperationalError, match="no such column"):
                connection.execute(query.sql, query.parameters)


READS: dict[str, Callable[[TableReader], object]] = {
    "pages": lambda reader: list(reader.pages()),
    "indexed range": lambda reader: list(reader.range_pages(
        Range(column="v", is_text=True, least="a", is_indexed=True))),
    "range": lambda reader: list(reader.range_pages(Range(column="v", is_text=True, least="a", is_indexed=False))),
    "newest": lambda reader: reader.newest(Range(column="v", is_text=True, least=None, is_indexed=True), "z", None),
    "null keys": lambda reader: reader.null_key_rows(9), "find": lambda reader: reader.find(("a",)),
    "present": lambda reader: reader.present([("a",)]),
    "probe": lambda reader: probe_instants(reader._source, "t", "v"),
    "rounded": lambda reader: rounded_rows(reader._source, "t", "v", TimestampFormat.ISO8601),
}


@pytest.mark.parametrize("read", READS)
def test_a_reader_tells_a_change_of_the_source(tmp_path: Path, read: str) -> None:
    with closing(application(tmp_path / "app.db")) as connection:
        connection.executescript("CREATE TABLE t (v TEXT, s TEXT); INSERT INTO t VALUES ('a', 'x')")
        reader = TableReader(Source(tmp_path / "app.db"), "t", ["v", "s"], ["v"], PageBounds(9, 1 << 20),
                             order=ROWID, range_order=ROWID, key_is_unique=False)
        READS[read](reader)
        connection.execute("ALTER TABLE t RENAME COLUMN v TO u")
    with pytest.raises(BqsyncError) as caught:
        READS[read](reader)
    assert caught.value.kind is ErrorKind.SOURCE_CHANGED
    assert "no such column: s.v" in caught.value.why
