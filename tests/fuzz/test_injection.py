"""Names and values that are meant to be run as SQL: they are names and values, in SQLite and in BigQuery."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.amounts import examples

from bqsync.capture.order import read_orders
from bqsync.capture.page_sql import Range, quote
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.probe import odd_places, probe_instants, rounded_rows
from bqsync.capture.schema import index_starting_with, read_table
from bqsync.capture.source import Source
from bqsync.config import TableSection
from bqsync.deliver import merge_sql
from bqsync.encode.column_names import legal_name
from bqsync.encode.compiler import compile_protos
from bqsync.encode.mapping import draft
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ProtoField, ProtoScalar, TimestampFormat

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workbench import Workbench

EVIL = ('"; DROP TABLE victim; --', "'; DROP TABLE victim; --", "`; DROP TABLE victim; --",
        "\\`; DROP TABLE victim; --",
        "a\\", "a`b", 'a"b', "a]b", "a\nb", "a\r--", "/* a", "a;b", "\uff53\uff45\uff4c\uff45\uff43\uff54", "a\u202eb",
        "n" * 300, "select", "?1", ":x", "{d}", "%s", "*", "s", "rowid; --")
NAMES = st.sampled_from(EVIL) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
                                         min_size=1, max_size=12)


@examples(40)
@given(table=NAMES.filter(lambda name: not name.lower().startswith("sqlite_")),
       columns=st.lists(NAMES, min_size=3, max_size=4, unique_by=lambda name: name.casefold()),
       values=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(EVIL),
                       min_size=1, max_size=6, unique=True))
def test_whatever_a_table_is_called_its_rows_are_read(
    tmp_path: Path, table: str, columns: list[str], values: list[str],
) -> None:
    path = tmp_path / "app.db"
    path.unlink(missing_ok=True)
    names = ", ".join(map(quote, columns))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"CREATE TABLE {quote(table)} ({names}, PRIMARY KEY ({quote(columns[0])}))")
        db.execute(f"CREATE INDEX {quote(f'{table} i')} ON {quote(table)} ({quote(columns[1])})")
        db.executemany(f"INSERT INTO {quote(table)} ({names}) VALUES ({', '.join('?' * len(columns))})",
                       [(value, 1_700_000_000, *columns[2:]) for value in values])
    source = Source(path)
    declared = source.read(lambda connection: read_table(connection, table))
    assert [column.name for column in declared.columns] == columns
    assert source.read(lambda connection: index_starting_with(connection, table, columns[1]))
    key = declared.primary_key
    orders = source.read(lambda connection: read_orders(connection, table, key))
    reader = TableReader(source, table, columns, key, PageBounds(2, 1 << 20), order=orders.pages,
                         range_order=orders.ranges, key_is_unique=orders.key_is_unique)
    assert {row[0] for page in reader.pages() for row in page.rows} == set(values)
    part = Range(column=columns[1], is_text=False, least=0, is_indexed=True)
    assert {row[0] for page in reader.range_pages(part) for row in page.rows} == set(values)
    assert reader.present([(value,) for value in values]) == [True] * len(values)
    assert reader.count() == len(values)
    found = probe_instants(source, table, columns[1])
    assert found.timestamp_format is TimestampFormat.UNIX_SECONDS
    with closing(sqlite3.connect(path)) as db:
        assert db.execute(odd_places(table, columns[1], found)).fetchall() == []
    assert rounded_rows(source, table, columns[1], TimestampFormat.ISO8601) == 0


@examples(100)
@given(name=NAMES)
def test_a_column_of_a_target_has_a_legal_name_or_its_table_is_refused(name: str) -> None:
    assert legal_name(legal_name(name)) == legal_name(name)
    assert set(legal_name(name)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    quoted = merge_sql.quote(name)
    inner = quoted[1:-1].replace("\\\\", "").replace("\\`", "")
    assert quoted[0] == quoted[-1] == "`"
    assert "`" not in inner
    assert "\\" not in inner


@pytest.mark.parametrize("name", [name for name in EVIL if name != legal_name(name)])
def test_a_name_that_a_proto_option_gives_is_held_to_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    declared = Source(path).read(lambda connection: read_table(connection, "t"))
    message = [ProtoField(name="id", scalar=ProtoScalar.INTEGER, target_name=name)]
    with pytest.raises(BqsyncError) as caught:
        draft(declared, TableSection(name="t", target="t"), message)
    assert caught.value.kind is ErrorKind.SOURCE_TABLE_INVALID


@pytest.mark.parametrize("table", ['x"; DROP TABLE victim; --', "x`; DROP TABLE `victim`; --", "x'\\\n--"])
def test_a_cycle_creates_one_table_and_touches_no_other(workbench: Workbench, table: str) -> None:
    evil = [name for name in EVIL if len(name) < 100]
    workbench.fill(
        f"CREATE TABLE victim (id INTEGER PRIMARY KEY); INSERT INTO victim VALUES (1);"
        f"CREATE TABLE {quote(table)} (id TEXT PRIMARY KEY, v TEXT, at_start TEXT)",
        (f"INSERT INTO {quote(table)} VALUES (?, ?, ?)", [(name, name, "2024-01-01T00:00:00Z") for name in evil]))
    (workbench.folder / "x.proto").write_text(
        'syntax = "proto2"; import "bq_field.proto"; message X { optional string id = 1; optional string v = 2 ['
        '(gen_bq_schema.bigquery).description = "\\"`\'\\n; DROP TABLE victim; --\\\\"]; }', encoding="utf-8")
    compile_protos([workbench.folder / "x.proto"], workbench.folder / "x.binpb")
    quoted = table.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    workbench.configure('[[tables]]\nname = "victim"\n'
                        f'[[tables]]\nname = "{quoted}"\ntarget = "mirror"\nmessage = "X"\n',
                        extra='[protos]\ndescriptor_set = "x.binpb"', sync="page_rows = 2\nbatch_rows = 2")
    assert {name: outcome.error for name, outcome in workbench.sync().items()} == {"victim": None, table: None}
    assert workbench.tables() == {"victim", "mirror"}
    assert [row["v"] for row in workbench.rows("mirror", "id")] == sorted(evil)
    workbench.db.execute(f"DELETE FROM {quote(table)} WHERE id = ?", (evil[0],))
    workbench.db.execute(f"UPDATE {quote(table)} SET v = ? WHERE id = ?", (evil[2], evil[1]))
    outcome = workbench.sync()[table]
    assert (outcome.rows_upserted, outcome.rows_deleted, outcome.error) == (1, 1, None)
    assert workbench.verify(table).rows_different == 0
    assert workbench.rows("victim", "id") == [{"id": 1}]
    assert workbench.tables() == {"victim", "mirror"}
