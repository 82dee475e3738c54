"""Killed at any moment of a first copy, the next run takes up what was left, and the outcome is the same."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.end_to_end.processes import PATIENCE_S, servers_of, within
from tests.fidelity.expected import assert_equal, by_key, expected_of_nine
from tests.hostile.actions import Delay, Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench, run_command, start_command

from bqsync.demo.fill import fill_llm_runs
from bqsync.demo.schema import create_tables
from bqsync.embedded import EmbeddedBigQuery

ROWS = 6_000
KILLS = 5
CALLS = 25
"""A run without a death makes over 100."""


def kill_at_random(bench: Workbench, hostile: HostileBigQuery, rng: random.Random) -> None:
    """
    Kill a run a moment after one of its first calls.

    Those that come later wait, and are lost with it: however long its death is in coming, it is not through by then.
    """
    hostile.reset()
    number = rng.randint(1, CALLS)
    hostile.rule(Method.ANY, Delay(300.0), first=number + 1)
    with start_command("sync", "llm_runs_v2", folder=bench.folder) as process:
        assert within(PATIENCE_S, lambda: len(hostile.calls) >= number)
        time.sleep(rng.uniform(0.0, 0.2))
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_killed_again_and_again_a_first_copy_still_converges(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    workbench = hostile_bench
    create_tables(workbench.db)
    fill_llm_runs(workbench.db, ROWS, seed=3)
    workbench.configure_nine_tables(sync="page_rows = 150\nchunk_rows = 600")
    rng = random.Random(os.environ.get("BQSYNC_TEST_SEED", "5"))
    for _ in range(KILLS):
        kill_at_random(workbench, hostile, rng)
    hostile.reset()

    final = workbench.sync_command("llm_runs_v2")["llm_runs_v2"]
    assert (final["error"], final["quarantine_total"]) == (None, 0)
    rows = workbench.query("SELECT * FROM {d}.llm_runs_v2")
    assert_equal(expected_of_nine(workbench.db, "llm_runs_v2"), by_key(rows, ["llm_run_id"]))
    assert workbench.tables() == {"llm_runs_v2"}, "no staging table is left"
    assert workbench.verify("llm_runs_v2").rows_different == 0


def test_a_killed_command_leaves_no_server_and_the_next_one_finishes(home: Path) -> None:
    with closing(sqlite3.connect(home / "job_tracker.db", isolation_level=None)) as db:
        fill_llm_runs(db, 5000, seed=4)
    killed = run_command("sync", "llm_runs_v2", folder=home, BQSYNC_FAILPOINT="chunk.appended")
    assert killed.returncode == -signal.SIGKILL
    assert within(PATIENCE_S, lambda: not servers_of(home)), "the embedded BigQuery goes with its parent"
    with EmbeddedBigQuery(home / ".bqsync" / "bigquery", "demo-project"):
        assert run_command("sync", "llm_runs_v2", folder=home).returncode == 0
        verified = run_command("verify", "llm_runs_v2", "--json", folder=home)
        assert (verified.returncode, json.loads(verified.stdout)["rows_different"]) == (0, 0)
