"""With sweep = "off", a table lives on its watermark: what that finds arrives, the rest is given up."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from tests.engine.application import PLAIN, ids
from tests.workbench import Workbench

from bqsync.engine.schedule import SweepMode
from bqsync.model import CycleOutcome

NOW = 1_750_000_000
OLDEST = NOW - 10_000
TABLE = '[[tables]]\nname = "t"\nsweep = "off"\nwatermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n'
ROWS = 50


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Fifty rows, ten seconds apart, and one without a timestamp."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER); CREATE INDEX t_at ON t (at);"
                   "INSERT INTO t VALUES (-1, 'never found', NULL);",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(n, f"v{n}", OLDEST + 10 * n) for n in range(ROWS)]))
    workbench.configure(TABLE, sync="page_rows = 4\nchunk_rows = 8")
    workbench.clock_us = NOW * 1_000_000
    return workbench


def synced(bench: Workbench, **options: Any) -> CycleOutcome:
    outcome = bench.sync(**options)["t"]
    assert (outcome.error, outcome.swept) == (None, False)
    return outcome


def ledger(bench: Workbench) -> list[int]:
    """The instants of the rows that the ledger keeps, in seconds."""
    with closing(sqlite3.connect(bench.state_path)) as state:
        rows = state.execute("SELECT instant_us / 1000000 FROM ledger ORDER BY 1").fetchall()
    return [row[0] for row in rows]


def test_the_first_copy_is_a_pass_from_the_beginning(bench: Workbench) -> None:
    outcome = synced(bench)
    assert (outcome.rows_upserted, outcome.merges) == (ROWS, 7)
    assert ids(bench) == list(range(ROWS))
    again = synced(bench)
    assert (again.merges, again.rows_read) == (0, 7), "the overlap and nothing else"


def test_the_ledger_keeps_the_overlap_alone(bench: Workbench) -> None:
    synced(bench)
    newest = OLDEST + 10 * (ROWS - 1)
    assert ledger(bench) == list(range(newest - 60, newest + 1, 10))
    bench.db.execute("INSERT INTO t VALUES (100, 'new', ?)", (newest + 35,))
    assert synced(bench).rows_upserted == 1
    assert ledger(bench) == [newest - 20, newest - 10, newest, newest + 35]
    bench.db.execute("UPDATE t SET v = 'changed', at = ? WHERE id = 3", (NOW - 1,))
    assert synced(bench).rows_upserted == 1
    assert ledger(bench) == [NOW - 1]
    assert (synced(bench).merges, len(ids(bench))) == (0, ROWS + 1)
    assert bench.rows("t", "id")[3]["v"] == "changed"


@pytest.mark.parametrize("mode", list(SweepMode))
def test_deletes_are_given_up_whatever_is_asked_of_sweeps(bench: Workbench, mode: SweepMode) -> None:
    synced(bench)
    bench.db.execute("DELETE FROM t WHERE id IN (3, 48)")
    outcome = synced(bench, sweep=mode)
    assert (outcome.rows_deleted, outcome.merges) == (0, 0)
    assert ids(bench) == list(range(ROWS))


@pytest.mark.parametrize("how", ["lost", "full"])
def test_when_the_state_is_lost_everything_is_sent_again(bench: Workbench, how: str) -> None:
    synced(bench)
    bench.query("UPDATE {d}.t SET v = 'edited' WHERE id = 7")
    bench.db.execute("DELETE FROM t WHERE id = 3")
    if how == "lost":
        shutil.rmtree(bench.state_path.parent)
    assert synced(bench, full=how == "full").rows_upserted == ROWS - 1
    assert ids(bench) == list(range(ROWS)), "what left the source stays"
    assert bench.rows("t", "id")[7]["v"] == "v7"
    assert synced(bench).merges == 0


def test_a_target_that_was_dropped_is_filled_again(bench: Workbench) -> None:
    synced(bench)
    bench.rest.delete_table(f"{bench.dataset}.t")
    assert synced(bench).rows_upserted == ROWS
    assert ids(bench) == list(range(ROWS))


def test_a_table_whose_watermark_can_not_be_used_is_told(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at TEXT);"
                   "INSERT INTO t VALUES (1, 'a', '2024-01-01'), (2, 'b', '2024-01-01T00:00:00Z')")
    workbench.configure(TABLE.replace("unix_seconds", "iso8601"))
    for _ in range(2):
        error = workbench.sync()["t"].error
        assert error is not None
        assert (error["kind"], "2 forms" in error["why"]) == ("source_table_invalid", True)
    workbench.fill("UPDATE t SET at = '2024-01-02' WHERE id = 2")
    assert synced(workbench).rows_upserted == 2, "mended, the column is judged anew"


def test_switched_on_again_a_sweep_finds_what_was_given_up(bench: Workbench) -> None:
    synced(bench)
    bench.db.execute("UPDATE t SET v = 'unseen' WHERE id = 2")
    assert synced(bench).merges == 0
    bench.configure(TABLE.replace('sweep = "off"\n', ""))
    assert bench.sync()["t"].error is None
    assert (bench.verify("t").rows_different, ids(bench)) == (0, list(range(-1, ROWS)))


def test_sweeps_switched_on_again_find_what_was_deleted_meanwhile(workbench: Workbench) -> None:
    """With sweep = "off" the ledger keeps the overlap alone; switched on, the target's keys are read."""
    table = PLAIN + 'watermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n'
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(n, f"v{n}", NOW - 10_000 + 100 * n) for n in range(20)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(table + 'sweep = "off"')
    assert workbench.sync()["t"].error is None
    workbench.db.execute("DELETE FROM t WHERE id = 3")
    workbench.configure(table)
    for _ in range(2):
        assert workbench.sync()["t"].error is None
    assert ids(workbench) == [n for n in range(20) if n != 3]


def test_two_watermarks_with_sweeps_off_send_nothing_twice(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(n, NOW - 5_000 + n, NOW - 20 - n) for n in range(5)]),
                   ("INSERT INTO t VALUES (?, ?, ?)", [(9, NOW - 100, NOW - 30)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(PLAIN + 'watermark = ["a", "b"]\nsweep = "off"\n'
                        'timestamps = { a = "unix_seconds", b = "unix_seconds" }')
    assert workbench.sync()["t"].rows_upserted == 6
    sent = [workbench.sync()["t"].rows_upserted for _ in range(3)]
    assert sent == [0, 0, 0]
