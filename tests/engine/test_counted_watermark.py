"""Mode `append` with an AUTOINCREMENT column: SQLite gives its numbers in the order of the commits."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from tests.engine.application import series
from tests.workbench import Workbench

from bqsync.engine.schedule import SweepMode

TABLE = '[[tables]]\nname = "log"\nmode = "append"\nwatermark = ["id"]\n'
CREATE = "CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT)"
TEN_MINUTES_US = 600_000_000
"""Longer than a small sweep has to rest, shorter than the interval of sweeps."""
FILL = f"INSERT INTO log (text) SELECT 'line ' || value FROM {series(1000)}"


def numbers(workbench: Workbench) -> list[int]:
    return [row["id"] for row in workbench.query("SELECT id FROM {d}.log ORDER BY id")]


def test_a_pass_reads_what_is_new_and_one_row_more(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; {FILL}")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("INSERT INTO log (text) VALUES ('a'), ('b')")
    outcome = workbench.sync(sweep=SweepMode.NEVER)["log"]
    assert (outcome.rows_read, outcome.rows_upserted) == (3, 2)
    assert numbers(workbench) == list(range(1, 1003))
    assert workbench.verify("log").rows_different == 0


def test_without_sweeps_the_ledger_holds_the_last_row(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; {FILL}")
    workbench.configure(TABLE + 'sweep = "off"\n', sync="page_rows = 100\nchunk_rows = 300")
    workbench.sync()
    workbench.fill("DELETE FROM log WHERE id < 500; INSERT INTO log (text) VALUES ('a'), ('b')")
    outcome = workbench.sync()["log"]
    assert (outcome.rows_read, outcome.rows_upserted) == (3, 2)
    assert numbers(workbench) == list(range(1, 1003))
    with closing(sqlite3.connect(workbench.state_path)) as state:
        assert state.execute("SELECT count(*) FROM ledger").fetchone()[0] <= 3


def test_numbers_beyond_any_clock_count(workbench: Workbench) -> None:
    """A time-stamp of this size would lie in the future, and wait."""
    workbench.fill(f"{CREATE}; INSERT INTO log VALUES (9000000000000000000, 'far')")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("INSERT INTO log (text) VALUES ('next')")
    assert workbench.sync(sweep=SweepMode.NEVER)["log"].rows_upserted == 1
    workbench.fill("INSERT INTO log (text) VALUES ('and next')")
    assert workbench.sync(sweep=SweepMode.NEVER)["log"].rows_read == 2


def test_an_older_file_is_compared_whole(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; {FILL}")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("DELETE FROM log WHERE id > 900; UPDATE sqlite_sequence SET seq = 900;"
                   "INSERT INTO log (text) VALUES ('again')")
    workbench.clock_us = time.time_ns() // 1_000 + TEN_MINUTES_US
    assert workbench.sync(sweep=SweepMode.DUE)["log"].swept
    assert workbench.query("SELECT text FROM {d}.log WHERE id = 901") == [{"text": "again"}]


def test_a_number_that_sqlite_may_give_twice_is_no_watermark(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE other (id INTEGER PRIMARY KEY"
                   f" AUTOINCREMENT); INSERT INTO other DEFAULT VALUES; {FILL}")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("INSERT INTO log (text) VALUES ('a')")
    assert workbench.sync(sweep=SweepMode.NEVER)["log"].rows_read == 0
    assert workbench.sync()["log"].rows_upserted == 1


def test_in_the_ordinary_mode_a_number_tells_no_update(workbench: Workbench) -> None:
    workbench.fill(f"{CREATE}; {FILL}")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.configure(TABLE.replace('mode = "append"\n', ""))
    workbench.fill("UPDATE log SET text = 'other' WHERE id = 5; DELETE FROM log WHERE id = 6")
    workbench.clock_us = time.time_ns() // 1_000 + TEN_MINUTES_US
    outcome = workbench.sync(sweep=SweepMode.DUE)["log"]
    assert (outcome.rows_upserted, outcome.rows_deleted) == (1, 1)
    assert workbench.verify("log").rows_different == 0
    workbench.fill("INSERT INTO log (text) VALUES ('a')")
    assert workbench.sync(sweep=SweepMode.NEVER)["log"].rows_read == 0
