"""The demo's data and its writer are what the application leaves behind and does."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bqsync.demo.fill import fill, fill_llm_runs
from bqsync.demo.schema import KEYS, TABLES, connect, create_tables
from bqsync.demo.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(tmp_path / "jobs.db")) as connection:
        create_tables(connection)
        yield connection


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(tmp_path / "other.db")) as connection:
        create_tables(connection)
        yield connection


def dump(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


def rows(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def writer_command(path: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "bqsync.demo.writer", str(path), *options]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.mark.parametrize("scale", [2, 100])
def test_every_nullable_column_is_null_somewhere_and_set_somewhere(database: sqlite3.Connection, scale: int) -> None:
    fill(database, seed=1, scale=scale)
    for table in TABLES:
        for _, column, _, not_null, _, key in database.execute(f"PRAGMA table_info({table})").fetchall():
            query = f"SELECT count(*), count({column}) FROM {table}"
            total, present = database.execute(query).fetchone()
            assert present > 0, column
            if not_null or key:
                assert present == total, column
            else:
                assert present < total, column


def test_the_data_holds_what_broke_other_copies(database: sqlite3.Connection) -> None:
    fill(database, seed=1, scale=200)
    present = [
        "job_details WHERE job_applied = 0",
        "job_skills WHERE job_skills_match = 0",
        "prompt WHERE prompt_temperature = 0.3",
        "prompt WHERE prompt_temperature = 0.0",
        "llm_models WHERE model_cpmt_prompt = 0.1",
        "llm_runs_v2 WHERE llm_run_thinking_tokens = 0",
        "llm_runs_v2 WHERE llm_run_start > CAST(llm_run_start AS INTEGER)",
        "llm_runs_v2 WHERE llm_run_start IS NOT NULL AND llm_run_end IS NULL",
        "llm_runs_v2 WHERE llm_run_output = ''",
        "job_details WHERE length(job_description) > 20000",
        "document_store WHERE length(CAST(document_markdown AS BLOB)) > length(document_markdown)",
        "job_details WHERE job_title LIKE '%🚀%'",
    ]
    for what in present:
        assert database.execute(f"SELECT count(*) FROM {what}").fetchone()[0] > 0, what
    text = "SELECT count(*) FROM job_runs WHERE typeof(job_run_timestamp) <> 'integer'"
    assert database.execute(text).fetchone() == (0,)


def test_filling_keeps_foreign_keys_and_reports_its_rows(database: sqlite3.Connection) -> None:
    assert fill(database, seed=3, scale=50) == rows(database)
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_equal_seeds_fill_equally_and_others_do_not(database: sqlite3.Connection, other: sqlite3.Connection) -> None:
    for connection in (database, other):
        fill(connection, seed=7, scale=40)
        fill_llm_runs(connection, 100, seed=7)
    assert dump(database) == dump(other)
    fill(other, seed=9, scale=40)
    assert rows(other)["job_details"] == 2 * rows(database)["job_details"]


def test_a_failed_fill_leaves_nothing_behind(database: sqlite3.Connection) -> None:
    fill(database, seed=7, scale=10)
    before = dump(database)
    with pytest.raises(sqlite3.IntegrityError):
        fill(database, seed=7, scale=10)
    assert dump(database) == before


def test_many_llm_runs_are_of_about_1300_bytes(database: sqlite3.Connection) -> None:
    fill(database, seed=1, scale=20)
    before = rows(database)["llm_runs_v2"]
    pages_before = database.execute("PRAGMA page_count").fetchone()[0]
    fill_llm_runs(database, 2000, seed=2)
    assert rows(database)["llm_runs_v2"] == before + 2000
    pages = database.execute("PRAGMA page_count").fetchone()[0] - pages_before
    assert 1100 < pages * database.execute("PRAGMA page_size").fetchone()[0] / 2000 < 1600
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_llm_runs_fill_an_empty_database_too(database: sqlite3.Connection) -> None:
    fill_llm_runs(database, 0, seed=2)
    fill_llm_runs(database, 5, seed=2)
    assert rows(database)["llm_runs_v2"] == 5


@pytest.mark.parametrize("seed", range(5))
def test_one_round_inserts_updates_and_deletes_in_all_tables_even_from_nothing(
    database: sqlite3.Connection, seed: int,
) -> None:
    writer = Writer(database, seed=seed)
    writer.play_round()
    for table, counts in writer.counts.items():
        assert all(counts.values()), (table, counts)
    assert list(writer.counts) == list(TABLES)


def test_counts_are_the_rows_that_came_and_went(database: sqlite3.Connection) -> None:
    fill(database, seed=1, scale=30)
    before = rows(database)
    writer = Writer(database, seed=2)
    for _ in range(5):
        writer.play_round()
    difference = {table: counts["inserts"] - counts["deletes"] for table, counts in writer.counts.items()}
    assert rows(database) == {table: before[table] + difference[table] for table in TABLES}
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_some_updates_move_no_timestamp(database: sqlite3.Connection) -> None:
    """With the clock standing still only such updates are left, and rows change all the same."""
    fill(database, seed=1, scale=30)
    before = dict(database.execute("SELECT job_id, job_description FROM job_details WHERE job_applied = 0").fetchall())
    stamps = "SELECT job_id, job_applied_timestamp FROM job_details"
    stamps_before = dict(database.execute(stamps).fetchall())
    writer = Writer(database, seed=2)
    for _ in range(3):
        writer.play_round()
    after = dict(database.execute("SELECT job_id, job_description FROM job_details").fetchall())
    stamps_after = dict(database.execute(stamps).fetchall())
    assert [
        job for job, text in before.items()
        if job in after and after[job] != text and stamps_after[job] == stamps_before[job]
    ]


def test_equal_seeds_and_clocks_write_equally(database: sqlite3.Connection, other: sqlite3.Connection) -> None:
    for connection in (database, other):
        fill(connection, seed=1, scale=20)
        ticks = (second + 0.25 for second in itertools.count(1_760_000_000))
        writer = Writer(connection, seed=5, clock=ticks.__next__)
        for _ in range(60):
            writer.step()
    assert dump(database) == dump(other)


def test_a_second_writer_of_the_same_seed_adds_rows_of_its_own(database: sqlite3.Connection) -> None:
    """The demo may be started again with its default seed."""
    fill(database, seed=1, scale=10)
    for _ in range(3):
        before = rows(database)
        writer = Writer(database, seed=1)
        writer.play_round()
        assert writer.counts["llm_runs_v2"]["inserts"] >= 3
        assert rows(database) != before
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_no_statement_leaves_a_transaction_open(database: sqlite3.Connection) -> None:
    writer = Writer(database, seed=1)
    for _ in range(40):
        writer.step()
        assert not database.in_transaction
        assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def test_the_writer_process_touches_all_tables_and_prints_its_counts(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    command = writer_command(path, "--seconds", "3", "--rate", "150", "--seed", "4")
    done = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True)
    counts = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert set(counts) == set(KEYS)
    assert all(number > 0 for table in counts.values() for number in table.values()), counts
    with closing(sqlite3.connect(path)) as connection:
        assert rows(connection) == {table: kinds["inserts"] - kinds["deletes"] for table, kinds in counts.items()}
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_writer_keeps_to_its_rate(database: sqlite3.Connection) -> None:
    writer = Writer(database, seed=1)
    writer.run(seconds=1.0, rate=40)
    assert 5 <= writer.statements <= 50


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_writer_process_stops_cleanly_when_told(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "jobs.db"
    command = writer_command(path, "--seconds", "inf", "--rate", "50")
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        wait_for_rows(path)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert set(json.loads(output)) == set(KEYS)
    assert not path.with_name("jobs.db-wal").exists()


def wait_for_rows(path: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists():
            with closing(sqlite3.connect(path, timeout=10)) as connection:
                if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'llm_runs_v2'").fetchone() and any(
                    rows(connection).values()):
                    return
        time.sleep(0.05)
    pytest.fail("the writer wrote nothing in 60 s")
