"""Findings of a review: each test here fails, and says what it wants."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import create_engine
from structlog.testing import capture_logs
from tests.engine.places import at_place
from tests.hostile.actions import Method, RunLate
from tests.hostile.calls import Call
from tests.hostile.job_book import Fate
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.capture.page_sql import OrderTerm, Query, Range, null_key_query, page_query, range_query
from bqsync.capture.schema import index_starting_with
from bqsync.capture.source import Source
from bqsync.deliver import history
from bqsync.engine.schedule import SweepMode
from bqsync.model import MARK_COLUMN

NOW = 1_750_000_000
PLAIN = '[[tables]]\nname = "t"\n'


def execute(bench: Workbench, statement: str, *parameters: Any) -> None:
    """A statement of the application, from whatever thread."""
    with closing(sqlite3.connect(bench.db_path, isolation_level=None)) as connection:
        connection.execute(statement, parameters)


def ids(bench: Workbench) -> list[Any]:
    return [row["id"] for row in bench.rows("t", "id")]


def test_a_late_merge_that_wins_over_the_placeholder_counts_as_done(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    """settle(): between "not found" and SELECT 1 the MERGE arrives; it must be doubted like any other that ended."""
    bench = hostile_bench
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    bench.configure(PLAIN)
    assert bench.sync()["t"].error is None
    bench.db.execute("INSERT INTO t VALUES (4, 4)")
    hostile.rule(Method.JOBS_INSERT, RunLate(), holding="MERGE", times=1)
    stop = Event()
    hostile.on_call(lambda call: stop.set() if call.method is Method.JOBS_INSERT and call.holds("MERGE") else None)
    assert bench.sync(stop=stop)["t"].error is not None
    bench.db.execute("DELETE FROM t WHERE id = 4")

    def release(call: Call) -> None:
        if call.method is Method.JOBS_INSERT and "SELECT 1" in call.body:
            assert [released.fate for released in hostile.release()] == [Fate.RAN]

    hostile.on_call(release)
    assert bench.sync()["t"].error is None
    assert bench.sync()["t"].error is None
    assert ids(bench) == [1, 2, 3]


@pytest.mark.parametrize("policy", ["delete", "ignore"])
def test_a_table_of_key_columns_alone_survives_a_lost_state(workbench: Workbench, policy: str) -> None:
    """MERGE has no WHEN MATCHED ... UPDATE then, affected_rows is 0, and the chunk is refused for ever."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)")
    workbench.configure(PLAIN + f'deletes = "{policy}"')
    assert workbench.sync()["t"].error is None
    workbench.lose_state()
    for _ in range(3):
        outcome = workbench.sync()["t"]
    assert outcome.error is None


def test_a_state_from_before_the_first_merge_is_known_as_old(workbench: Workbench) -> None:
    """last_job_us is NULL then, and a NULL counts as up to date."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    shutil.copytree(workbench.state_path.parent, workbench.folder / "saved")
    workbench.db.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    assert workbench.sync()["t"].error is None
    shutil.rmtree(workbench.state_path.parent)
    shutil.copytree(workbench.folder / "saved", workbench.state_path.parent)
    workbench.db.execute("DELETE FROM t WHERE id = 2")
    assert workbench.sync()["t"].error is None
    assert workbench.sync()["t"].error is None
    assert ids(workbench) == [1]


def test_sweeps_switched_on_again_find_what_was_deleted_meanwhile(workbench: Workbench) -> None:
    """With sweep = "off" the ledger keeps the overlap alone; switched on, nobody reads the target's keys."""
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


def test_rows_that_are_bad_at_the_beginning_of_a_large_table_are_no_flood(workbench: Workbench) -> None:
    """6 % of the table; the flood is judged by the rows that were read so far."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, "bad" if n < 1_200 else n) for n in range(20_000)]))
    workbench.configure(PLAIN, sync="page_rows = 500\nchunk_rows = 2000")
    outcome = workbench.sync()["t"]
    assert outcome.error is None, outcome.error
    assert len(ids(workbench)) == 18_800


def test_a_stopped_sweep_is_no_flood(workbench: Workbench) -> None:
    """SIGTERM after the first pages: only the part that was read is judged."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, "bad" if n < 1_200 else n) for n in range(20_000)]))
    workbench.configure(PLAIN, sync="page_rows = 500")
    with at_place("sweep.page_read", workbench.stop.set, time=4):
        outcome = workbench.sync()["t"]
    assert outcome.error is None, outcome.error


def test_another_zone_moves_the_keys_and_nothing_collides_with_itself(workbench: Workbench) -> None:
    """`_collides` asks whether the owner is in the source, not whether its key is still the same."""
    workbench.fill("CREATE TABLE t (at TEXT PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(f"2024-03-01T{n:02}:00:00", f"v{n}") for n in range(10)]))
    table = PLAIN + 'timestamps = { at = "iso8601" }'
    workbench.configure(table)
    assert workbench.sync()["t"].error is None
    workbench.config_path.write_text(
        workbench.config_path.read_text().replace('db = "app.db"', 'db = "app.db"\ntime_zone = "Europe/Berlin"'))
    for _ in range(3):
        assert workbench.sync()["t"].error is None
    assert workbench.quarantine() == []
    assert workbench.verify("t").rows_different == 0


def test_a_row_that_vacuum_hides_from_a_sweep_is_not_deleted_after_a_reconcile(workbench: Workbench) -> None:
    """A reconciled ledger has no source keys: present() is asked for the text '40' where 40 stands."""
    workbench.fill("CREATE TABLE t (code INTEGER, v TEXT)",
                   ("INSERT INTO t (rowid, code, v) VALUES (?, ?, ?)", [(10 * n, n, f"v{n}") for n in range(1, 11)]))
    workbench.configure(PLAIN + 'key = ["code"]\ntypes = { code = "STRING" }', sync="page_rows = 6")
    assert workbench.sync()["t"].error is None
    workbench.lose_state()
    with at_place("sweep.page_read", lambda: execute(workbench, "VACUUM")):
        assert workbench.sync()["t"].error is None
    assert len(workbench.rows("t", "code")) == 10


def test_a_row_behind_the_cursor_of_a_sweep_is_no_delete_after_a_reconcile(workbench: Workbench) -> None:
    """The same with a declared key: a row that came back behind the cursor."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"v{n}") for n in range(10)]))
    workbench.configure(PLAIN + 'types = { id = "STRING" }', sync="page_rows = 3")
    assert workbench.sync()["t"].error is None
    workbench.lose_state()
    workbench.db.execute("DELETE FROM t WHERE id = 1")
    with at_place("sweep.page_read", lambda: execute(workbench, "INSERT INTO t VALUES (1, 'v1')"), time=2):
        assert workbench.sync()["t"].error is None
    assert ids(workbench) == [str(n) for n in range(10)]


def test_a_row_that_is_back_loses_its_mark_whatever_the_policy_is_by_then(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    workbench.configure(PLAIN + 'deletes = "mark"')
    workbench.sync()
    workbench.db.execute("DELETE FROM t WHERE id = 3")
    workbench.sync()
    workbench.db.execute("INSERT INTO t VALUES (3, 'again')")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    assert [row[MARK_COLUMN] for row in workbench.rows("t", "id")] == [None, None, None]


def test_rows_with_null_keys_are_all_listed(workbench: Workbench) -> None:
    """null_key_rows reads one page of page_bytes and no further one."""
    workbench.fill("CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(None, f"{n}" + "x" * 20_000) for n in range(20)]))
    workbench.configure(PLAIN, sync='page_bytes = "64KiB"')
    assert workbench.sync()["t"].error is None
    assert len(workbench.quarantine()) == 20


def test_a_row_that_a_pass_quarantined_during_a_sweep_stays_listed(workbench: Workbench) -> None:
    table = PLAIN + 'watermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n'
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, at INTEGER); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(n, n, NOW - 10_000 + n) for n in range(10)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(table, sync="page_rows = 3\nchunk_rows = 3")
    with at_place("sweep.page_read",
                  lambda: execute(workbench, "INSERT INTO t VALUES (-1, 'bad', ?)", NOW - 1), time=2):
        assert workbench.sync()["t"].error is None
    assert workbench.quarantine() == [("t", "n", "wrong_type")]


def test_a_target_column_of_another_name_is_filled(workbench: Workbench) -> None:
    """Another `name` option of the message: the field number stays, so no fingerprint changes."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    (workbench.folder / "t.proto").write_text(
        'syntax = "proto3";\nimport "bq_field.proto";\nmessage T {\n int64 id = 1;\n'
        ' string v = 2 [(gen_bq_schema.bigquery).name = "w"];\n}\n')
    workbench.configure(PLAIN + 'message = "T"', extra='[protos]\nfiles = ["t.proto"]\ndescriptor_set = "t.binpb"')
    from tests.workbench import run_command

    done = run_command("protos", "-c", str(workbench.config_path), folder=workbench.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    for _ in range(2):
        assert workbench.sync()["t"].error is None
    assert [row["w"] for row in workbench.rows("t", "id")] == ["a", "b"]


def test_a_sweep_of_a_utf16_database_ends(workbench: Workbench) -> None:
    """A lone surrogate at the end of a page: its bytes are bound as UTF-8, and CAST takes them for UTF-16."""
    workbench.db.execute("PRAGMA encoding = 'UTF-16le'")
    workbench.fill("CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT);"
                   "INSERT INTO t VALUES (CAST(x'ffdb' AS TEXT), 'lone')",
                   ("INSERT INTO t VALUES (?, 'x')", [(f"k{n}",) for n in range(6)] + [("a",), ("b",)]))
    workbench.configure(PLAIN, sync="page_rows = 1")
    pages = 0

    def count() -> None:
        nonlocal pages
        pages += 1
        if pages > 50:
            raise AssertionError("the sweep does not end")

    from bqsync import failpoints

    failpoints.on_reached = lambda name: count() if name == "sweep.page_read" else None
    try:
        outcome = workbench.sync()["t"]
    finally:
        failpoints.on_reached = None
    assert outcome.error is None, outcome.error
    assert len(ids(workbench)) == 8


def test_a_column_without_values_is_not_probed_in_every_cycle(workbench: Workbench) -> None:
    """`deleted_at INTEGER`, all NULL: is the table scanned once per cycle for ever?"""
    table = PLAIN + 'watermark = ["at"]\ntimestamps = { at = "unix_seconds" }\ntypes = { gone_at = "TIMESTAMP" }'
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, gone_at INTEGER);"
                   "CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?, NULL)", [(n, NOW - n) for n in range(10)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(table)
    assert workbench.sync()["t"].error is None
    from bqsync.engine import plan

    probes: list[str] = []
    original = plan.probe_instants
    plan.probe_instants = lambda source, t, column: (probes.append(column), original(source, t, column))[1]
    try:
        for _ in range(3):
            assert workbench.sync(sweep=SweepMode.NEVER)["t"].error is None
    finally:
        plan.probe_instants = original
    assert probes == []


def test_a_collation_of_the_application_is_named_in_the_error(workbench: Workbench) -> None:
    workbench.db.create_collation("mine", lambda a, b: (a > b) - (a < b))
    workbench.fill("CREATE TABLE t (id TEXT COLLATE mine PRIMARY KEY, v TEXT); INSERT INTO t VALUES ('a', 'x')")
    workbench.configure(PLAIN)
    outcome = workbench.sync()["t"]
    assert outcome.error is None, outcome.error


def test_deletes_of_a_key_without_an_index_are_looked_up_in_short_reads(workbench: Workbench) -> None:
    """One scan of the table for each absent row, all of them in one read transaction."""
    workbench.fill("CREATE TABLE t (code INTEGER, v TEXT)",
                   ("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(30_000)]))
    workbench.configure(PLAIN + 'key = ["code"]')
    assert workbench.sync()["t"].error is None
    workbench.db.execute("DELETE FROM t WHERE code < 3000")
    longest = longest_read_s(workbench)
    assert longest < 1, longest


def test_a_placeholder_that_was_not_noted_is_no_merge_that_ended(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    """The id was burnt, and the daemon died before it was noted: the next one takes the SELECT 1 for the MERGE."""
    bench = hostile_bench
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    bench.configure(PLAIN)
    assert bench.sync()["t"].error is None
    bench.db.execute("DELETE FROM t WHERE id = 3")
    hostile.rule(Method.JOBS_INSERT, RunLate(never=True), holding="MERGE", times=1)
    stop = Event()
    hostile.on_call(lambda call: stop.set() if call.method is Method.JOBS_INSERT and call.holds("MERGE") else None)
    assert bench.sync(stop=stop)["t"].error is not None

    def die() -> None:
        raise RuntimeError("killed")

    with at_place("intent.settled", die):
        assert bench.sync()["t"].error is not None
    assert bench.sync()["t"].error is None
    assert bench.sync()["t"].error is None
    assert ids(bench) == [1, 2]


def test_a_full_sync_is_not_done_twice_for_its_deletes(workbench: Workbench) -> None:
    """_decide_deferred sweeps again with the same options, `full` among them."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(10)]))
    workbench.configure(PLAIN)
    workbench.sync()
    workbench.db.execute("DELETE FROM t WHERE id > 1")
    outcome = workbench.sync(full=True)["t"]
    assert (outcome.error, outcome.rows_deleted, outcome.rows_upserted) == (None, 8, 2)


def test_a_sweep_that_failed_counts_against_the_duty_cycle(workbench: Workbench) -> None:
    """Held back deletes: nothing is recorded, so that every wake-up walks the whole table."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(5_000)]))
    workbench.configure(PLAIN)
    workbench.clock_us = NOW * 1_000_000
    workbench.sync()
    workbench.db.execute("DELETE FROM t WHERE id > 1000")
    workbench.clock_us += 10_000_000
    assert workbench.sync(sweep=SweepMode.DUE)["t"].error is not None
    assert workbench.sync(sweep=SweepMode.DUE)["t"].rows_read == 0


def test_a_watermark_is_fit_again_when_the_reason_is_gone(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT); INSERT INTO t VALUES (1, '2025-06-01 10:00:00')")
    workbench.configure(PLAIN + 'watermark = ["at"]\ntimestamps = { at = "iso8601" }')
    plain = workbench.config_path.read_text()
    workbench.config_path.write_text(plain.replace('db = "app.db"', 'db = "app.db"\ntime_zone = "Europe/Berlin"'))
    assert workbench.sync()["t"].error is None
    workbench.config_path.write_text(plain)
    assert workbench.sync()["t"].error is None
    assert workbench.sync(sweep=SweepMode.NEVER)["t"].skipped == ""



def longest_read_s(workbench: Workbench, **options: Any) -> float:
    """How long the longest read of a cycle kept its transaction."""
    longest = 0.0
    original = Source.read

    def timed(self: Source, work: Any) -> Any:
        nonlocal longest
        begun = time.monotonic()
        try:
            return original(self, work)
        finally:
            longest = max(longest, time.monotonic() - begun)

    Source.read = timed  # type: ignore[method-assign]
    try:
        assert workbench.sync(**options)["t"].error is None
    finally:
        Source.read = original  # type: ignore[method-assign]
    return longest


def ticks(connection: sqlite3.Connection, query: Query) -> int:
    """How many hundreds of steps of SQLite's machine a query takes."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    connection.set_progress_handler(tick, 100)
    connection.execute(query.sql, query.parameters).fetchall()
    connection.set_progress_handler(None, 0)
    return count


def ranges(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?, 'x', ?)", [(n, NOW + n) for n in range(200_000)])
    return connection


def test_a_page_of_a_range_without_an_index_is_short(tmp_path: Path) -> None:
    """Few rows are new: LIMIT is never met, and one query walks the whole table in one transaction."""
    part = Range(column="at", is_text=False, least=NOW + 199_990, is_indexed=False)
    query = range_query("t", ["id", "v", "at"], ["id"], part, after=None, limit_rows=100, order=(OrderTerm("rowid"),))
    with closing(ranges(tmp_path / "a.db")) as connection:
        page = page_query("t", ["id", "v", "at"], ["id"], None, 100, order=(OrderTerm("rowid"),))
        assert ticks(connection, query) < 10 * ticks(connection, page)


def test_an_index_of_another_collation_is_no_index_for_a_range(tmp_path: Path) -> None:
    with create_engine(f"sqlite:///{tmp_path / 'a.db'}").connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT)")
        connection.exec_driver_sql("CREATE INDEX t_at ON t (at COLLATE NOCASE)")
        assert not index_starting_with(connection, "t", "at"), "each page, and each look at the newest, sorts the table"


def test_each_page_of_a_range_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    """`at >= start AND (at, rowid) > (…)`: SQLite seeks by the first and skips what was read, page by page."""
    part = Range(column="at", is_text=False, least=NOW, is_indexed=True)
    with closing(ranges(tmp_path / "a.db")) as connection:
        connection.execute("CREATE INDEX t_at ON t (at)")
        first, last = (
            ticks(connection, range_query("t", ["id", "v", "at"], ["id"], part, after=after, limit_rows=100,
                                          order=(OrderTerm("at"), OrderTerm("rowid"))))
            for after in (None, (NOW + 199_000, 199_000))
        )
    assert last < 10 * first, (first, last)


def test_the_search_for_null_keys_is_no_scan(tmp_path: Path) -> None:
    """A composite primary key whose columns may be NULL: one scan of the table in one transaction, in every sweep."""
    query = null_key_query("t", ["a", "b", "v"], ["a", "b"], 100)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE t (a TEXT, b TEXT, v TEXT, PRIMARY KEY (a, b))")
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters)]
    assert not any(step.startswith("SCAN") for step in steps), steps


@pytest.mark.parametrize("change", ["ALTER TABLE t DROP COLUMN v", "ALTER TABLE t RENAME COLUMN v TO w"])
def test_a_column_that_goes_during_a_sweep_is_not_read_as_its_own_name(workbench: Workbench, change: str) -> None:
    """SQLite takes `"v"` for a text where there is no such column: every cell becomes "v"."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"text {n}") for n in range(10)]))
    workbench.configure(PLAIN, sync="page_rows = 3")
    assert workbench.sync()["t"].error is None
    with at_place("sweep.page_read", lambda: execute(workbench, change)):
        workbench.sync()
    assert "v" not in [row["v"] for row in workbench.rows("t", "id")]


def test_a_key_that_is_renamed_during_a_sweep_deletes_nothing(workbench: Workbench) -> None:
    """`"id" = ?` compares a text then: no key is present, and what the sweep did not reach is deleted."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"text {n}") for n in range(10)]))
    workbench.configure(PLAIN, sync="page_rows = 6")
    assert workbench.sync()["t"].error is None
    with at_place("sweep.page_read", lambda: execute(workbench, "ALTER TABLE t RENAME COLUMN id TO pk")):
        workbench.sync()
    assert len(ids(workbench)) == 10


def test_a_key_that_was_renamed_is_named_in_the_error(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    workbench.db.execute("ALTER TABLE t RENAME COLUMN id TO pk")
    error = workbench.sync()["t"].error or {}
    assert "somebody else" not in error.get("fix", ""), error


def test_a_file_that_is_swapped_during_a_sweep_holds_its_deletes_back(workbench: Workbench) -> None:
    """The identity is looked at before the cycles alone."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"text {n}") for n in range(20)]))
    workbench.configure(PLAIN, sync="page_rows = 2")
    assert workbench.sync()["t"].error is None
    other = workbench.folder / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    with at_place("sweep.page_read", lambda: other.replace(workbench.db_path), time=2):
        outcome = workbench.sync()["t"]
    assert outcome.rows_deleted == 0
    assert len(ids(workbench)) == 20


def test_slots_do_not_grow_without_end(workbench: Workbench) -> None:
    """A queue of ten rows: each sweep marks by slot, and slots are never given again."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    workbench.configure(PLAIN)
    for turn in range(5):
        workbench.db.execute("DELETE FROM t")
        workbench.db.executemany("INSERT INTO t VALUES (?, 'x')", [(turn * 10 + n,) for n in range(10)])
        assert workbench.sync()["t"].error is None
    with closing(sqlite3.connect(workbench.state_path)) as state:
        (slots,) = state.execute("SELECT next_slot FROM tables").fetchone()
    assert slots <= 20


def test_an_old_state_is_old_for_all_its_tables(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest jobs are listed; a busy table pushes the MERGE of a quiet one out of the list."""
    monkeypatch.setattr(history, "_MAX_JOBS", 8)
    monkeypatch.setattr(history, "_PAGE_JOBS", 8)
    for name in "tu":
        workbench.fill(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO {name} VALUES (1, 'a')")
    workbench.configure(PLAIN + '[[tables]]\nname = "u"\n')
    workbench.sync()
    shutil.copytree(workbench.state_path.parent, workbench.folder / "saved")
    workbench.db.execute("INSERT INTO t VALUES (2, 'b')")
    workbench.sync()
    for turn in range(10):
        workbench.db.execute("UPDATE u SET v = ?", (str(turn),))
        workbench.sync()
    shutil.rmtree(workbench.state_path.parent)
    shutil.copytree(workbench.folder / "saved", workbench.state_path.parent)
    workbench.db.execute("DELETE FROM t WHERE id = 2")
    for _ in range(2):
        assert all(outcome.error is None for outcome in workbench.sync().values())
    assert ids(workbench) == [1]


def test_a_watermark_whose_values_changed_their_form_does_not_stand_still(workbench: Workbench) -> None:
    """Values of another form never count, and the range from the old watermark onward grows for ever."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, 'x', ?)", [(n, f"2025-06-01T10:{n:02}:00Z") for n in range(50)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(PLAIN + 'watermark = ["at"]\ntimestamps = { at = "iso8601" }')
    assert workbench.sync()["t"].error is None
    workbench.db.executemany("INSERT INTO t VALUES (?, 'x', ?)", [(n + 100, f"2025-06-02T10:{n:02}:00.123Z") for n in range(50)])
    with capture_logs() as lines:
        assert workbench.sync()["t"].error is None
        outcome = workbench.sync(sweep=SweepMode.NEVER)["t"]
    told = [line for line in lines if line["event"] in ("watermark.anomaly", "schema.warning")]
    assert outcome.rows_read < 10 or told, f"{outcome.rows_read} rows are read in every pass, and nobody is told"


def test_a_table_that_was_empty_at_first_gets_its_timestamps(workbench: Workbench) -> None:
    """No value says that it is no instant: INT64 is fixed for ever by the cycle that ran before the first row."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, created_at INTEGER)")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    workbench.db.execute("INSERT INTO t VALUES (1, ?)", (NOW,))
    assert workbench.sync()["t"].error is None
    assert not isinstance(workbench.rows("t", "id")[0]["created_at"], int)


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


def test_a_chunk_of_a_stopped_pass_is_no_pass_that_ended(workbench: Workbench) -> None:
    """A stopped pass is recorded as one that read the file as it is."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER); CREATE INDEX t_at ON t (at)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, NOW - 500 + n) for n in range(10)]))
    workbench.clock_us = NOW * 1_000_000
    workbench.configure(PLAIN + 'watermark = ["at"]\ntimestamps = { at = "unix_seconds" }', sync="page_rows = 1")
    assert workbench.sync()["t"].error is None
    workbench.db.execute("UPDATE t SET at = at + 400")
    with closing(sqlite3.connect(workbench.state_path)) as state:
        before = state.execute("SELECT last_pass_us FROM tables").fetchone()
    workbench.clock_us += 1_000_000
    with at_place("pass.page_read", workbench.stop.set, time=2):
        assert workbench.sync(sweep=SweepMode.NEVER)["t"].error is None
    with closing(sqlite3.connect(workbench.state_path)) as state:
        assert state.execute("SELECT last_pass_us FROM tables").fetchone() == before


@pytest.mark.parametrize(("declared", "value"), [("NUMERIC(10, 2)", "1.005")])
def test_a_target_whose_column_is_narrower_alters_nothing(workbench: Workbench, declared: str, value: str) -> None:
    """An adopted target with a parameterized type: only the name of the type is compared."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, '1'), (2, '2')",
                   ("INSERT INTO t VALUES (3, ?)", [(value,)]))
    workbench.configure('[[tables]]\nname = "u"\n' + PLAIN + f'types = {{ v = "{declared.split("(", maxsplit=1)[0]}" }}')
    workbench.sync("u")
    workbench.query(f"CREATE TABLE {{d}}.t (id INT64, v {declared})")
    outcome = workbench.sync("t", adopt=True)["t"]
    assert outcome.error is None or outcome.error["kind"] == "target_incompatible", outcome.error
    found = [str(row["v"]) for row in workbench.rows("t", "id") if row["id"] == 3]
    assert outcome.error or found == [value] or (found == [] and workbench.quarantine()), found



def test_a_column_that_somebody_dropped_from_the_target_is_filled_again(workbench: Workbench) -> None:
    """The cycle itself adds the column anew, and the ledger says that its cells are there."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT); INSERT INTO t VALUES (1, 'a', 'b')")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    workbench.query("ALTER TABLE {d}.t DROP COLUMN w")
    table = workbench.rest.get_table(f"{workbench.dataset}.t")
    # BigQuery's resource follows its DDL; that of the emulator has to be told.
    table.schema = [field for field in table.schema if field.name != "w"]
    workbench.rest.update_table(table, ["schema"])
    assert [field.name for field in workbench.rest.get_table(table.reference).schema] == ["id", "v"]
    for _ in range(2):
        assert workbench.sync()["t"].error is None
    assert [row["w"] for row in workbench.rows("t", "id")] == ["b"]
