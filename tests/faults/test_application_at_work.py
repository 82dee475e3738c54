"""What applications do with their databases while a daemon reads along: all of it arrives, nothing is a fault."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
from pathlib import Path

import pytest
from tests.capture.files import keyed
from tests.daemon.life import Life, wait_until
from tests.faults.application import application
from tests.faults.running import copied, deleted, filled, running, write
from tests.workbench import Workbench

from bqsync.engine.stopwatch import Stopwatch
from bqsync.engine.sweep import timed_pages
from bqsync.engine.walks import OWN_STAGES

MODES = ("wal", "delete", "wal", "truncate", "persist", "wal", "memory", "delete")


def change_journal(db: sqlite3.Connection, mode: str) -> None:
    """For that, SQLite waits for no reader, whatever the busy time-out is: it has to be tried again."""
    def changed() -> bool:
        with contextlib.suppress(sqlite3.OperationalError):
            return bool(db.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,))
        return False

    wait_until(changed, mode)


def assert_unnoticed(life: Life) -> None:
    """No line tells of a failure."""
    assert [line for line in life.lines if line["level"] in {"warning", "error"}] == []


def test_vacuums_checkpoints_and_journal_modes_that_change_are_invisible(workbench: Workbench) -> None:
    filled(workbench, 400, sync="page_rows = 50\nsweep_duty = 1.0")
    workbench.db.execute("CREATE TABLE ballast (v)")
    db = workbench.db
    with running(workbench) as life:
        copied(life, workbench)
        for number, mode in enumerate(MODES):
            db.execute("INSERT INTO ballast SELECT hex(zeroblob(2000)) FROM plain")
            write(workbench, 1_000 + number)
            db.execute("DELETE FROM ballast")
            change_journal(db, mode)
            db.execute("VACUUM")
            for kind in ("PASSIVE", "RESTART", "TRUNCATE"):
                db.execute(f"UPDATE plain SET v = v || '.' WHERE id = {number}")
                db.execute(f"PRAGMA wal_checkpoint({kind})").fetchall()
        copied(life, workbench)
        assert deleted(life) == 0
        assert_unnoticed(life)


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_writer_that_is_hardly_ever_out_of_a_transaction_is_invisible(workbench: Workbench, journal: str) -> None:
    """BEGIN IMMEDIATE, and the next one right after the COMMIT: readers are let in beside it."""
    workbench.db.execute(f"PRAGMA journal_mode = {journal}")
    filled(workbench)
    pause = threading.Event()
    with running(workbench) as life:
        copied(life, workbench)
        before, number = len(life.events("sync.completed")), itertools.count(100)
        workbench.db.execute("BEGIN IMMEDIATE")
        while len(life.events("sync.completed")) < before + 6:
            write(workbench, next(number))
            pause.wait(0.02)
            workbench.db.execute("COMMIT")
            workbench.db.execute("BEGIN IMMEDIATE")
            life.wait_until(lambda: True, "alive")
        workbench.db.execute("COMMIT")
        copied(life, workbench)
        assert deleted(life) == 0
        assert_unnoticed(life)


def test_to_wait_for_the_application_is_no_work_that_asks_for_a_rest(tmp_path: Path) -> None:
    """The duty cycle spaces sweeps by what they cost. A lock of ten seconds must not be followed by minutes of rest."""
    reader = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY)", ["k"], [(number,) for number in range(10)])
    stopwatch = Stopwatch()
    rows: list[object] = []

    def walk() -> None:
        rows.extend(row for page in timed_pages(reader.pages(), reader, stopwatch) for row in page.rows)

    walking = threading.Thread(target=walk)
    with application(tmp_path / "app.db", "BEGIN EXCLUSIVE"):
        walking.start()
        wait_until(lambda: reader.waited_s > 0.05, "it waits")
    walking.join()
    assert len(rows) == 10
    assert stopwatch.durations_s["wait"] == pytest.approx(reader.waited_s)
    assert stopwatch.total_s(*OWN_STAGES) == stopwatch.durations_s["read"]
