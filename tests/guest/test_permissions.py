"""Whoever bqsync runs as: the right rows or a clear error, and nothing of the folder is changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.guest.person import APPLICATION, Person
from tests.guest.places import ROWS, SCRIPT, given_to_the_application, traces

FOLDERS = {"closed": (0o755, 0o644), "of the group": (0o2775, 0o644), "files of the group too": (0o2775, 0o664)}


@pytest.fixture(params=list(FOLDERS))
def place(request: pytest.FixtureRequest, world: Path) -> tuple[Path, int]:
    """A path, and the mode that the database shall have."""
    folder_mode, file_mode = FOLDERS[str(request.param)]
    return given_to_the_application(world / "data", folder_mode) / "app.db", file_mode


def read_without_a_trace(guest: Person, path: Path) -> dict[str, Any]:
    before = traces(path.parent)
    found: dict[str, Any] = guest.do("rows", str(path))
    assert traces(path.parent) == before
    return found


def refused(found: dict[str, Any], kind: str, words: str = "") -> None:
    assert found.get("kind") == kind, found
    assert found["what"]
    assert found["fix"]
    assert words in found["why"]


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "memory", "off", "wal"])
def test_a_database_that_nobody_has_open(place: tuple[Path, int], application: Person, guest: Person,
                                         mode: str) -> None:
    path, file_mode = place
    application.do("create", str(path), mode, SCRIPT, file_mode)
    assert read_without_a_trace(guest, path) == {"rows": ROWS}
    application.do("open_", str(path), "INSERT INTO t VALUES (3, 'c')")
    application.do("close", str(path))
    assert read_without_a_trace(guest, path) == {"rows": [*ROWS, [3, "c"]]}


@pytest.mark.parametrize("statements", [
    ["SELECT * FROM t"], ["INSERT INTO t VALUES (3, 'c')"],
    ["INSERT INTO t VALUES (3, 'c')", "PRAGMA wal_checkpoint(RESTART)"],
    ["INSERT INTO t VALUES (3, 'c')", "PRAGMA wal_checkpoint(TRUNCATE)"],
    ["INSERT INTO t VALUES (3, 'c')", "BEGIN IMMEDIATE", "DELETE FROM t"],
])
def test_a_wal_that_the_application_has_open(place: tuple[Path, int], application: Person, guest: Person,
                                             statements: list[str]) -> None:
    path, file_mode = place
    application.do("create", str(path), "wal", SCRIPT, file_mode)
    application.do("open_", str(path), *statements)
    rows = [*ROWS, [3, "c"]] if len(statements) > 1 or "INSERT" in statements[0] else ROWS
    assert read_without_a_trace(guest, path) == {"rows": rows}
    application.do("close", str(path))
    assert list(traces(path.parent)) == ["app.db"]


def test_a_shm_of_the_application_alone(world: Path, application: Person, guests: dict[str, Person]) -> None:
    """Without the -shm nobody can tell what of the -wal counts."""
    path = given_to_the_application(world / "data", 0o755) / "app.db"
    application.do("create", str(path), "wal", SCRIPT)
    application.do("open_", str(path), "INSERT INTO t VALUES (3, 'c')")
    application.do("leave", f"{path}-shm", 0o600)
    for name in ("stranger", "member"):
        refused(read_without_a_trace(guests[name], path), "source_unreadable", "-shm")
    for name in ("owner", "superuser"):
        assert read_without_a_trace(guests[name], path) == {"rows": [*ROWS, [3, "c"]]}


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read(world: Path, application: Person, guests: dict[str, Person], what: str) -> None:
    path = given_to_the_application(world / "data", 0o755) / "app.db"
    application.do("create", str(path), "delete", SCRIPT)
    application.do("leave", str(path if what == "file" else path.parent), 0o700 if what == "folder" else 0o600)
    refused(read_without_a_trace(guests["stranger"], path), "source_unreadable")
    assert read_without_a_trace(guests["owner"], path) == {"rows": ROWS}


def test_an_application_writes_on_after_a_guest_who_could_have_written(world: Path, application: Person,
                                                                       guests: dict[str, Person]) -> None:
    """A -wal and a -shm of the guest's would keep the application from writing."""
    path = given_to_the_application(world / "data", 0o2775) / "app.db"
    application.do("create", str(path), "wal", SCRIPT)
    for number in range(3, 8):
        assert len(read_without_a_trace(guests["member"], path)["rows"]) == number - 1
        application.do("open_", str(path), f"INSERT INTO t VALUES ({number}, 'c')")
        application.do("close", str(path))


def test_a_wal_that_a_crash_left(place: tuple[Path, int], guest: Person) -> None:
    path, file_mode = place
    crash(path, file_mode)
    assert read_without_a_trace(guest, path) == {"rows": [*ROWS, [3, "c"]]}
    heals(path, guest)


def test_a_wal_that_a_crash_left_without_its_shm(world: Path, guest: Person) -> None:
    path = given_to_the_application(world / "data", 0o2775) / "app.db"
    crash(path, 0o664)
    os.unlink(f"{path}-shm")
    refused(read_without_a_trace(guest, path), "source_busy", "a crash or a copy")
    heals(path, guest)


def crash(path: Path, file_mode: int) -> None:
    with Person("tests.guest.applications", APPLICATION) as application:
        application.do("create", str(path), "wal", SCRIPT, file_mode)
        application.do("open_", str(path), "INSERT INTO t VALUES (3, 'c')", "BEGIN", "DELETE FROM t")


def heals(path: Path, guest: Person) -> None:
    """By the application's next start."""
    with Person("tests.guest.applications", APPLICATION) as application:
        application.do("open_", str(path), "INSERT INTO t VALUES (4, 'd')")
        assert read_without_a_trace(guest, path) == {"rows": [*ROWS, [3, "c"], [4, "d"]]}
        application.do("close", str(path))
    assert read_without_a_trace(guest, path) == {"rows": [*ROWS, [3, "c"], [4, "d"]]}
    assert list(traces(path.parent)) == ["app.db"]


@pytest.mark.parametrize("mode", ["delete", "persist"])
def test_a_hot_journal_that_a_crash_left(world: Path, guest: Person, mode: str) -> None:
    """Half a transaction stands in the file, and the other half of the truth in the journal."""
    path = given_to_the_application(world / "data", 0o2775) / "app.db"
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    with Person("tests.guest.applications", APPLICATION) as application:
        application.do("create", str(path), mode, SCRIPT, 0o664)
        application.do("open_", str(path), f"PRAGMA journal_mode = {mode}",
                       f"{many} INSERT INTO t SELECT i + 2, hex(zeroblob(100)) FROM n")
        # A cache of a few pages spills into the file in the middle of the transaction.
        application.do("run", str(path), "PRAGMA cache_size = 5", "BEGIN", "UPDATE t SET x = 'half'")
    assert b"half" in path.read_bytes()
    refused(read_without_a_trace(guest, path), "source_busy", "hot journal")
    with Person("tests.guest.applications", APPLICATION) as application:
        assert application.do("open_", str(path), "SELECT count(*) FROM t") == [[3002]]
        found = read_without_a_trace(guest, path)["rows"]
        assert len(found) == 3002
        assert "half" not in {row[1] for row in found}
