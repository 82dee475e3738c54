"""A sweep ends, says why it can not begin, and rests for what it cost."""

from __future__ import annotations

from tests.engine.application import NOW, PLAIN, ids
from tests.workbench import Workbench

from bqsync.engine.schedule import SweepMode
from bqsync.errors import ErrorKind


def test_a_sweep_of_a_utf16_database_ends(workbench: Workbench) -> None:
    """A lone surrogate at the end of a page can't be bound as the value that it is."""
    workbench.db.execute("PRAGMA encoding = 'UTF-16le'")
    workbench.fill("CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT);"
                   "INSERT INTO t VALUES (CAST(x'ffdb' AS TEXT), 'lone')",
                   ("INSERT INTO t VALUES (?, 'x')", [(f"k{n}",) for n in range(6)] + [("a",), ("b",)]))
    workbench.configure(PLAIN, sync="page_rows = 1")
    outcome = workbench.sync()["t"]
    assert (outcome.error, outcome.rows_read, len(ids(workbench))) == (None, 9, 8)


def test_a_collation_of_the_application_is_named_in_the_error(workbench: Workbench) -> None:
    workbench.db.create_collation("mine", lambda a, b: (a > b) - (a < b))
    workbench.fill("CREATE TABLE t (id TEXT COLLATE mine PRIMARY KEY, v TEXT); INSERT INTO t VALUES ('a', 'x')")
    workbench.configure(PLAIN)
    error = workbench.sync()["t"].error
    assert error is not None
    assert error["kind"] == ErrorKind.SOURCE_TABLE_INVALID
    assert "only the application" in error["why"]


def test_a_sweep_that_failed_counts_against_the_duty_cycle(workbench: Workbench) -> None:
    """A walk whose deletes are held back has cost as much as any other, and the next one waits as long."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(5_000)]))
    workbench.configure(PLAIN)
    workbench.clock_us = NOW * 1_000_000
    workbench.sync()
    workbench.db.execute("DELETE FROM t WHERE id > 1000")
    workbench.clock_us += 10_000_000
    assert workbench.sync(sweep=SweepMode.DUE)["t"].error is not None
    assert workbench.sync(sweep=SweepMode.DUE)["t"].rows_read == 0
