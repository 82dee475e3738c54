"""A column that goes while its table is read is an error, and never a text of its own name."""

from __future__ import annotations

import pytest
from tests.engine.application import NOW, PLAIN, execute, ids
from tests.engine.places import at_place
from tests.workbench import Workbench

from bqsync.engine.schedule import SweepMode


@pytest.mark.parametrize("change", ["ALTER TABLE t DROP COLUMN v", "ALTER TABLE t RENAME COLUMN v TO w"])
def test_a_column_that_goes_during_a_sweep_is_not_read_as_its_own_name(workbench: Workbench, change: str) -> None:
    """SQLite takes `"v"` for a text where there is no such column; behind its table, the name is an error."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"text {n}") for n in range(10)]))
    workbench.configure(PLAIN, sync="page_rows = 3")
    assert workbench.sync()["t"].error is None
    with at_place("sweep.page_read", lambda: execute(workbench, change)):
        workbench.sync()
    assert "v" not in [row["v"] for row in workbench.rows("t", "id")]


def test_a_column_that_goes_during_a_pass_is_not_read_as_its_own_name(workbench: Workbench) -> None:
    """The same in a pass."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(n, f"text {n}", NOW - 50 + n) for n in range(10)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(PLAIN + 'watermark = ["at"]\ntimestamps = { at = "unix_seconds" }', sync="page_rows = 3")
    assert workbench.sync()["t"].error is None
    workbench.db.execute("UPDATE t SET at = at + 1")
    with at_place("pass.page_read", lambda: execute(workbench, "ALTER TABLE t RENAME COLUMN v TO w")):
        workbench.sync(sweep=SweepMode.NEVER)
    assert "v" not in [row["v"] for row in workbench.rows("t", "id")]


def test_a_key_that_is_renamed_during_a_sweep_deletes_nothing(workbench: Workbench) -> None:
    """A look by a key that is no column any more must not say that the row is gone."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"text {n}") for n in range(10)]))
    workbench.configure(PLAIN, sync="page_rows = 6")
    assert workbench.sync()["t"].error is None
    with at_place("sweep.page_read", lambda: execute(workbench, "ALTER TABLE t RENAME COLUMN id TO pk")):
        workbench.sync()
    assert len(ids(workbench)) == 10
