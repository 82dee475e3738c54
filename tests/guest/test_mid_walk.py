"""What happens to the file between two pages: no row is lost, doubled or altered, or the walk ends with an error."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.guest.person import APPLICATION, Person
from tests.guest.places import SCRIPT, given_to_the_application, traces
from tests.guest.test_permissions import refused

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 3000
TABLE = f"""
CREATE TABLE t (k INTEGER PRIMARY KEY, x TEXT); CREATE TABLE gone (x);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT})
INSERT INTO t SELECT i, 'row ' || i FROM n;
INSERT INTO gone SELECT hex(zeroblob(200)) FROM t; DELETE FROM t WHERE k % 2 = 0;
"""
ROWS = [[key, f"row {key}"] for key in range(1, COUNT, 2)]
PAGE_ROWS = 100


@pytest.fixture
def path(world: Path) -> Path:
    return given_to_the_application(world / "data", 0o755) / "app.db"


def start(path: Path, guest: Person) -> list[list[object]]:
    guest.do("start_walk", str(path), PAGE_ROWS)
    rows: list[list[object]] = guest.do("next_page")["rows"]
    assert len(rows) == PAGE_ROWS
    return rows


def rest(guest: Person) -> list[list[object]]:
    rows = []
    while page := guest.do("next_page")["rows"]:
        rows += page
    return rows


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("statements", [
    ["DROP TABLE gone", "VACUUM"], ["DELETE FROM gone", "PRAGMA wal_checkpoint(TRUNCATE)"],
    ["PRAGMA auto_vacuum = FULL", "VACUUM", "DELETE FROM gone"], ["PRAGMA page_size = 16384", "VACUUM"],
    *(["DELETE FROM gone", f"PRAGMA journal_mode = {mode}"] for mode in
      ("delete", "truncate", "persist", "memory", "off", "wal")),
    ["PRAGMA journal_mode = delete", "VACUUM", "PRAGMA journal_mode = wal"],
    ["UPDATE t SET k = k", "REINDEX", "ANALYZE"],
])
def test_the_file_is_rewritten(path: Path, application: Person, stranger: Person, mode: str,
                               statements: list[str]) -> None:
    application.do("create", str(path), mode, TABLE)
    rows = start(path, stranger)
    application.do("open_", str(path), *statements)
    rows += stranger.do("next_page")["rows"]
    application.do("run", str(path), "CREATE TABLE more AS SELECT * FROM t")
    rows += stranger.do("next_page")["rows"]
    application.do("close", str(path))
    assert rows + rest(stranger) == ROWS


def test_the_journal_mode_changes_with_every_page(path: Path, application: Person, stranger: Person) -> None:
    application.do("create", str(path), "wal", TABLE)
    rows = start(path, stranger)
    application.do("open_", str(path))
    for mode in ("delete", "wal", "truncate", "wal", "persist", "wal", "memory", "wal", "off", "wal"):
        assert application.do("run", str(path), f"PRAGMA journal_mode = {mode}") == [[mode]]
        application.do("run", str(path), "DELETE FROM gone WHERE rowid IN (SELECT rowid FROM gone LIMIT 50)")
        rows += stranger.do("next_page")["rows"]
    assert rows + rest(stranger) == ROWS


def another(path: Path, mode: str = "delete") -> Path:
    """A database with other rows under the same keys."""
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript(f"PRAGMA journal_mode = {mode}; {TABLE} UPDATE t SET x = 'other'")
    for file in (other, path.parent):
        os.chown(file, APPLICATION.uid, APPLICATION.gid)
    return other


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_another_file_is_renamed_over_it(path: Path, application: Person, stranger: Person, mode: str) -> None:
    """Each page is one file's; that it was another is for the identity to tell."""
    application.do("create", str(path), mode, TABLE)
    rows = start(path, stranger)
    application.do("replace", str(another(path, mode)), str(path))
    assert rows + rest(stranger) == ROWS[:PAGE_ROWS] + [[row[0], "other"] for row in ROWS[PAGE_ROWS:]]


@pytest.mark.parametrize("has_shm", [True, False])
def test_another_file_beside_the_old_wal(path: Path, application: Person, stranger: Person, *, has_shm: bool) -> None:
    """SQLite would show the rows of the old file, as it does to whoever has not seen the file before."""
    application.do("create", str(path), "wal", TABLE)
    application.do("open_", str(path), "PRAGMA wal_autocheckpoint = 0", "UPDATE t SET x = 'old'")
    assert {row[1] for row in start(path, stranger)} == {"old"}
    application.kill()
    os.replace(another(path, "wal"), path)
    if has_shm:
        assert {row[1] for row in stranger.do("rows", str(path))["rows"]} == {"old"}
    else:
        os.unlink(f"{path}-shm")
    before = traces(path.parent)
    refused(stranger.do("next_page"), "source_busy", "SQLite would take that -wal")
    assert traces(path.parent) == before


def test_another_file_whose_old_wal_was_removed_is_read(path: Path, application: Person, stranger: Person) -> None:
    application.do("create", str(path), "wal", TABLE)
    application.do("open_", str(path), "PRAGMA wal_autocheckpoint = 0", "UPDATE t SET x = 'old'")
    start(path, stranger)
    application.kill()
    os.replace(another(path, "wal"), path)
    for suffix in ("-wal", "-shm"):
        os.unlink(f"{path}{suffix}")
    with Person("tests.guest.applications", APPLICATION) as again:
        again.do("open_", str(path), "UPDATE t SET x = 'new' WHERE k > 300")
        rows = stranger.do("next_page")["rows"] + rest(stranger)
    assert [row[1] for row in rows] == ["other"] * 50 + ["new"] * (len(rows) - 50)


def gone(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(50_000))


def moved_away(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def recreated(path: Path) -> None:
    moved_away(path)
    given_to_the_application(path.parent, 0o755)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.fixture(params=["delete", "wal"])
def half_read(request: pytest.FixtureRequest, path: Path, application: Person, stranger: Person) -> Path:
    """A database of which a page was read."""
    application.do("create", str(path), str(request.param), TABLE)
    start(path, stranger)
    return path


@pytest.mark.parametrize(("change", "kind"), [
    (gone, "source_missing"), (folder, "source_not_a_database"), (emptied, "source_empty"),
    (garbage, "source_not_a_database"), (moved_away, "source_missing"), (recreated, "source_missing"),
    (a_pipe, "source_not_a_database"),
])
def test_the_file_is_spoilt(half_read: Path, application: Person, stranger: Person, change: Callable[[Path], None],
                            kind: str) -> None:
    """It is told, never read as empty; and once a database stands there again, it is read."""
    change(half_read)
    refused(stranger.do("next_page"), kind)
    shutil.rmtree(half_read.parent, ignore_errors=True)
    given_to_the_application(half_read.parent, 0o755)
    application.do("create", str(half_read), "wal", SCRIPT)
    assert stranger.do("rows", str(half_read)) == {"rows": [[1, "a"], [2, "b"]]}


def test_the_file_is_cut_short(half_read: Path, stranger: Person) -> None:
    os.truncate(half_read, half_read.stat().st_size // 8192 * 4096)
    refused(stranger.do("rows", str(half_read)), "source_corrupt")
