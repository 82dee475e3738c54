"""A database in UTF-16 is read to its end, whatever its texts are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from tests.capture.test_pages import rows_of
from tests.capture.test_ranges import numbers, reader, texts

from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bqsync.capture.pages import Page, TableReader

LONE = {"UTF-16le": ("ffdb", "00dc"), "UTF-16be": ("dbff", "dc00")}


def make(path: Path, encoding: str, declared: str, *, page_rows: int) -> TableReader:
    """Eight rows; the keys of two of them are lone surrogates."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.executescript(f"CREATE TABLE t {declared}")
        for number, raw in enumerate(LONE[encoding]):
            connection.execute(f"INSERT INTO t (k, ts, x) VALUES (CAST(x'{raw}' AS TEXT), {number}, 'lone')")
        connection.executemany("INSERT INTO t (k, ts, x) VALUES (?, ?, 'x')",
                               [(key, 1) for key in ("k0", "k1", "é", "\U0001f600", "a", "b")])
    return reader(path, page_rows=page_rows)


@pytest.mark.parametrize("encoding", LONE)
@pytest.mark.parametrize("page_rows", [1, 2, 3, 7, 8, 9])
@pytest.mark.parametrize("declared", [
    "(k TEXT PRIMARY KEY, ts, x)", "(k TEXT, ts, x)", "(k TEXT PRIMARY KEY, ts, x, rowid)",
])
def test_a_lone_surrogate_in_a_key_ends_no_page_and_repeats_none(
    tmp_path: Path, encoding: str, declared: str, page_rows: int,
) -> None:
    table = make(tmp_path / "app.db", encoding, f"{declared}; CREATE INDEX at ON t (ts)", page_rows=page_rows)
    whole = rows_of(islice(table.pages(), 20))
    assert sorted(row[2] == "lone" for row in whole) == [False] * 6 + [True] * 2
    assert {"k0", "k1", "é", "\U0001f600", "a", "b"} < {row[0] for row in whole}
    for indexed in (False, True):
        found = rows_of(islice(table.range_pages(numbers(0, indexed=indexed)), 20))
        assert sorted(map(repr, found)) == sorted(map(repr, whole))


def walk_to_the_end(pages: Iterator[Page]) -> None:
    for number, _ in enumerate(pages):
        if number > 100:
            raise AssertionError("the pages do not end")


ONLY_ITS_KEY = ["(k TEXT PRIMARY KEY, ts, x) WITHOUT ROWID", "(k TEXT PRIMARY KEY, ts, x, rowid, _rowid_, oid)"]


@pytest.mark.parametrize("encoding", LONE)
@pytest.mark.parametrize("declared", ONLY_ITS_KEY)
@pytest.mark.parametrize("page_rows", [1, 2, 3, 7, 8])
def test_a_walk_that_would_come_to_a_place_where_it_was_is_told(
    tmp_path: Path, encoding: str, declared: str, page_rows: int,
) -> None:
    table = make(tmp_path / "app.db", encoding, declared, page_rows=page_rows)
    with pytest.raises(BqsyncError) as caught:
        walk_to_the_end(table.pages())
    assert caught.value.kind is ErrorKind.SOURCE_CORRUPT
    assert "table t ends at a row that SQLite does not find again" in caught.value.what
    assert "mend the key" in caught.value.fix


@pytest.mark.parametrize("page_rows", [1, 2, 3])
def test_a_broken_text_in_an_indexed_range_is_told(tmp_path: Path, page_rows: int) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA encoding = 'UTF-16le'")
        connection.executescript("CREATE TABLE t (k INTEGER PRIMARY KEY, ts TEXT, x); CREATE INDEX at ON t (ts);"
                                 "INSERT INTO t (ts) VALUES ('2024'), ('2025'), ('é'), ('\U0001f600'),"
                                 "(CAST(x'ffdb' AS TEXT)), (CAST(x'00dc' AS TEXT))")
    with pytest.raises(BqsyncError) as caught:
        walk_to_the_end(reader(tmp_path / "app.db", page_rows=page_rows).range_pages(texts("", indexed=True)))
    assert caught.value.kind is ErrorKind.SOURCE_CORRUPT
