"""Changes of the schema under a running daemon, beside a writer: no row is lost, and what stops goes on by itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING

from tests.daemon.tables import wait_equal
from tests.engine.application import execute
from tests.evolution.steps import alter
from tests.faults.running import copied, deleted, filled, running

if TYPE_CHECKING:
    from tests.workbench import Workbench

CHANGES = (
    "ALTER TABLE plain ADD COLUMN more TEXT DEFAULT 'x'",
    "ALTER TABLE plain RENAME COLUMN more TO other",
    ("BEGIN; ALTER TABLE plain DROP COLUMN other; ALTER TABLE plain ADD COLUMN other TEXT DEFAULT 'again';"
    "ALTER TABLE plain ADD COLUMN twice INTEGER GENERATED ALWAYS AS (id * 2) VIRTUAL; COMMIT"),
)


def test_a_schema_that_changes_beside_a_writer_loses_no_row(workbench: Workbench) -> None:
    """Sweeps of small pages are under way nearly all the time, and every change falls beside the writer's."""
    filled(workbench, 100, sync="page_rows = 10\nsweep_duty = 1.0")
    ending = Event()

    def keep_writing() -> None:
        number = 1_000
        while not ending.is_set():
            number += 1
            execute(workbench, "INSERT INTO plain (id, v) VALUES (?, 'written')", number)
            execute(workbench, "UPDATE plain SET v = v || '.' WHERE id = ?", number % 100)
            ending.wait(0.05)

    with running(workbench) as life:
        copied(life, workbench)
        writer = Thread(target=keep_writing)
        writer.start()
        try:
            for change in CHANGES:
                before = len(life.events("sync.completed", table="plain"))
                with closing(sqlite3.connect(workbench.db_path, timeout=60)) as application:
                    application.executescript(change)
                life.wait("sync.completed", before + 1, table="plain")
        finally:
            ending.set()
            writer.join()
        wait_equal(life, workbench, "plain", "marked")
        life.wait_until(lambda: {(row["other"], row["twice"] == 2 * row["id"]) for row in workbench.rows("plain", "id")}
                        == {("again", True)}, "the columns are filled")
        assert deleted(life) == 0
        assert life.events("table.refused") == []


def test_a_type_that_fits_no_more_stops_its_table_alone_until_the_fix(workbench: Workbench) -> None:
    """The column there is given another name while the daemon runs; it goes on by itself."""
    filled(workbench)
    with running(workbench) as life:
        copied(life, workbench)
        workbench.db.executescript(
            "BEGIN; CREATE TABLE new_plain (id INTEGER PRIMARY KEY, v INTEGER);"
            "INSERT INTO new_plain SELECT id, id FROM plain;"
            "DROP TABLE plain; ALTER TABLE new_plain RENAME TO plain; COMMIT")
        refused = life.wait("table.refused", table="plain")
        assert (refused["code"], "RENAME COLUMN `v` TO `v_old`" in refused["fix"]) == ("E314", True)
        workbench.db.execute("INSERT INTO marked VALUES (50, 'goes on', 1700000500)")
        wait_equal(life, workbench, "marked")
        alter(workbench, refused["fix"])
        life.wait("sync.recovered", table="plain")
        workbench.db.execute("INSERT INTO plain VALUES (60, 600)")
        wait_equal(life, workbench, "plain")
        assert deleted(life) == 0
