"""Which file it is, and whether it is the later self of what was read before."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.capture.files import application, make

from bqsync.capture.source import Source
from bqsync.model import SourceIdentity

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "CREATE TABLE t (k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


def change(path: Path, statement: str) -> None:
    with closing(application(path, mode="delete")) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("statement", [
    "INSERT INTO t VALUES (9, 'x')", "DELETE FROM t", "VACUUM", "CREATE TABLE u (x)", "DROP TABLE t",
    "ALTER TABLE t ADD COLUMN y", "PRAGMA journal_mode = wal", "SELECT 1",
])
def test_what_an_application_does_makes_a_later_self(path: Path, statement: str) -> None:
    source = make(path, SCRIPT)
    before = source.identity()
    change(path, statement)
    after = source.identity()
    assert after.difference_from(before) is None
    assert after.change_counter >= before.change_counter
    assert (after.device, after.inode) == (before.device, before.inode)


@pytest.mark.parametrize("modes", [("wal", "delete"), ("delete", "wal"), ("wal", "wal"), ("truncate", "persist")])
def test_journal_modes_and_checkpoints_make_a_later_self(path: Path, modes: tuple[str, str]) -> None:
    source = make(path, SCRIPT, mode=modes[0])
    seen = [source.identity()]
    for round_ in range(3):
        for mode in modes:
            with closing(application(path, mode=mode)) as connection:
                connection.execute(f"INSERT INTO t (x) VALUES ('{round_}')")
                seen.append(source.identity())
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                seen.append(source.identity())
                connection.execute("VACUUM")
                seen.append(source.identity())
    assert {later.difference_from(earlier) for earlier, later in pairwise(seen)} == {None}


def test_nothing_written_is_the_same_identity(path: Path) -> None:
    source = make(path, SCRIPT)
    assert source.identity() == source.identity() == Source(path).identity()


def test_another_file_in_its_place_is_told(path: Path, tmp_path: Path) -> None:
    source = make(path, SCRIPT)
    before = source.identity()
    make(tmp_path / "other.db", SCRIPT)
    os.replace(tmp_path / "other.db", path)
    assert source.identity().difference_from(before) == "another file stands in its place"


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_an_older_copy_written_over_the_same_file_is_told(path: Path, tmp_path: Path, mode: str) -> None:
    source = make(path, SCRIPT, mode=mode)
    shutil.copyfile(path, tmp_path / "backup.db")
    with closing(application(path, mode=mode)) as connection:
        # In WAL mode the counter moves with commits that touch the first page: those that grow the file do.
        connection.execute("INSERT INTO t (x) VALUES (hex(zeroblob(50000)))")
    before = source.identity()
    inode = path.stat().st_ino
    shutil.copyfile(tmp_path / "backup.db", path)
    assert path.stat().st_ino == inode
    assert source.identity().difference_from(before) == "its contents are older than before"


def test_an_older_schema_is_told(path: Path, tmp_path: Path) -> None:
    source = make(path, SCRIPT)
    shutil.copyfile(path, tmp_path / "backup.db")
    change(path, "CREATE TABLE u (x)")
    before = source.identity()
    shutil.copyfile(tmp_path / "backup.db", path)
    after = source.identity()
    assert after.schema_cookie < before.schema_cookie
    assert after.difference_from(before) == "its contents are older than before"


def test_another_application_is_told(path: Path) -> None:
    source = make(path, SCRIPT + "PRAGMA application_id = 77;")
    before = source.identity()
    assert before.application_id == 77
    change(path, "PRAGMA application_id = 78")
    assert source.identity().difference_from(before) == "its application_id is another"


BASE = SourceIdentity(device=1, inode=2, application_id=3, schema_cookie=4, change_counter=5)


@pytest.mark.parametrize(("changes", "told"), [
    ({}, None), ({"schema_cookie": 9}, None), ({"change_counter": 9}, None), ({"device": 9}, "another file"),
    ({"inode": 9}, "another file"), ({"application_id": 9}, "application_id"), ({"schema_cookie": 3}, "older"),
    ({"change_counter": 4}, "older"), ({"change_counter": 4, "schema_cookie": 9}, "older"),
])
def test_each_mark_of_a_file_counts(changes: dict[str, int], told: str | None) -> None:
    difference = replace(BASE, **changes).difference_from(BASE)
    assert (difference is None) if told is None else (difference is not None and told in difference)
