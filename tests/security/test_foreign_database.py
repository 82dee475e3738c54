"""The source is somebody else's file: reading it runs nothing of theirs, and large rows are still read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bqsync.capture.connections import _can_distrust_schemas
from bqsync.capture.source import Source
from bqsync.errors import BqsyncError


def source(folder: Path, script: str) -> Source:
    with closing(sqlite3.connect(folder / "app.db", isolation_level=None)) as db:
        db.create_function("spy", 1, lambda value: value, deterministic=True)
        db.executescript(script)
    return Source(folder / "app.db")


def one(sql: str) -> Callable[[Connection], Any]:
    return lambda connection: connection.exec_driver_sql(sql).scalar_one()


def test_a_connection_trusts_nothing(tmp_path: Path) -> None:
    reader = source(tmp_path, "CREATE TABLE t (a TEXT)")
    settings = {name: reader.read(one(f"PRAGMA {name}"))
                for name in ("query_only", "cell_size_check", "mmap_size", "trusted_schema")}
    assert settings == {"query_only": 1, "cell_size_check": 1, "mmap_size": 0,
                        "trusted_schema": 0 if _can_distrust_schemas() else 1}


@pytest.mark.parametrize("sql", ["SELECT load_extension('x')", "ATTACH 'other.db' AS other", "DELETE FROM t",
                                 "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema"])
def test_nothing_is_loaded_opened_or_written(tmp_path: Path, sql: str) -> None:
    reader = source(tmp_path, "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x')")
    with pytest.raises(BqsyncError):
        reader.read(lambda connection: connection.exec_driver_sql(sql))
    assert reader.read(one("SELECT a FROM t")) == "x"
    assert not (tmp_path / "other.db").exists()


def test_a_schema_that_loads_a_library_is_refused_and_its_neighbours_are_read(tmp_path: Path) -> None:
    reader = source(tmp_path, """
        CREATE TABLE evil (a TEXT, b TEXT AS (upper(a))); INSERT INTO evil VALUES ('/tmp/evil.so');
        CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x');
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'upper(a)', 'load_extension(a)') WHERE name = 'evil';
    """)
    with pytest.raises(BqsyncError):
        reader.read(one("SELECT b FROM evil"))


@pytest.mark.skipif(not _can_distrust_schemas(), reason="this SQLite takes its own JSON functions for harmful")
def test_a_function_of_the_connection_is_not_called_by_a_schema(tmp_path: Path) -> None:
    reader = source(tmp_path, "CREATE TABLE t (a TEXT, b TEXT AS (spy(a))); INSERT INTO t VALUES ('x')")
    called: list[str] = []

    def work(connection: Connection) -> object:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.create_function("spy", 1, called.append, deterministic=True)
        return connection.exec_driver_sql("SELECT b FROM t").scalar_one()

    with pytest.raises(BqsyncError):
        reader.read(work)
    assert called == []


def test_json_in_generated_columns_checks_and_indexes_is_read_on_every_sqlite(tmp_path: Path) -> None:
    reader = source(tmp_path, """
        CREATE TABLE t (a TEXT CHECK (json_valid(a)), b TEXT AS (json_extract(a, '$.b')));
        CREATE INDEX i ON t (json_extract(a, '$.b')) WHERE json_type(a) = 'object';
        INSERT INTO t (a) VALUES ('{"b": "x"}');
    """)
    assert reader.read(one("SELECT b FROM t")) == "x"


def test_a_large_row_is_read_whole(tmp_path: Path) -> None:
    size = 64 * 1024 * 1024
    reader = source(tmp_path, f"CREATE TABLE t (a BLOB); INSERT INTO t VALUES (zeroblob({size}))")
    assert len(reader.read(one("SELECT a FROM t"))) == size
