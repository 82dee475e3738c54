"""Whole cycles under faults of every sort: the same cycle or the next one converges."""

from __future__ import annotations

from threading import Event

import grpc
import pytest
from google.cloud.bigquery_storage_v1 import types
from tests.hostile.actions import (
    Action,
    Delay,
    Duplicate,
    Method,
    RefuseRows,
    Reset,
    StorageFailure,
    Truncate,
    Underway,
    UnknownFor,
    When,
)
from tests.hostile.calls import Call
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

ROWS = 5
MOVED = StorageFailure(status=grpc.StatusCode.UNAVAILABLE, message="the server moved")
FINALIZED = StorageFailure(
    status=grpc.StatusCode.FAILED_PRECONDITION, code=types.StorageError.StorageErrorCode.STREAM_FINALIZED, in_band=True)


@pytest.fixture
def bench(hostile_bench: Workbench) -> Workbench:
    """A table that has not been copied yet, and cycles that append its rows one by one."""
    hostile_bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                       ("INSERT INTO t VALUES (?, ?)", [(n, f"value {n}") for n in range(ROWS)]))
    hostile_bench.configure('[[tables]]\nname = "t"', sync="page_rows = 1")
    return hostile_bench


def assert_converged(bench: Workbench) -> None:
    rows = [{"id": number, "v": value} for number, value in bench.db.execute("SELECT id, v FROM t ORDER BY id")]
    assert bench.rows("t", "id") == rows
    assert bench.tables() == {"t"}


@pytest.mark.parametrize("action", [
    Reset(), Reset(When.AFTER), MOVED, Truncate(), Truncate(When.BEFORE), Delay(0.2),
])
@pytest.mark.parametrize("first", [1, 3])
def test_a_lost_append_is_sent_again_within_the_cycle(
    bench: Workbench, hostile: HostileBigQuery, action: Action, first: int,
) -> None:
    rule = hostile.rule(Method.APPEND_ROWS, action, first=first, times=2)
    outcome = bench.sync()["t"]
    assert (outcome.error, rule.fired, len(hostile.appended), len(hostile.merges)) == (None, 2, ROWS, 1)
    assert_converged(bench)


@pytest.mark.parametrize(("method", "action"), [
    (Method.APPEND_ROWS, UnknownFor(calls=1)), (Method.CREATE_WRITE_STREAM, UnknownFor(seconds=0.2)),
    (Method.CREATE_WRITE_STREAM, Reset()), (Method.CREATE_WRITE_STREAM, Reset(When.AFTER)),
    (Method.CREATE_WRITE_STREAM, MOVED), (Method.TABLES_INSERT, Reset(When.AFTER)),
])
def test_a_staging_table_that_is_not_ready_is_waited_for(
    bench: Workbench, hostile: HostileBigQuery, method: Method, action: Action,
) -> None:
    rule = hostile.rule(method, action, times=2)
    outcome = bench.sync()["t"]
    assert (outcome.error, len(hostile.merges)) == (None, 1)
    assert rule.fired
    assert_converged(bench)


@pytest.mark.parametrize("action", [Duplicate(), FINALIZED])
@pytest.mark.parametrize("first", [1, 3, ROWS])
def test_a_stream_that_is_lost_costs_the_cycle_and_no_row(
    bench: Workbench, hostile: HostileBigQuery, action: Action, first: int,
) -> None:
    rule = hostile.rule(Method.APPEND_ROWS, action, first=first, times=1)
    outcome = bench.sync()["t"]
    assert rule.fired
    if outcome.error is not None:
        assert (outcome.rows_upserted, hostile.merges) == (0, [])
        assert bench.sync()["t"].error is None
    assert_converged(bench)


def test_refused_rows_wait_and_the_others_arrive(bench: Workbench, hostile: HostileBigQuery) -> None:
    rule = hostile.rule(Method.APPEND_ROWS, RefuseRows(b"value 3"))
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_upserted, outcome.rows_quarantined, rule.fired) == (None, ROWS - 1, 1, 1)
    bench.db.execute("UPDATE t SET v = 'mended' WHERE id = 3")
    assert bench.sync()["t"].error is None
    assert_converged(bench)


@pytest.mark.parametrize("method", [
    Method.TABLES_INSERT, Method.CREATE_WRITE_STREAM, Method.APPEND_ROWS, Method.JOBS_INSERT,
    Method.JOBS_GET_QUERY_RESULTS, Method.TABLES_DELETE,
])
@pytest.mark.parametrize("number", [1, 2])
def test_whoever_dies_at_any_call_converges_after_its_restart(
    bench: Workbench, hostile: HostileBigQuery, method: Method, number: int,
) -> None:
    stop = Event()

    def die(call: Call) -> None:
        if call.method is method and len(hostile.matching(method)) == number:
            hostile.dead = True
            stop.set()

    hostile.rule(Method.JOBS_INSERT, Underway(), holding="MERGE")
    hostile.on_call(die)
    bench.sync(stop=stop)
    hostile.reset()
    bench.db.execute("UPDATE t SET v = 'newer' WHERE id = 0")
    assert bench.sync()["t"].error is None
    assert_converged(bench)
