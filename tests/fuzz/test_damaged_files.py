"""Database files with changed bytes: what is read of them is what a scan finds, or an error says why not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.fuzz.amounts import seeds
from tests.fuzz.damage import TABLES, damaged, make_database

from bqsync.capture.order import read_orders
from bqsync.capture.page_sql import Range
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.probe import probe_instants
from bqsync.capture.schema import read_table, table_names
from bqsync.capture.source import Source
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from pathlib import Path

    from bqsync.capture.pages import Row

KEYS = {"plain": ("id",), "texts": ("id",), "pairs": ("shop", "number"), "strict_ones": ("id",), "folded": ("name",)}
SHARES = 4
OF_THE_FILE = {kind for kind in ErrorKind if kind.startswith("source_")}


def keep_bytes(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def scanned(path: Path, table: str, columns: list[str]) -> list[Row] | None:
    """What the table itself holds, by one scan that uses no index; None where SQLite finds it damaged."""
    names = ", ".join(f'"{name}"' for name in columns)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.text_factory = keep_bytes
        try:
            return db.execute(f'SELECT {names} FROM "{table}" NOT INDEXED').fetchall()
        except sqlite3.Error:
            return None


def delivered_keys(path: Path) -> dict[str, set[str]]:
    """What a target would hold of the file as it was."""
    with closing(sqlite3.connect(path)) as db:
        return {table: {repr(row) for row in db.execute(f"SELECT {', '.join(key)} FROM {table}")}
                for table, key in KEYS.items()}


def lost(path: Path, name: str, known: set[str]) -> list[Row]:
    """
    The keys that were delivered, stand in the table, and would be deleted: no page and no look by key finds them.

    None of them where the file is told to be damaged: nothing is deleted then.
    """
    try:
        return read_all(path, name, known)
    except BqsyncError as error:
        if error.kind not in OF_THE_FILE:
            raise
        return []


def read_all(path: Path, name: str, known: set[str]) -> list[Row]:
    source = Source(path, busy_timeout_s=0.01)
    source.identity()
    source.journal_mode()
    source.read(table_names)
    table = source.read(lambda connection: read_table(connection, name))
    columns = [column.name for column in table.columns]
    key = KEYS[name]
    if not set(key) <= set(columns):
        return []
    orders = source.read(lambda connection: read_orders(connection, table.name, key))
    reader = TableReader(source, table.name, columns, key, PageBounds(20, 1 << 20), order=orders.pages,
                         range_order=orders.ranges, key_is_unique=orders.key_is_unique)
    at = [columns.index(column) for column in key]
    seen = {repr(tuple(row[place] for place in at)) for page in reader.pages() for row in page.rows}
    held = scanned(path, table.name, columns) or []
    unseen = [cells for cells in (tuple(row[place] for place in at) for row in held) if repr(cells) in known - seen]
    gone = [cells for cells, there in zip(unseen, reader.present(unseen), strict=True) if not there]
    reader.null_key_rows(10)
    if "updated_at" in columns:
        part = Range(column="updated_at", is_text=False, least=0, is_indexed=True)
        for _ in reader.range_pages(part):
            reader.newest(part, 1 << 40, None)
        probe_instants(source, table.name, "updated_at")
    return gone


@pytest.mark.parametrize("share", range(SHARES))
def test_a_walk_reads_every_row_that_a_scan_finds_or_says_why_not(tmp_path: Path, share: int) -> None:
    path, whole = tmp_path / "app.db", tmp_path / "whole.db"
    make_database(whole)
    known, content = delivered_keys(whole), whole.read_bytes()
    for seed in seeds(12, first=share * 1_000_000):
        what, changed = damaged(seed, content)
        path.write_bytes(changed)
        for name in TABLES:
            assert lost(path, name, known[name]) == [], (seed, what, name)


def test_a_log_with_changed_bytes_is_read_or_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "app.db", tmp_path / "whole.db"
    make_database(whole, wal=True, rows=60)
    files = {suffix: (tmp_path / f"whole.db{suffix}").read_bytes() for suffix in ("", "-wal", "-shm")}
    for seed in seeds(25):
        _, changed = damaged(seed, files["-wal"])
        for suffix, content in (files | {"-wal": changed}).items():
            (tmp_path / f"app.db{suffix}").write_bytes(content)
        for name in TABLES:
            lost(path, name, set())


def reading_of(path: Path, script: str, *statements: tuple[str, tuple[object, ...]]) -> BqsyncError:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(script)
        for statement, values in statements:
            db.execute(statement, values)
    with pytest.raises(BqsyncError) as caught:
        read_t(Source(path))
    return caught.value


def read_t(source: Source) -> None:
    table = source.read(lambda connection: read_table(connection, "t"))
    list(TableReader(source, "t", [column.name for column in table.columns], ["id"], PageBounds(9, 9)).pages())


def test_a_column_name_that_is_no_text_is_an_error_with_a_fix(tmp_path: Path) -> None:
    error = reading_of(
        tmp_path / "app.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, pqr TEXT); PRAGMA writable_schema = ON",
        ("UPDATE sqlite_schema SET sql = CAST(replace(CAST(sql AS BLOB), ?, ?) AS TEXT)", (b"pqr", b'"p\xff"')))
    assert error.kind is ErrorKind.SOURCE_TABLE_INVALID
    assert "not valid UTF-8" in error.what


def test_a_cell_that_sqlite_quotes_in_its_error_is_not_told(tmp_path: Path) -> None:
    error = reading_of(
        tmp_path / "app.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, p TEXT); INSERT INTO t VALUES (1, 'SECRET');"
        "ALTER TABLE t ADD COLUMN g AS (json_extract('{}', p))")
    assert "path" in error.why
    assert "SECRET" not in error.render()
