"""What a MERGE has cost is asked for after its rows were delivered and noted: no row waits for it, and none is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tests.engine.places import at_place
from tests.hostile.actions import Billed, Method, RestFailure, Underway
from tests.workbench import Workbench

from bqsync.engine.bills import settle_left_behind
from bqsync.engine.opening import open_session
from bqsync.errors import ErrorKind
from bqsync.observe.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.proxy import HostileBigQuery

    from bqsync.model import CycleOutcome

MIB = 2**20
NOON_US = 1_767_268_800_000_000
"""2026-01-01, 12:00 UTC."""
DAY_US = 86_400_000_000
LIMITED = '[[tables]]\nname = "t"\ndaily_bytes_billed_limit = "{} MiB"'
DENIED = RestFailure(status=403, reason="accessDenied", message="Access Denied: Job demo:EU.j: bigquery.jobs.get")


@pytest.fixture
def bench(hostile_bench: Workbench, hostile: HostileBigQuery) -> Workbench:
    """A row that has arrived; every MERGE from now on is submitted before it ends, and billed with 30 MiB."""
    hostile_bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 0)")
    hostile_bench.configure('[[tables]]\nname = "t"')
    hostile_bench.clock_us = NOON_US
    assert hostile_bench.sync()["t"].error is None
    hostile.reset()
    hostile.rule(Method.JOBS_INSERT, Underway(size_bytes=30 * MIB), holding="MERGE")
    return hostile_bench


def change(bench: Workbench) -> CycleOutcome:
    """A cycle that has one row to send."""
    bench.db.execute("UPDATE t SET v = v + 1")
    return bench.sync("t")["t"]


def days(bench: Workbench) -> dict[str, tuple[int, int]]:
    """MiB and MERGEs by day, straight from the state file."""
    rows = asked(bench, "SELECT day, bytes, merges FROM bytes_billed")
    return {day: (size_bytes // MIB, merges) for day, size_bytes, merges in rows}


def owed(bench: Workbench) -> int:
    return len(asked(bench, "SELECT * FROM bills_owed"))


def asked(bench: Workbench, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(bench.state_path)) as state:
        return state.execute(statement).fetchall()


class _Died(Exception):  # noqa: N818 - the process, as far as the cycle can tell
    pass


def _die() -> None:
    raise _Died


def die_owing(bench: Workbench, hostile: HostileBigQuery) -> None:
    """A cycle that commits, and whose process is gone before it has asked for the bill."""
    rule = hostile.rule(Method.JOBS_GET, DENIED)
    with at_place("commit.done", _die):
        assert change(bench).error is not None
    hostile.drop(rule)


def test_a_row_is_noted_after_three_calls_and_the_bill_is_asked_for_afterwards(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    calls: list[Method] = []

    def note() -> None:
        calls.extend(call.method for call in hostile.calls)

    with at_place("commit.done", note), capture_logs() as lines:
        outcome = change(bench)
    first = calls.index(Method.APPEND_ROWS)
    assert calls[first:] == [Method.APPEND_ROWS, Method.JOBS_INSERT, Method.JOBS_GET_QUERY_RESULTS]
    assert len(hostile.matching(Method.JOBS_GET)) == 1
    assert (outcome.bytes_billed, outcome.merges, owed(bench)) == (30 * MIB, 1, 0)
    assert days(bench) == {"2026-01-01": (30, 2)}
    told = {line["event"]: line for line in lines}
    assert told["merge.completed"]["rows_affected"] == 1
    assert "bytes_billed" not in told["merge.completed"]
    assert told["merge.billed"]["bytes_billed"] == told["sync.completed"]["bytes_billed"] == 30 * MIB
    assert told["merge.billed"]["job_id"] == told["merge.completed"]["job_id"]


def by_next_cycle(bench: Workbench) -> None:
    assert bench.sync("t")["t"].merges == 0


def by_next_start(bench: Workbench) -> None:
    with open_session(bench.config) as session:
        settle_left_behind(session)
        assert sum(session.tally.numbers(Metric.BYTES_BILLED).values()) == 30 * MIB


@pytest.mark.parametrize("settle", [by_next_cycle, by_next_start])
def test_a_bill_that_its_process_did_not_live_to_ask_for_is_counted_once_and_for_its_own_day(
    bench: Workbench, hostile: HostileBigQuery, settle: Callable[[Workbench], None],
) -> None:
    die_owing(bench, hostile)
    assert (days(bench), owed(bench)) == ({"2026-01-01": (0, 2)}, 1)
    merges = len(hostile.merges)
    bench.clock_us = NOON_US + DAY_US
    settle(bench)
    assert (days(bench), owed(bench), len(hostile.merges)) == ({"2026-01-01": (30, 2)}, 0, merges)
    settled = change(bench)
    assert (settled.error, settled.bytes_billed) == (None, 30 * MIB), "each cycle tells of its own MERGEs"
    assert days(bench) == {"2026-01-01": (30, 2), "2026-01-02": (30, 1)}


def test_a_job_that_bigquery_does_not_know_any_more_is_owed_no_longer(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    die_owing(bench, hostile)
    hostile.rule(Method.JOBS_GET, RestFailure(status=404, reason="notFound", message="Not found: Job"), times=1)
    assert bench.sync("t")["t"].error is None
    assert (days(bench), owed(bench)) == ({"2026-01-01": (0, 2)}, 0)


def test_a_job_that_is_not_told_to_have_ended_yet_is_asked_again(bench: Workbench, hostile: HostileBigQuery) -> None:
    """Its results are known before its resource is up to date; no bytes there would pass for a bill of nothing."""
    running = '{"jobReference": {"projectId": "demo", "jobId": "j"}, "status": {"state": "RUNNING"}, "statistics": {}, '
    late = RestFailure(status=200, reason="", message=running + '"configuration": {"query": {"query": "MERGE"}}}')
    rule = hostile.rule(Method.JOBS_GET, late, times=1)
    assert change(bench).bytes_billed == 30 * MIB
    assert (rule.fired, days(bench), owed(bench)) == (1, {"2026-01-01": (30, 2)}, 0)


def test_without_a_limit_bills_that_can_not_be_had_are_told_once_and_hold_up_nothing(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    denied = hostile.rule(Method.JOBS_GET, DENIED)
    bench.configure('[[tables]]\nname = "t"', sync="page_rows = 1\nchunk_rows = 1")
    bench.db.executemany("INSERT INTO t VALUES (?, 0)", [(number,) for number in range(2, 6)])
    with capture_logs() as lines:
        outcome = bench.sync("t")["t"]
    assert (outcome.error, outcome.merges, owed(bench)) == (None, 4, 4)
    (told,) = [line for line in lines if line["event"] == "merge.bill_delayed"]
    assert (told["log_level"], told["table"]) == ("warning", "t")
    (completed,) = [line for line in lines if line["event"] == "sync.completed"]
    assert "bytes_billed" not in completed, "0 would not be true"
    hostile.drop(denied)
    bench.sync("t")
    assert (days(bench), owed(bench)) == ({"2026-01-01": (120, 5)}, 0)


def test_a_limit_stops_a_table_one_merge_late_at_most(bench: Workbench, hostile: HostileBigQuery) -> None:
    bench.configure(LIMITED.format(30), sync="page_rows = 1\nchunk_rows = 1")
    bench.db.executemany("INSERT INTO t VALUES (?, 0)", [(number,) for number in range(2, 6)])
    outcome = bench.sync("t")["t"]
    assert outcome.error is not None
    assert outcome.error["code"] == "E503"
    assert (outcome.merges, outcome.bytes_billed, days(bench)) == (2, 60 * MIB, {"2026-01-01": (60, 3)})
    assert len(hostile.merges) == 2


def test_with_a_limit_nothing_more_is_begun_while_several_bills_can_not_be_had(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    bench.configure(LIMITED.format(60))
    denied = hostile.rule(Method.JOBS_GET, DENIED)
    assert [change(bench).error, change(bench).error] == [None, None]
    error = change(bench).error
    assert error is not None
    assert error["kind"] == ErrorKind.BIGQUERY_PERMISSION, "who sets a limit is not to be billed unseen"
    assert (len(hostile.merges), bench.tables()) == (2, {"t"})
    hostile.drop(denied)
    assert bench.sync("t")["t"].error is not None, "the limit is reached by what was owed"
    assert days(bench) == {"2026-01-01": (60, 3)}


def test_a_merge_that_has_ended_when_its_submission_is_answered_owes_nothing(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    hostile.reset()
    hostile.rule(Method.JOBS_INSERT, Billed(30 * MIB), holding="MERGE")
    assert change(bench).bytes_billed == 30 * MIB
    assert not hostile.matching(Method.JOBS_GET)
    assert not hostile.matching(Method.JOBS_GET_QUERY_RESULTS)
