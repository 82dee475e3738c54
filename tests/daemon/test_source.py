"""Whatever becomes of the database file: nothing is deleted for it, and the daemon goes on when it is there again."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.daemon.conftest import Start
from tests.daemon.life import Life
from tests.daemon.tables import MARKED, PLAIN, configure, fill, is_equal, target, wait_equal
from tests.workbench import Workbench


def looks(life: Life) -> None:
    """Let the daemon look at the file a few times. What it must not do then, no slow machine makes it do."""
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        assert life.process.poll() is None
        time.sleep(0.1)


def replace(bench: Workbench, path: Path) -> None:
    """Another file takes the place of the database; the test's own connection follows it."""
    bench.db.close()
    path.replace(bench.db_path)
    bench.db = sqlite3.connect(bench.db_path, isolation_level=None)


def test_a_database_that_is_missing_at_the_start_is_waited_for(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    away = workbench.db_path.rename(workbench.folder / "away.db")
    configure(workbench, MARKED + PLAIN)
    life = start(workbench).ready()
    assert life.wait("daemon.ready")["is_database_there"] is False
    assert life.wait("source.unavailable")["code"] == "E201"
    life.wait_until(lambda: "waiting" in life.status() and "(E201)" in life.status(), "a status that says so")
    looks(life)
    assert len(life.events("source.unavailable")) == 1
    away.rename(workbench.db_path)
    life.wait("source.recovered")
    wait_equal(life, workbench, "marked", "plain")
    life.wait_until(lambda: life.status() == "2 tables, up to date", "up to date")
    assert life.end() == 0


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_that_is_taken_away_and_put_back_deletes_nothing(
    workbench: Workbench, start: Start, journal: str,
) -> None:
    workbench.db.execute(f"PRAGMA journal_mode = {journal}")
    fill(workbench)
    configure(workbench, MARKED + PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    workbench.db.close()
    away = workbench.db_path.rename(workbench.folder / "away.db")
    life.wait("source.unavailable")
    looks(life)
    assert (len(target(workbench, "plain")), len(target(workbench, "marked"))) == (10, 10)
    away.rename(workbench.db_path)
    workbench.db = sqlite3.connect(workbench.db_path, isolation_level=None)
    workbench.db.execute("INSERT INTO plain VALUES (50, 'back')")
    wait_equal(life, workbench, "plain")
    life.wait("source.recovered")
    assert len(life.events("source.unavailable")) == len(life.events("source.recovered")) == 1
    assert life.events("source.replaced") == [], "it is the file that it was"
    assert sum(line["rows_deleted"] for line in life.events("sync.completed")) == 0
    assert life.end() == 0


def test_another_file_in_its_place_is_told_and_its_missing_rows_are_held_back(
    workbench: Workbench, start: Start,
) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    other = workbench.folder / "other.db"
    shutil.copy(workbench.db_path, other)
    with closing(sqlite3.connect(other, isolation_level=None)) as db:
        db.execute("DELETE FROM plain WHERE id >= 2")
        db.execute("INSERT INTO plain VALUES (50, 'of the other file')")
    replace(workbench, other)
    life.wait("source.replaced")
    held = life.wait("deletes.held_back", table="plain")
    assert (held["deletes"], held["rows"]) == (8, 10)
    life.wait_until(lambda: (50, "of the other file") in target(workbench, "plain"), "what is new arrives")
    assert len(target(workbench, "plain")) == 11
    assert len(life.events("source.replaced")) == 1
    life.wait_until(lambda: "failing: plain" in life.status(), "a status that says so")
    assert life.end() == 0


def test_a_file_of_no_bytes_deletes_nothing(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    whole = workbench.db_path.read_bytes()
    workbench.db.close()
    workbench.db_path.write_bytes(b"")
    life.wait_until(lambda: any(line.get("code") == "E204" for line in life.lines), "it is told")
    life.wait_until(lambda: "(E204)" in life.status(), "a status that says so")
    looks(life)
    assert (len(target(workbench, "plain")), len(target(workbench, "marked"))) == (10, 10)
    workbench.db_path.write_bytes(whole)
    workbench.db = sqlite3.connect(workbench.db_path, isolation_level=None)
    workbench.db.execute("INSERT INTO plain VALUES (50, 'back')")
    wait_equal(life, workbench, "plain", "marked")
    life.wait_until(lambda: "up to date" in life.status(), "up to date")
    assert life.end() == 0


def test_a_table_that_is_dropped_deletes_nothing_and_stops_no_other(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN)
    life = start(workbench).ready()
    wait_equal(life, workbench, "marked", "plain")
    workbench.db.execute("DROP TABLE plain")
    workbench.db.execute("INSERT INTO marked VALUES (50, 'goes on', 1700000500)")
    life.wait("table.refused", table="plain")
    wait_equal(life, workbench, "marked")
    assert len(target(workbench, "plain")) == 10
    workbench.fill("CREATE TABLE plain (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO plain VALUES (?, ?)", [(n, f"v{n}") for n in range(11)]))
    life.wait("sync.recovered", table="plain")
    wait_equal(life, workbench, "plain")
    assert life.end() == 0


def test_a_folder_that_is_replaced_is_watched_again(workbench: Workbench, start: Start) -> None:
    home = workbench.folder / "home"
    home.mkdir()
    workbench.db.close()
    workbench.db_path = home / "app.db"
    workbench.db = sqlite3.connect(workbench.db_path, isolation_level=None)
    fill(workbench)
    configure(workbench, PLAIN)
    text = workbench.config_path.read_text(encoding="utf-8").replace('"app.db"', '"home/app.db"')
    workbench.config_path.write_text(text, encoding="utf-8")
    life = start(workbench).ready()
    wait_equal(life, workbench, "plain")
    workbench.db.close()
    away = home.rename(workbench.folder / "away")
    life.wait("source.unavailable")
    away.rename(home)
    workbench.db = sqlite3.connect(workbench.db_path, isolation_level=None)
    life.wait("source.recovered")
    workbench.db.execute("INSERT INTO plain VALUES (50, 'back')")
    wait_equal(life, workbench, "plain")
    assert is_equal(workbench, "plain")
    assert life.end() == 0
