"""The application never waits for us, and never finds a trace of us."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.guest.person import APPLICATION, Person
from tests.guest.places import ACCOUNTS, ROWS, SCRIPT, given_to_the_application, traces
from tests.guest.test_permissions import refused

MANY = "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
FILL = MANY + "INSERT INTO t SELECT i, hex(zeroblob(50)) FROM n"


@pytest.fixture
def path(world: Path) -> Path:
    """In a folder that a member of the group may write to: what we could do wrong there, we could."""
    return given_to_the_application(world / "data", 0o2775) / "app.db"


def test_between_two_pages_the_last_close_removes_the_side_files(path: Path, application: Person,
                                                                 guest: Person) -> None:
    application.do("create", str(path), "wal", SCRIPT, 0o664)
    application.do("open_", str(path), FILL)
    guest.do("start_walk", str(path), 5000)
    keys = [row[0] for row in guest.do("next_page")["rows"]]
    application.do("close", str(path))
    assert list(traces(path.parent)) == ["app.db"]
    while rows := guest.do("next_page")["rows"]:
        keys += [row[0] for row in rows]
        assert list(traces(path.parent)) == ["app.db"]
    assert keys == list(range(1, 20001))


def test_an_application_that_comes_and_goes_is_never_hindered(path: Path, application: Person,
                                                              guests: dict[str, Person]) -> None:
    """It opens, writes and closes, while all of the table is read page by page, by one who could leave side files."""
    application.do("create", str(path), "wal", SCRIPT + ACCOUNTS + FILL, 0o664)
    for name in ("stranger", "member"):
        guests[name].begin("read_pages", str(path))
    visits = application.do("visit", str(path), 300, 0.003)
    for name in ("stranger", "member"):
        guests[name].tell()
        assert guests[name].end() >= 1
    assert visits["busy"] == 0
    assert visits["left"] < 300
    assert {found[0] for found in traces(path.parent).values()} == {APPLICATION.uid}
    assert application.do("visit", str(path), 1, 0) == {"left": 0, "busy": 0}
    assert list(traces(path.parent)) == ["app.db"]
    assert dict(guests["member"].do("rows", str(path), "accounts")["rows"])[1000] == 301


@pytest.mark.parametrize(("mode", "statements"), [
    ("delete", ["BEGIN EXCLUSIVE"]), ("truncate", ["PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "COMMIT"]),
    ("wal", ["PRAGMA locking_mode = EXCLUSIVE", "INSERT INTO t VALUES (9, 'x')", "DELETE FROM t WHERE k = 9"]),
    ("wal", ["SELECT * FROM t", "PRAGMA locking_mode = EXCLUSIVE", "INSERT INTO t VALUES (9, 'x')",
             "DELETE FROM t WHERE k = 9"]),
])
def test_an_exclusive_lock_is_told_and_passes(path: Path, application: Person, stranger: Person, mode: str,
                                              statements: list[str]) -> None:
    """While we try, the application goes on without waiting for a moment: its busy time-out is 0."""
    application.do("create", str(path), mode, SCRIPT)
    application.do("open_", str(path), *statements)
    before = traces(path.parent)
    refused(stranger.do("rows", str(path), "t", 0.3), "source_busy", "exclusive lock")
    assert traces(path.parent) == before
    stranger.begin("rows", str(path), "t", 60)
    for number in range(3, 53):
        application.do("run", str(path), f"INSERT INTO t VALUES ({number}, 'c')")
    application.do("close" if mode != "delete" else "run", str(path), *(["COMMIT"] if mode == "delete" else []))
    assert stranger.end() == {"rows": [*ROWS, *([number, "c"] for number in range(3, 53))]}


def test_a_wal_that_was_deleted_under_its_application_is_told(path: Path, application: Person, guest: Person) -> None:
    application.do("create", str(path), "wal", SCRIPT, 0o664)
    application.do("open_", str(path), "INSERT INTO t VALUES (3, 'c')")
    for suffix in ("-wal", "-shm"):
        os.unlink(f"{path}{suffix}")
    refused(guest.do("rows", str(path)), "source_busy", "the -wal was deleted")
    assert list(traces(path.parent)) == ["app.db"]


def test_a_wal_beside_another_name_of_the_file_is_told(path: Path, application: Person, guest: Person) -> None:
    application.do("create", str(path), "wal", SCRIPT, 0o664)
    other = path.with_name("other.db")
    other.hardlink_to(path)
    application.do("open_", str(other), "INSERT INTO t VALUES (3, 'c')")
    refused(guest.do("rows", str(path)), "source_busy", "hard link")
    assert guest.do("rows", str(other)) == {"rows": [*ROWS, [3, "c"]]}
    application.do("close", str(other))
    assert guest.do("rows", str(path)) == {"rows": [*ROWS, [3, "c"]]}
