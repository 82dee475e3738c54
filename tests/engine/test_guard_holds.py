"""What the guard holds back stays held back, however often the table is swept."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from tests.workbench import Workbench

ROWS = 40


def test_rows_of_another_file_do_not_water_the_losses_down(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, 'old')", [(n,) for n in range(ROWS)]))
    workbench.configure('[[tables]]\nname = "t"\n')
    workbench.sync()
    other = workbench.folder / "other.db"
    with closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        db.executemany("INSERT INTO t VALUES (?, 'new')", [(n,) for n in range(1_000, 1_000 + ROWS)])
    os.replace(other, workbench.db_path)  # as a restore does
    for _ in range(3):
        outcome = workbench.sync()["t"]
        assert outcome.error is not None
        assert (outcome.error["kind"], outcome.deletes_deferred) == ("deletes_held_back", ROWS)
        assert outcome.error["fix"].endswith("--confirm-deletes 40 (a daemon has to be stopped before)")
    assert len(workbench.rows("t", "id")) == 2 * ROWS
    assert workbench.sync("t", confirmed_deletes=ROWS)["t"].rows_deleted == ROWS


def test_nor_do_rows_that_a_pass_delivers_before_the_sweep(workbench: Workbench) -> None:
    script = "CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER); CREATE INDEX i ON t (at);"
    workbench.fill(script, ("INSERT INTO t VALUES (?, ?)", [(n, 1_700_000_000 + n) for n in range(ROWS)]))
    workbench.configure('[[tables]]\nname = "t"\nwatermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n')
    workbench.sync()
    other = workbench.folder / "other.db"
    with closing(sqlite3.connect(other)) as db, db:
        db.executescript(script)
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, 1_700_000_000 + n) for n in range(1_000, 1_000 + ROWS)])
    os.replace(other, workbench.db_path)  # as a restore does
    for _ in range(2):
        outcome = workbench.sync()["t"]
        assert outcome.error is not None
        assert (outcome.error["kind"], outcome.deletes_deferred) == ("deletes_held_back", ROWS)


def test_two_tables_that_were_emptied_and_filled_anew_stay_held(workbench: Workbench) -> None:
    tables = ("one", "two")
    for table in tables:
        workbench.fill(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)",
                       (f"INSERT INTO {table} VALUES (?)", [(n,) for n in range(ROWS)]))
    workbench.configure("".join(f'[[tables]]\nname = "{table}"\n' for table in tables))
    workbench.sync()
    for table in tables:
        workbench.fill(f"DELETE FROM {table}", (f"INSERT INTO {table} VALUES (?)", [(n,) for n in range(500, 600)]))
    for _ in range(3):
        outcomes = workbench.sync()
        assert [outcome.deletes_deferred for outcome in outcomes.values()] == [ROWS] * 2
    # What was confirmed is over: from then on, the table is as large as it is.
    assert workbench.sync("one", confirmed_deletes=ROWS)["one"].rows_deleted == ROWS
    workbench.fill("DELETE FROM one WHERE id < 540")
    assert workbench.sync("one")["one"].rows_deleted == 40
