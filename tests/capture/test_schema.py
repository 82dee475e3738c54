"""What SQLite declares is read as SQLite means it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.capture.files import make

from bqsync.capture.schema import affinity, index_starting_with, read_table, table_names
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import Affinity, SourceTable


def declared(folder: Path, script: str, name: str = "t") -> SourceTable:
    return make(folder / "app.db", script).read(lambda connection: read_table(connection, name))


def refusal(folder: Path, script: str, name: str) -> BqsyncError:
    with pytest.raises(BqsyncError) as caught:
        declared(folder, script, name)
    assert caught.value.kind is ErrorKind.SOURCE_TABLE_INVALID
    return caught.value


@pytest.mark.parametrize(("expected", "types"), [
    (Affinity.INTEGER, "INT INTEGER TINYINT SMALLINT MEDIUMINT BIGINT INT2 INT8"),
    (Affinity.TEXT, "CHARACTER(20) VARCHAR(255) NCHAR(55) NVARCHAR(100) TEXT CLOB"),
    (Affinity.BLOB, "BLOB"), (Affinity.REAL, "REAL DOUBLE FLOAT"),
    (Affinity.NUMERIC, "NUMERIC DECIMAL(10,5) BOOLEAN DATE DATETIME STRING"),
])
def test_affinities_are_those_of_the_table_in_the_documentation_of_sqlite(expected: Affinity, types: str) -> None:
    for declared_type in types.split():
        assert affinity(declared_type) is affinity(declared_type.lower()) is expected


@pytest.mark.parametrize(("declared_type", "expected"), [
    ("UNSIGNED BIG INT", Affinity.INTEGER), ("VARYING CHARACTER(255)", Affinity.TEXT),
    ("NATIVE CHARACTER(70)", Affinity.TEXT), ("DOUBLE PRECISION", Affinity.REAL), ("", Affinity.BLOB),
    ("FLOATING POINT", Affinity.INTEGER), ("CHARINT", Affinity.INTEGER), ("BLOBTEXT", Affinity.TEXT),
    ("REALBLOB", Affinity.BLOB),
])
def test_the_first_rule_that_applies_decides(declared_type: str, expected: Affinity) -> None:
    assert affinity(declared_type) is expected


def test_columns_come_with_their_declarations(tmp_path: Path) -> None:
    table = declared(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL, x);")
    assert [(one.name, one.declared_type, one.affinity, one.not_null, one.generated) for one in table.columns] == [
        ("id", "INTEGER", Affinity.INTEGER, False, False), ("name", "VARCHAR(20)", Affinity.TEXT, True, False),
        ("x", "", Affinity.BLOB, False, False),
    ]


@pytest.mark.parametrize(("script", "key"), [
    ("CREATE TABLE t (a, b, c, PRIMARY KEY (c, a));", ("c", "a")),
    ("CREATE TABLE t (a, b, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;", ("b", "a")),
    ("CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID;", ("a",)),
    ("CREATE TABLE t (a INT PRIMARY KEY, b ANY) STRICT;", ("a",)),
    ('CREATE TABLE t (a, "B b", PRIMARY KEY ("b B"));', ("B b",)),
    ("CREATE TABLE t (a, b);", ()),
])
def test_the_key_comes_in_key_order(tmp_path: Path, script: str, key: tuple[str, ...]) -> None:
    assert declared(tmp_path, script).primary_key == key


def test_generated_columns_are_columns(tmp_path: Path) -> None:
    table = declared(tmp_path, "CREATE TABLE t (a INTEGER PRIMARY KEY, b AS (a * 2), c TEXT AS (a || 'x') STORED);")
    assert [(one.name, one.generated) for one in table.columns] == [("a", False), ("b", True), ("c", True)]


@pytest.mark.parametrize(("script", "keys"), [
    ("CREATE TABLE t (a NOT NULL UNIQUE, b);", (("a",),)),
    ("CREATE TABLE t (a UNIQUE, b);", ()),
    ("CREATE TABLE t (a NOT NULL, b, UNIQUE (a, b));", ()),
    ("CREATE TABLE t (b NOT NULL, a NOT NULL, c NOT NULL UNIQUE, UNIQUE (b, a));", (("c",), ("b", "a"))),
    ("CREATE TABLE t (a NOT NULL); CREATE UNIQUE INDEX i ON t (a);", (("a",),)),
    ("CREATE TABLE t (a NOT NULL); CREATE INDEX i ON t (a);", ()),
    ("CREATE TABLE t (a NOT NULL); CREATE UNIQUE INDEX i ON t (a) WHERE a > 5;", ()),
    ("CREATE TABLE t (a NOT NULL); CREATE UNIQUE INDEX i ON t (lower(a));", ()),
    ("CREATE TABLE t (a NOT NULL, b NOT NULL); CREATE UNIQUE INDEX i ON t (b, a + 1);", ()),
])
def test_only_whole_unique_indexes_over_columns_that_refuse_null_serve_as_keys(
    tmp_path: Path, script: str, keys: tuple[tuple[str, ...], ...],
) -> None:
    assert declared(tmp_path, script).unique_keys == keys


def test_a_view_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t;", "V")
    assert "is a view" in error.what


def test_a_missing_table_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    error = refusal(tmp_path, "CREATE TABLE zebra (a); CREATE TABLE ant (a); CREATE INDEX t ON ant (a);", "t")
    assert "no table 't'" in error.what
    assert error.why == "its tables are: ant, zebra"


def test_a_database_without_tables_says_so(tmp_path: Path) -> None:
    assert refusal(tmp_path, "PRAGMA user_version = 1;", "t").why == "its tables are: none"


def test_names_are_compared_as_sqlite_compares_them(tmp_path: Path) -> None:
    table = declared(tmp_path, "CREATE TABLE Things (Id PRIMARY KEY);", "tHINGS")
    assert table.name == "Things"
    found = table.column("ID")
    assert found is not None
    assert found.name == "Id"
    assert table.column("nope") is None


@pytest.mark.parametrize("name", [
    "select", 'a"b', "a b", "1st", "größe", "t'; DROP TABLE t; --", "a.b", "[x]", "%", "_x",
])
def test_odd_names_are_read(tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    table = declared(tmp_path, f"CREATE TABLE {quoted} ({quoted} TEXT NOT NULL, x, UNIQUE ({quoted}));", name)
    assert (table.name, table.columns[0].name, table.unique_keys) == (name, name, ((name,),))


def test_the_own_tables_of_sqlite_are_not_listed(tmp_path: Path) -> None:
    source = make(tmp_path / "app.db", "CREATE TABLE b (a INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE sqlitex (a);"
                  "CREATE TABLE a (a); CREATE VIEW v AS SELECT 1; INSERT INTO b VALUES (1); ANALYZE;")
    assert source.read(table_names) == ["b", "sqlitex", "a"]


@pytest.mark.parametrize(("script", "found"), [
    ("CREATE INDEX i ON t (A, b)", True), ("CREATE INDEX i ON t (b, a)", False), ("CREATE INDEX i ON t (-a)", False),
    ("CREATE INDEX i ON t (a) WHERE a > 0", False), ("CREATE UNIQUE INDEX i ON t (a DESC)", True), ("SELECT 1", False),
])
def test_an_index_serves_a_column_that_it_starts_with(tmp_path: Path, script: str, *, found: bool) -> None:
    source = make(tmp_path / "app.db", f"CREATE TABLE t (a, b); {script};")
    assert source.read(lambda connection: index_starting_with(connection, "t", "A")) is found
