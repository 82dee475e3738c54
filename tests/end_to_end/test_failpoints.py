"""
Killed at every place between two steps of a cycle, the next one converges: real processes, real SIGKILL.

What the dead process has left is files and BigQuery, nothing else; so the cycles after it may run in that of the test.
`test_crashes.py` has a command go on.
"""

from __future__ import annotations

import signal

import pytest
from tests.workbench import Workbench, run_command

from bqsync import failpoints

TABLE = '[[tables]]\nname = "t"\nwatermark = ["updated_at"]\ntimestamps = { updated_at = "unix_seconds" }\n'
SMALL = "page_rows = 3\nchunk_rows = 4"

FIRST_COPY = ("watermark.noted", "sweep.page_read", "sweep.walked", "sweep.noted", "chunk.staging_created",
              "chunk.appended", "chunk.finished", "merge.intended", "merge.submitted", "merge.ended", "commit.begun",
              "commit.half", "commit.written", "commit.done", "chunk.cleaned")
LATER_CYCLE = ("pass.page_read", "deletes.looked_up", *FIRST_COPY[1:])
LOST_STATE = ("reconcile.portion", "reconcile.done")
LEFT_INTENT = ("intent.settled", "doubt.noted")


def kill(bench: Workbench, place: str) -> None:
    done = run_command("sync", "-c", str(bench.config_path), folder=bench.folder, BQSYNC_FAILPOINT=place)
    assert done.returncode == -signal.SIGKILL, f"{place} was not reached: {done.stdout}{done.stderr}"


def fill(bench: Workbench) -> None:
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, updated_at INTEGER);"
               "CREATE INDEX t_updated_at ON t (updated_at)",
               ("INSERT INTO t VALUES (?, ?, ?)", [(n, f"v{n}", 1_700_000_000 + n) for n in range(10)]))
    bench.configure(TABLE, sync=SMALL)


def change(bench: Workbench) -> None:
    bench.fill("DELETE FROM t WHERE id IN (2, 7); INSERT INTO t VALUES (20, 'new', 1700000020);"
               "UPDATE t SET v = 'touched', updated_at = 1700000021 WHERE id = 3;"
               "UPDATE t SET v = 'quiet' WHERE id = 5")


def assert_converges(bench: Workbench) -> None:
    assert bench.sync()["t"].error is None
    arrived = [(row["id"], row["v"], int(row["updated_at"].timestamp())) for row in bench.rows("t", "id")]
    assert arrived == bench.db.execute("SELECT * FROM t ORDER BY id").fetchall()
    assert bench.tables() == {"t"}, "no staging table is left"
    assert (again := bench.sync()["t"]).error is None
    assert again.merges == 0


@pytest.mark.parametrize("place", [*FIRST_COPY, "sweep.page_read:3", "commit.half:2", "commit.done:2"])
def test_killed_in_a_first_copy(workbench: Workbench, place: str) -> None:
    fill(workbench)
    kill(workbench, place)
    change(workbench)
    assert_converges(workbench)


@pytest.mark.parametrize("place", [*LATER_CYCLE, "commit.half:2", "commit.written:2", "merge.submitted:2"])
def test_killed_in_a_later_cycle(workbench: Workbench, place: str) -> None:
    fill(workbench)
    workbench.sync()
    change(workbench)
    kill(workbench, place)
    workbench.fill("UPDATE t SET v = 'later' WHERE id IN (1, 3)")
    assert_converges(workbench)


@pytest.mark.parametrize("place", LOST_STATE)
def test_killed_while_a_lost_state_is_made_anew(workbench: Workbench, place: str) -> None:
    fill(workbench)
    workbench.sync()
    change(workbench)
    workbench.lose_state()
    kill(workbench, place)
    assert_converges(workbench)


@pytest.mark.parametrize("place", LEFT_INTENT)
def test_killed_while_an_intent_is_settled(workbench: Workbench, place: str) -> None:
    fill(workbench)
    kill(workbench, "merge.submitted")
    kill(workbench, place)
    assert_converges(workbench)


def test_every_place_is_tried() -> None:
    assert {*FIRST_COPY, *LATER_CYCLE, *LOST_STATE, *LEFT_INTENT} == set(failpoints.NAMES)
