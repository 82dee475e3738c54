"""What BigQuery bills is counted once, by table and UTC day; at the limit of a day a table waits for the next one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from tests.engine.places import at_place
from tests.hostile.actions import Billed, Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench, run_command

from bqsync.engine.sync import exit_code
from bqsync.errors import ErrorKind, ExitCode
from bqsync.state.billing import day_of
from bqsync.state.health import table_health
from bqsync.state.store import Store

MIB = 2**20
NOON_US = 1_767_268_800_000_000
"""2026-01-01, 12:00 UTC."""
DAY_US = 86_400_000_000
TABLES = '[[tables]]\nname = "t"\n{t}\n[[tables]]\nname = "u"\n'


@pytest.fixture
def bench(hostile_bench: Workbench, hostile: HostileBigQuery) -> Workbench:
    """Two tables of one row each; every MERGE is billed with 30 MiB, every other statement with 10 MiB."""
    hostile_bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a');"
                       "CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO u VALUES (1, 'a');")
    hostile_bench.configure(TABLES.format(t=""))
    hostile_bench.clock_us = NOON_US
    hostile.rule(Method.JOBS_INSERT, Billed(30 * MIB), holding="MERGE")
    hostile.rule(Method.JOBS_INSERT, Billed(10 * MIB), holding="SELECT")
    return hostile_bench


def bills(bench: Workbench) -> dict[tuple[str, str], tuple[int, int]]:
    """MiB and MERGEs by table and day, straight from the state file."""
    with closing(sqlite3.connect(bench.state_path)) as state:
        rows = state.execute("SELECT t.name, b.day, b.bytes, b.merges FROM bytes_billed b"
                             " JOIN tables t ON t.id = b.table_id")
        return {(name, day): (size_bytes // MIB, merges) for name, day, size_bytes, merges in rows}


def change(bench: Workbench, table: str, value: str) -> None:
    bench.db.execute(f"UPDATE {table} SET v = ?", (value,))


def test_what_is_billed_is_counted_by_table_and_utc_day_and_kept_for_35_days(bench: Workbench) -> None:
    first = bench.sync()
    assert {name: outcome.bytes_billed // MIB for name, outcome in first.items()} == {"t": 30, "u": 30}
    change(bench, "t", "b")
    assert bench.sync()["t"].bytes_billed == 30 * MIB
    assert bills(bench) == {("t", "2026-01-01"): (60, 2), ("u", "2026-01-01"): (30, 1)}

    bench.clock_us = NOON_US + DAY_US // 2
    outcome = bench.sync("t", full=True)["t"]
    # The clock of BigQuery and the keys of the target are read as well.
    assert outcome.bytes_billed == 50 * MIB
    assert bills(bench)["t", "2026-01-02"] == (50, 1)

    bench.clock_us = NOON_US + 36 * DAY_US
    change(bench, "t", "c")
    bench.sync()
    assert bills(bench) == {
        ("t", "2026-01-02"): (50, 1), ("t", "2026-02-06"): (30, 1), ("u", "2026-01-01"): (30, 1),
    }, "what is too old goes with the next bill of its table"


class _Died(Exception):  # noqa: N818 - the process, as far as the cycle can tell
    pass


def _die() -> None:
    raise _Died


def test_a_merge_whose_end_was_not_noted_is_counted_once(bench: Workbench) -> None:
    bench.sync("t")
    change(bench, "t", "b")
    with at_place("merge.ended", _die):
        assert bench.sync("t")["t"].error is not None
    assert bills(bench) == {("t", "2026-01-01"): (30, 1)}, "its intent stands, and its bill comes with the end of that"
    with at_place("intent.settled", _die):
        assert bench.sync("t")["t"].error is not None
    # What the lost MERGE had staged is read; the row has arrived, and is sent once more.
    assert bench.sync("t")["t"].error is None
    assert bench.rows("t", "id") == [{"id": 1, "v": "b"}]
    (spent, merges), = bills(bench).values()
    assert (spent, merges) == (30 + 10 + 30 + 30, 3)


def test_at_the_limit_a_table_waits_for_the_next_day_and_the_others_go_on(bench: Workbench) -> None:
    bench.configure(TABLES.format(t='daily_bytes_billed_limit = "60 MiB"'))
    bench.sync()
    change(bench, "t", "b")
    assert bench.sync()["t"].error is None
    assert bills(bench)["t", "2026-01-01"] == (60, 2), "what brings it there is delivered whole"

    assert bench.sync()["t"].error is None, "a cycle that has nothing to send costs nothing"
    change(bench, "t", "c")
    change(bench, "u", "c")
    outcomes = bench.sync()
    error = outcomes["t"].error
    assert error is not None
    assert (error["code"], outcomes["u"].error, outcomes["u"].merges) == ("E503", None, 1)
    assert "billed 60.0 MiB since midnight UTC" in error["why"]
    assert bench.rows("t", "id") == [{"id": 1, "v": "b"}]
    assert bench.tables() == {"t", "u"}, "nothing was staged"

    bench.clock_us = NOON_US + DAY_US // 2 - 1
    assert bench.sync("t")["t"].error is not None
    bench.clock_us += 1
    assert bench.sync("t")["t"].error is None
    assert bench.rows("t", "id") == [{"id": 1, "v": "c"}]
    assert bills(bench)["t", "2026-01-02"] == (30, 1)


def test_a_limit_of_all_tables_stops_a_first_copy_between_two_chunks_and_is_told_by_status(
    bench: Workbench,
) -> None:
    bench.db.executemany("INSERT INTO t VALUES (?, 'x')", [(number,) for number in range(2, 8)])
    limits = 'page_rows = 1\nchunk_rows = 2\ndaily_bytes_billed_limit = "{} MiB"'
    bench.configure(TABLES.format(t=""), sync=limits.format(90))
    outcomes = bench.sync("t")
    assert exit_code(list(outcomes.values())) == ExitCode.UNAVAILABLE
    assert (outcomes["t"].merges, outcomes["t"].bytes_billed) == (3, 90 * MIB)
    assert len(bench.rows("t", "id")) == 6, "what was delivered stays"

    with closing(Store(bench.state_path, read_only=True)) as store:
        (health,) = table_health(store, "app", ["t"], NOON_US)
        (tomorrow,) = table_health(store, "app", ["t"], NOON_US + DAY_US)
    assert (health.bytes_billed_today, health.merges_today, tomorrow.bytes_billed_today) == (90 * MIB, 3, 0)
    told = run_command("status", folder=bench.folder)
    assert "waits: E503" in told.stdout
    assert "0 MiB" in told.stdout, "that day is over"
    assert json.loads(run_command("status", "--json", folder=bench.folder).stdout)[
        "daily_bytes_billed_limit"] == 90 * MIB

    assert bench.sync("u")["u"].error is not None, "the limit is that of all tables together"
    bench.configure(TABLES.format(t=""), sync=limits.format(200))
    assert [one.error for one in bench.sync().values()] == [None, None]
    assert len(bench.rows("t", "id")) == 7


def test_key_reads_wait_at_the_limit_as_well(bench: Workbench) -> None:
    bench.configure(TABLES.format(t='daily_bytes_billed_limit = "30 MiB"'))
    bench.sync("t")
    error = bench.sync("t", full=True)["t"].error
    assert error is not None
    assert error["kind"] == ErrorKind.DAILY_LIMIT_REACHED
    bench.clock_us = NOON_US + DAY_US
    outcome = bench.sync("t", full=True)["t"]
    assert (outcome.error, outcome.rows_upserted) == (None, 1)


def test_what_verify_reads_counts_and_is_not_stopped(bench: Workbench) -> None:
    bench.configure(TABLES.format(t='daily_bytes_billed_limit = "30 MiB"'))
    bench.clock_us = None
    bench.sync("t")
    (before,) = [size for size, _ in bills(bench).values()]
    assert bench.verify("t").rows_different == 0
    assert sum(size for size, _ in bills(bench).values()) == before + 10


def test_days_are_those_of_utc() -> None:
    assert [day_of(NOON_US + offset * 3_600_000_000) for offset in (-13, -12, 11, 12)] == [
        "2025-12-31", "2026-01-01", "2026-01-01", "2026-01-02"]
