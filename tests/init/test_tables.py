"""Keys, and what keeps rows or tables from being delivered."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.init.databases import findings_of, make, proposed, table_of

from bqsync.engine.proposal.config_text import config_text
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("declaration", "key"), [
    ("(k INTEGER PRIMARY KEY, v)", ("k",)),
    ("(a TEXT, b TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID", ("b", "a")),
    ("(a TEXT NOT NULL UNIQUE, b)", ("a",)),
    ("(a TEXT NOT NULL, b INT NOT NULL, c INT NOT NULL UNIQUE, UNIQUE (a, b))", ("c",)),
])
def test_the_declared_key_is_proposed(tmp_path: Path, declaration: str, key: tuple[str, ...]) -> None:
    assert table_of(make(tmp_path / "app.db", f"CREATE TABLE t {declaration}")).key == key


def test_a_unique_key_without_null_is_preferred_to_a_primary_key_with_some(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, u INT NOT NULL UNIQUE);"
              "INSERT INTO t VALUES (NULL, 1), ('a', 2)")
    assert table_of(db).key == ("u",)


def test_rows_with_a_null_in_the_key_are_counted(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, v);"
              "INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('a', 2), ('b', 3)")
    table = table_of(db)
    assert table.rows == 4
    assert "2 rows with a NULL in the key" in "".join(table.remarks)


@pytest.mark.parametrize("declaration", ["(a, b)", "(a UNIQUE, b)", "(a INT NOT NULL, b)"])
def test_a_table_without_a_key_is_left_out_as_a_comment(tmp_path: Path, declaration: str) -> None:
    db = make(tmp_path / "app.db", f"CREATE TABLE t (k INTEGER PRIMARY KEY); CREATE TABLE bare {declaration}")
    assert table_of(db, "bare").wants_key
    assert findings_of(proposed(db), tmp_path) == []
    text = (tmp_path / "config.toml").read_text(encoding="utf-8")
    assert '# name = "bare"' in text
    assert "neither a PRIMARY KEY nor a UNIQUE" in text


def test_virtual_tables_and_what_they_are_made_of_are_left_out(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE f USING fts5(x)")
    assert [table.name for table in proposed(db).accepted] == ["t"]


def test_a_table_that_the_product_refuses_is_left_out_with_the_refusal(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.create_collation("own", lambda one, other: (one > other) - (one < other))
        db.executescript("CREATE TABLE t (k INTEGER PRIMARY KEY); CREATE TABLE o (k TEXT COLLATE own PRIMARY KEY);"
                         "INSERT INTO o VALUES ('a'), ('b')")
    table = table_of(tmp_path / "app.db", "o")
    assert "own" in table.refused
    assert findings_of(proposed(tmp_path / "app.db"), tmp_path) == []


@pytest.mark.parametrize("script", ["", "CREATE TABLE t (a, b)", "CREATE VIEW v AS SELECT 1 AS a"])
def test_a_database_without_a_table_that_can_be_synced_is_an_error(tmp_path: Path, script: str) -> None:
    db = make(tmp_path / "app.db", f"PRAGMA user_version = 1; {script}")
    with pytest.raises(BqsyncError) as caught:
        proposed(db)
    assert caught.value.kind is ErrorKind.SOURCE_TABLE_INVALID


def test_keys_that_are_one_in_bigquery_are_found(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k PRIMARY KEY, v);"
              "INSERT INTO t VALUES (1, 1), ('1', 2), (2, 3), ('x', 4), (1.5, 5), ('1.5', 6)")
    table = table_of(db)
    assert str(table.columns[0].choice) == "STRING"
    assert "2 rows with a key that another row has" in "".join(table.remarks)


def test_a_key_of_moments_stays_text_where_two_texts_are_one_moment(tmp_path: Path) -> None:
    script = "CREATE TABLE t (k DATETIME PRIMARY KEY);"
    apart = make(tmp_path / "apart.db", f"{script} INSERT INTO t VALUES ('2024-01-01'), ('2024-01-02')")
    assert str(table_of(apart).columns[0].choice) == "DATETIME"
    meeting = make(tmp_path / "meeting.db", f"{script} INSERT INTO t VALUES ('2024-01-01'), ('2024-01-01 00:00:00')")
    table = table_of(meeting)
    assert (str(table.columns[0].choice), table.remarks) == ("STRING", ())


def test_a_nul_in_a_key_is_counted(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY)",
              ("INSERT INTO t VALUES (?)", [("a\0",), ("b",), ("c",)]))
    column = table_of(db).columns[0]
    assert (str(column.choice), column.misfits) == ("STRING", 1)


def test_a_key_is_never_json(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k JSON PRIMARY KEY); INSERT INTO t VALUES ('{}')")
    assert str(table_of(db).columns[0].choice) == "STRING"


def test_rows_over_the_size_of_a_request_are_counted(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k INTEGER PRIMARY KEY, b BLOB);"
              "INSERT INTO t VALUES (1, zeroblob(9900000)), (2, zeroblob(10))")
    assert "1 row larger than one request" in "".join(table_of(db).remarks)


def test_a_table_whose_key_is_mostly_null_is_left_out(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY); INSERT INTO t VALUES (NULL), (NULL), ('a')")
    with pytest.raises(BqsyncError, match="no table that can be synced") as caught:
        proposed(db)
    assert "2 of 3 rows have a NULL in the key (k)" in caught.value.why


@pytest.mark.parametrize(("misfits", "accepted"), [(1_000, True), (1_001, False)])
def test_a_table_that_the_first_sync_would_stop_is_left_out(tmp_path: Path, misfits: int, *, accepted: bool) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k INTEGER PRIMARY KEY, c TEXT); CREATE TABLE u (k INT PRIMARY KEY)",
              ("INSERT INTO t (c) VALUES (?)", [("a",)] * 2_000 + [(b"a",)] * misfits))
    table = table_of(db)
    assert (table.refused == "") is accepted
    assert accepted or f"STRING refuses {misfits:,} of 3,001 values" in table.refused


def test_a_large_table_is_offered_partitions_by_a_time_that_does_not_move(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k INTEGER PRIMARY KEY, updated_at INTEGER, made_at INTEGER);"
              "CREATE INDEX t_u ON t (updated_at); INSERT INTO t VALUES (1, 1767225600, 1767225600);"
              "CREATE TABLE timeless (k INTEGER PRIMARY KEY)")
    proposal = proposed(db)
    assert "partition_by" not in config_text(proposal, "app.db", ("a.proto", "a.binpb")), "it is small"
    large = replace(proposal, tables=tuple(replace(table, rows=2_000_000) for table in proposal.tables))
    text = config_text(large, "app.db", ("a.proto", "a.binpb"))
    assert [line for line in text.splitlines() if "partition_" in line] == [
        '# partition_by = "made_at"', '# partition_unit = "day"']
