"""A first copy of 100,000 rows: memory is bounded by the configuration, not by the size of the table."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from tests.end_to_end.processes import peak_memory_kb
from tests.fidelity.expected import instant

from bqsync.demo.fill import fill_llm_runs
from bqsync.demo.workspace import prepare
from bqsync.embedded import EmbeddedBigQuery

ROWS = 100_000
MAX_KB = 300 * 1024

SUMS = ("SELECT COUNT(*), COUNT(DISTINCT llm_run_id), COUNT(llm_run_output), SUM(llm_run_total_tokens),"
        " SUM(LENGTH(llm_run_input)) FROM {}")


def first_copy(home: Path) -> tuple[float, int]:
    """Run it; seconds and peak memory in kB of the command's own process."""
    begun, peak_kb = time.monotonic(), 0
    with (home / "log").open("wb") as log, subprocess.Popen(
        [sys.executable, "-P", "-m", "bqsync", "sync", "llm_runs_v2", "--json"], cwd=home, stdout=log, stderr=log,
    ) as process:
        while process.poll() is None:
            peak_kb = max(peak_kb, peak_memory_kb(process.pid) or 0)
            time.sleep(0.02)
    assert process.returncode == 0, (home / "log").read_text()
    return time.monotonic() - begun, peak_kb


@pytest.mark.timeout(300)
def test_a_hundred_thousand_rows_are_copied_in_bounded_memory(tmp_path: Path) -> None:
    prepare(tmp_path, jobs=2, overrides={})
    with closing(sqlite3.connect(tmp_path / "job_tracker.db", isolation_level=None)) as db:
        db.execute("DELETE FROM llm_runs_v2")
        fill_llm_runs(db, ROWS, seed=1)
        expected = db.execute(SUMS.format("llm_runs_v2")).fetchone()
        ends = {row[0]: row[1] and instant(row[1]) for row in db.execute(
            "SELECT llm_run_id, llm_run_end FROM llm_runs_v2 WHERE llm_run_id LIKE '00%'")}

    seconds, peak_kb = first_copy(tmp_path)
    sys.stderr.write(f"\n{ROWS:,} rows: {seconds:.1f} s, {peak_kb / 1024:.0f} MB\n")
    assert peak_kb < MAX_KB
    with EmbeddedBigQuery(tmp_path / ".bqsync" / "bigquery", "demo-project") as server, bigquery.Client(
        project="demo-project", credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=server.start().rest),
    ) as client:
        (found,) = client.query(SUMS.format("job_tracker.llm_runs_v2")).result()
        assert tuple(found) == expected
        query = "SELECT llm_run_id, llm_run_end FROM job_tracker.llm_runs_v2 WHERE llm_run_id LIKE '00%'"
        assert dict(tuple(row) for row in client.query(query).result()) == ends
        assert [table.table_id for table in client.list_tables("job_tracker")] == ["llm_runs_v2"]
