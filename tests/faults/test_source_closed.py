"""A database that a running daemon may not read, or not now: told with the way out, tried again, nothing lost."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.bad_input.command import as_ordinary_user
from tests.daemon.tables import is_equal, wait_equal
from tests.faults.application import die_after
from tests.faults.running import copied, deleted, filled, point_at, reconnect, running, write
from tests.workbench import Workbench

IMPATIENT = 'busy_timeout = "0.1 s"'


def side_files(bench: Workbench) -> set[str]:
    """What stands beside the database under its name."""
    return {path.name.removeprefix(bench.db_path.name) for path in bench.db_path.parent.glob("app.db?*")}


@pytest.fixture
def home(workbench: Workbench) -> Iterator[Path]:
    """A folder for the database alone, which may be closed to the daemon while its state is not."""
    folder = workbench.folder / "home"
    folder.mkdir()
    workbench.db.close()
    workbench.db_path = folder / "app.db"
    reconnect(workbench)
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize("close", [
    lambda path: path.chmod(0), lambda path: path.parent.chmod(0), lambda path: path.parent.chmod(0o600),
], ids=["file", "folder", "way"])
def test_a_database_that_is_closed_to_the_daemon_is_told_and_read_once_it_is_open(
    workbench: Workbench, home: Path, close: Callable[[Path], None],
) -> None:
    filled(workbench)
    point_at(workbench, '"app.db"', '"home/app.db"')
    with running(workbench, prefix=as_ordinary_user()) as life:
        copied(life, workbench)
        close(workbench.db_path)
        write_as_owner(workbench)
        life.wait_until(lambda: "(E202)" in life.status(), "a status that says so")
        (told,) = [line for line in life.lines if line.get("code") == "E202" and line["level"] == "error"]
        assert "run bqsync as a user that may read it" in told["fix"]
        home.chmod(0o700)
        workbench.db_path.chmod(0o600)
        write(workbench, 50)
        copied(life, workbench)
        assert deleted(life) == 0


def write_as_owner(bench: Workbench) -> None:
    """A change that the daemon would see if it might; the test's connection is open, so it needs no right any more."""
    bench.db.execute("UPDATE plain SET v = v || '!' WHERE id = 5")


def test_a_database_at_rest_in_a_folder_that_may_not_be_written_is_read_without_a_trace(
    workbench: Workbench, home: Path,
) -> None:
    """It is in WAL mode, and nobody has it open: SQLite itself would need a -shm there."""
    filled(workbench)
    point_at(workbench, '"app.db"', '"home/app.db"')
    workbench.db.execute("PRAGMA journal_mode = WAL")
    workbench.db.close()
    home.chmod(0o500)
    with running(workbench, prefix=as_ordinary_user()) as life:
        life.wait_until(lambda: life.status().endswith("2 tables, up to date"), "up to date")
        assert side_files(workbench) == set()
        home.chmod(0o700)
        reconnect(workbench)
        write(workbench, 50)
        copied(life, workbench)
        workbench.db.close()
        home.chmod(0o500)
        reconnect_to_look(workbench)
        life.wait_until(lambda: is_equal(workbench, "plain"), "equal")
        assert side_files(workbench) == set()


def reconnect_to_look(bench: Workbench) -> None:
    """A connection for the test, which leaves no trace either."""
    bench.db = sqlite3.connect(f"file:{bench.db_path}?immutable=1", uri=True, isolation_level=None)


def test_a_lock_that_the_application_keeps_for_long_is_told_once_and_waited_for(workbench: Workbench) -> None:
    filled(workbench)
    point_at(workbench, 'db = "app.db"', f'db = "app.db"\n{IMPATIENT}')
    with running(workbench) as life:
        copied(life, workbench)
        workbench.db.execute("BEGIN EXCLUSIVE")
        write(workbench, 50)
        workbench.db_path.touch()
        told = life.wait("sync.failed", code="E205")
        assert "exclusive lock" in told["why"]
        assert "source.busy_timeout" in told["fix"]
        tries = len(life.events("sync.failed"))
        life.wait_until(lambda: "(E205)" in life.status(), "a status that says so")
        workbench.db.execute("COMMIT")
        copied(life, workbench)
        assert life.wait("sync.recovered", code="E205")["failures"] >= tries == 1
        assert deleted(life) == 0


def test_a_hot_journal_is_told_with_its_remedy_and_no_half_of_a_transaction_is_read(workbench: Workbench) -> None:
    filled(workbench, 300)
    workbench.db.execute("UPDATE plain SET v = v || hex(zeroblob(200))")
    with running(workbench) as life:
        copied(life, workbench)
        workbench.db.close()
        # A cache of a few pages spills into the file in the middle of the transaction.
        die_after(workbench.db_path, "PRAGMA cache_size = 5", "BEGIN", "UPDATE plain SET v = 'half of it ' || v",
                  "DELETE FROM marked WHERE id < 200")
        assert b"half of it" in workbench.db_path.read_bytes()
        told = life.wait("sync.failed", code="E205")
        assert "hot journal" in told["why"]
        assert "open the database once with the application" in told["fix"]
        life.wait_until(lambda: "(E205)" in life.status(), "a status that says so")
        reconnect(workbench)
        write(workbench, 5_000)
        copied(life, workbench)
        assert deleted(life) == 0
        assert not any("half of it" in row["v"] for row in workbench.rows("plain", "id"))


def test_a_wal_that_a_crash_left_is_read_and_one_without_its_shm_is_waited_for(workbench: Workbench) -> None:
    filled(workbench)
    workbench.db.execute("PRAGMA journal_mode = WAL")
    workbench.db.close()
    with running(workbench) as life:
        die_after(workbench.db_path, "PRAGMA wal_autocheckpoint = 0",
                  "INSERT INTO plain VALUES (60, 'left in the -wal')")
        assert side_files(workbench) == {"-wal", "-shm"}
        life.wait_until(lambda: "left in the -wal" in {row["v"] for row in rows(workbench)}, "what stands in the -wal")
        os.unlink(f"{workbench.db_path}-shm")
        workbench.db_path.touch()
        told = life.wait("sync.failed", code="E205")
        assert "no -shm file" in told["what"]
        assert "open the database once with the application" in told["fix"]
        assert side_files(workbench) == {"-wal"}
        reconnect(workbench)
        write(workbench, 50)
        copied(life, workbench)
        assert deleted(life) == 0


def rows(bench: Workbench) -> list[dict[str, object]]:
    return bench.rows("plain", "id") if "plain" in bench.tables() else []


def test_a_damaged_page_stops_its_table_alone_until_it_is_mended(workbench: Workbench) -> None:
    filled(workbench, 1_000)
    (root,) = workbench.db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'plain'").fetchone()
    size = workbench.db.execute("PRAGMA page_size").fetchone()[0]
    with running(workbench) as life:
        copied(life, workbench)
        workbench.db.close()
        whole = workbench.db_path.read_bytes()
        with workbench.db_path.open("r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xee" * size)
        reconnect(workbench)
        workbench.db.execute("INSERT INTO marked VALUES (5000, 'goes on', 1700005000)")
        wait_equal(life, workbench, "marked")
        told = life.wait("sync.failed", table="plain", code="E206")
        assert "integrity_check" in told["fix"]
        life.wait_until(lambda: "failing: plain" in life.status(), "a status that says so")
        assert len(rows(workbench)) == 1_000
        workbench.db.close()
        with workbench.db_path.open("r+b") as file:
            file.seek((root - 1) * size)
            file.write(whole[(root - 1) * size : root * size])
        reconnect(workbench)
        write(workbench, 6_000)
        copied(life, workbench)
        life.wait("sync.recovered", table="plain")
        assert deleted(life) == 0
