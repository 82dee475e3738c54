"""Whole cycles whose MERGE jobs go astray: the next cycle converges, and no older value overwrites a newer one."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from threading import Event, Timer

import pytest
from structlog.testing import capture_logs
from tests.engine.application import PLAIN, ids
from tests.engine.places import at_place
from tests.hostile.actions import (
    Action,
    Delay,
    FailJob,
    Method,
    Reset,
    RestFailure,
    RunLate,
    RunTwice,
    Truncate,
    Underway,
    When,
)
from tests.hostile.calls import Call
from tests.hostile.job_book import Fate
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.errors import ErrorKind
from bqsync.model import CycleOutcome

UNKNOWN_JOB = RestFailure(status=404, reason="notFound", message="Not found: Job demo:EU.j")
BUSY = RestFailure(status=503, reason="backendError", message="Try again.")
QUOTA = RestFailure(status=403, reason="quotaExceeded", message="Quota exceeded: query usage")
DENIED = RestFailure(status=403, reason="accessDenied", message="Access Denied: Job demo:EU.j: bigquery.jobs.get")


@pytest.fixture
def bench(hostile_bench: Workbench, hostile: HostileBigQuery) -> Workbench:
    """Three rows that have arrived; then one was changed, one deleted, one added."""
    hostile_bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)",
                       ("INSERT INTO t VALUES (?, ?)", [(n, 0) for n in range(3)]))
    hostile_bench.configure('[[tables]]\nname = "t"')
    assert hostile_bench.sync()["t"].error is None
    hostile_bench.fill("UPDATE t SET v = 1 WHERE id = 0; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (3, 1)")
    hostile.reset()
    return hostile_bench


def source(bench: Workbench) -> list[dict[str, int]]:
    return [{"id": number, "v": value} for number, value in bench.db.execute("SELECT id, v FROM t ORDER BY id")]


def assert_converged(bench: Workbench) -> None:
    assert bench.rows("t", "id") == source(bench)
    assert bench.tables() == {"t"}, "no staging table is left behind"


def give_up_at(hostile: HostileBigQuery, method: Method, holding: str = "") -> Event:
    """What ends the cycle's patience as soon as it makes such a call: its next failure is final."""
    stop = Event()
    hostile.on_call(lambda call: stop.set() if call.method is method and call.holds(holding) else None)
    return stop


def lose_the_merge(bench: Workbench, hostile: HostileBigQuery, action: Action) -> CycleOutcome:
    """A cycle that learns nothing about its MERGE."""
    hostile.rule(Method.JOBS_INSERT, action, holding="MERGE", times=1)
    outcome = bench.sync(stop=give_up_at(hostile, Method.JOBS_INSERT, "MERGE"))["t"]
    assert outcome.error is not None
    return outcome


def kind(outcome: CycleOutcome) -> str | None:
    return None if outcome.error is None else outcome.error["kind"]


@pytest.mark.parametrize(("action", "ran"), [
    (Reset(When.AFTER), True), (Truncate(), True), (Reset(), False), (BUSY, False), (RunLate(never=True), False),
])
def test_a_merge_of_which_nothing_is_known_is_settled_by_the_next_cycle(
    bench: Workbench, hostile: HostileBigQuery, action: Action, ran: bool,
) -> None:
    before = bench.rows("t", "id")
    assert kind(lose_the_merge(bench, hostile, action)) == ErrorKind.BIGQUERY_TRANSIENT
    assert (bench.rows("t", "id") == source(bench)) is ran
    assert (bench.rows("t", "id") == before) is not ran

    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    assert bench.sync()["t"].error is None
    assert len(hostile.merges) == 1 + ran
    assert_converged(bench)


@pytest.mark.parametrize(("status", "reason"), [
    (524, ""), (504, "timeout"), (500, "resourcesExceeded"),
])
def test_a_merge_whose_submission_met_an_unusual_server_error_is_not_forgotten(
    bench: Workbench, hostile: HostileBigQuery, status: int, reason: str,
) -> None:
    """As from a proxy that passed the request on and gave up waiting: such a failure is not tried again."""
    failure = RestFailure(status=status, reason=reason, message="a timeout occurred")
    hostile.rule(Method.JOBS_INSERT, RunLate(answer=failure), holding="MERGE", times=1)
    assert kind(bench.sync()["t"]) == ErrorKind.BIGQUERY_JOB_FAILED
    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    assert bench.sync()["t"].error is None
    assert [released.fate for released in hostile.release()] == [Fate.REFUSED]
    assert_converged(bench)


@pytest.mark.parametrize("action", [Reset(When.AFTER), Truncate(), Reset(), BUSY, RunLate(never=True), RunTwice()])
def test_a_submission_that_fails_once_is_repeated_within_its_cycle_and_runs_once(
    bench: Workbench, hostile: HostileBigQuery, action: Action,
) -> None:
    hostile.rule(Method.JOBS_INSERT, action, holding="MERGE", times=1)
    assert bench.sync()["t"].error is None
    assert len(hostile.merges) == 1 + isinstance(action, RunTwice)
    assert_converged(bench)


def test_a_merge_that_is_late_is_refused_once_its_id_is_burnt(bench: Workbench, hostile: HostileBigQuery) -> None:
    lose_the_merge(bench, hostile, RunLate())
    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    assert bench.sync()["t"].error is None
    assert_converged(bench)
    assert [released.fate for released in hostile.release()] == [Fate.REFUSED]
    assert_converged(bench)


def test_a_merge_that_arrives_between_two_cycles_is_overwritten(bench: Workbench, hostile: HostileBigQuery) -> None:
    lose_the_merge(bench, hostile, RunLate())
    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    assert [released.fate for released in hostile.release()] == [Fate.RAN], "its staging table is kept for it"
    assert bench.rows("t", "id")[0] == {"id": 0, "v": 1}
    assert bench.sync()["t"].error is None
    assert_converged(bench)


def release_while_looked_for(hostile: HostileBigQuery) -> None:
    """What was held back runs just before its id is burnt."""
    def release(call: Call) -> None:
        if call.method is Method.JOBS_INSERT and "SELECT 1" in call.body:
            assert [released.fate for released in hostile.release()] == [Fate.RAN]

    hostile.on_call(release)


def test_a_merge_that_arrives_while_it_is_looked_for_is_overwritten(bench: Workbench, hostile: HostileBigQuery) -> None:
    lose_the_merge(bench, hostile, RunLate())
    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")

    release_while_looked_for(hostile)
    assert bench.sync()["t"].error is None
    assert len(hostile.merges) == 2
    assert_converged(bench)


def test_the_first_sending_of_a_merge_is_refused_when_the_second_has_run(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    hostile.rule(Method.JOBS_INSERT, RunLate(), holding="MERGE", times=1)
    assert bench.sync()["t"].error is None
    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    assert bench.sync()["t"].error is None
    assert [released.fate for released in hostile.release()] == [Fate.REFUSED]
    assert_converged(bench)


def test_a_merge_that_is_running_is_waited_for(bench: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, RunLate(visible=True), holding="MERGE", times=1)
    on_its_way = Timer(0.3, hostile.release)
    hostile.on_call(lambda call: on_its_way.start() if call.method is Method.JOBS_GET_QUERY_RESULTS else None)
    assert bench.sync()["t"].error is None
    assert (len(hostile.matching(Method.JOBS_GET_QUERY_RESULTS)), len(hostile.merges)) == (1, 1)
    assert_converged(bench)


def test_a_merge_that_still_runs_at_the_next_cycle_is_waited_for_before_the_target_is_touched(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    lose_the_merge(bench, hostile, RunLate(visible=True))
    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    stop = give_up_at(hostile, Method.JOBS_GET_QUERY_RESULTS)
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, BUSY, times=1)
    assert kind(bench.sync(stop=stop)["t"]) == ErrorKind.BIGQUERY_TRANSIENT
    assert hostile.merges == [], "while its end is not known, no other runs"

    hostile.on_call(lambda call: hostile.release() if call.method is Method.JOBS_GET_QUERY_RESULTS else None)
    assert bench.sync()["t"].error is None
    assert len(hostile.merges) == 2
    assert_converged(bench)


@pytest.mark.parametrize("failure", [UNKNOWN_JOB, DENIED, QUOTA, BUSY])
def test_a_merge_that_ran_and_can_not_be_looked_up_is_settled_by_the_next_cycle(
    bench: Workbench, hostile: HostileBigQuery, failure: RestFailure,
) -> None:
    hostile.rule(Method.JOBS_INSERT, Reset(When.AFTER), holding="MERGE", times=1)
    rule = hostile.rule(Method.JOBS_GET, failure)
    failed = bench.sync(stop=give_up_at(hostile, Method.JOBS_GET))["t"]
    assert kind(failed) is not None
    assert failed.durations_s.keys() >= {"plan", "read", "merge"}, "a cycle that fails has taken its time, too"
    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    assert kind(bench.sync(stop=give_up_at(hostile, Method.JOBS_GET))["t"]) is not None
    assert len(hostile.merges) == 1, "the lookup fails still, so the target is not touched"

    hostile.drop(rule)
    assert bench.sync()["t"].error is None
    assert_converged(bench)


@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize("failure", [UNKNOWN_JOB, DENIED, QUOTA])
def test_a_merge_that_may_still_run_is_not_forgotten_over_a_failure_that_is_final(
    bench: Workbench, hostile: HostileBigQuery, failure: RestFailure, *, visible: bool,
) -> None:
    """The first sending is stuck on its way; what the second meets says nothing about the first."""
    hostile.rule(Method.JOBS_INSERT, RunLate(visible=visible), holding="MERGE", times=1)
    if visible:
        hostile.rule(Method.JOBS_GET, failure, times=1)
    else:
        hostile.rule(Method.JOBS_INSERT, failure, holding="MERGE", first=2, times=1)
    cleaning = hostile.rule(Method.TABLES_DELETE, BUSY)  # else the late job would find no staging table
    assert kind(bench.sync()["t"]) is not None

    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    if visible:
        hostile.on_call(lambda call: hostile.release() if call.method is Method.JOBS_GET_QUERY_RESULTS else None)
    assert bench.sync()["t"].error is None
    hostile.release()
    hostile.drop(cleaning)
    assert bench.sync()["t"].error is None
    assert_converged(bench)


@pytest.mark.parametrize("action", [BUSY, Reset(), Reset(When.AFTER), Truncate(), Delay(0.5)])
def test_an_end_that_is_told_late_is_waited_for(bench: Workbench, hostile: HostileBigQuery, action: Action) -> None:
    hostile.rule(Method.JOBS_INSERT, Underway(), holding="MERGE", times=1)
    rule = hostile.rule(Method.JOBS_GET_QUERY_RESULTS, action, times=2)
    assert bench.sync()["t"].error is None
    assert (len(hostile.merges), bool(rule.fired)) == (1, True)
    assert_converged(bench)


@pytest.mark.parametrize("action", [UNKNOWN_JOB, DENIED])
def test_an_end_that_only_the_job_tells_is_an_end(bench: Workbench, hostile: HostileBigQuery, action: Action) -> None:
    hostile.rule(Method.JOBS_INSERT, Underway(), holding="MERGE", times=1)
    rule = hostile.rule(Method.JOBS_GET_QUERY_RESULTS, action)
    assert bench.sync()["t"].error is None
    assert (len(hostile.merges), bool(rule.fired)) == (1, True)
    assert_converged(bench)


RESULTS = '{{"jobComplete": true, "numDmlAffectedRows": "{rows}", "errors": [{errors}]}}'


def test_results_that_leave_a_doubt_are_not_believed_before_the_job_was_asked(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    hostile.rule(Method.JOBS_INSERT, Underway(), holding="MERGE", times=1)
    doubtful = RESULTS.format(rows=3, errors='{"reason": "invalid"}')
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, RestFailure(status=200, reason="", message=doubtful))
    with at_place("merge.ended", lambda: asked.extend(hostile.matching(Method.JOBS_GET))):
        asked: list[Call] = []
        assert bench.sync()["t"].error is None
    assert len(asked) == 1
    assert_converged(bench)


def test_results_that_tell_of_too_few_rows_are_not_noted(bench: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, Underway(), holding="MERGE", times=1)
    too_few = RestFailure(status=200, reason="", message=RESULTS.format(rows=1, errors=""))
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, too_few, times=1)
    outcome = bench.sync()["t"]
    assert kind(outcome) == ErrorKind.BIGQUERY_JOB_FAILED
    assert "changed 1 rows" in str(outcome.error)
    assert bench.sync()["t"].error is None, "the intent stood, and its rows are sent again"
    assert len(hostile.merges) == 2
    assert_converged(bench)


def test_a_submission_that_tells_of_an_end_and_not_how_is_looked_up(bench: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, Underway(state="DONE"), holding="MERGE", times=1)
    assert bench.sync()["t"].error is None
    assert len(hostile.matching(Method.JOBS_GET)) == 1
    assert_converged(bench)


def test_a_failure_that_the_submission_does_not_tell_is_one(bench: Workbench, hostile: HostileBigQuery) -> None:
    failing = FailJob(reason="invalidQuery", message="the statement is wrong", told=False)
    hostile.rule(Method.JOBS_INSERT, failing, holding="MERGE", times=1)
    outcome = bench.sync()["t"]
    assert outcome.error is not None
    assert outcome.error["why"] == "the statement is wrong"
    assert bench.sync()["t"].error is None
    assert_converged(bench)


def test_an_end_that_is_not_waited_for_is_not_asked_for_in_a_rush(bench: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, RunLate(visible=True), holding="MERGE", times=1)
    at_once = RestFailure(status=200, reason="", message='{"jobComplete": false}')
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, at_once, times=4)
    asked_s: list[float] = []

    def release(call: Call) -> None:
        if call.method is Method.JOBS_GET_QUERY_RESULTS:
            asked_s.append(time.monotonic())
            if len(asked_s) > 4:
                hostile.release()

    hostile.on_call(release)
    assert bench.sync()["t"].error is None
    assert asked_s[-1] - asked_s[0] > 0.7, "four pauses of 0.2 s, as the two ends of a call see them"
    assert_converged(bench)


@pytest.mark.parametrize("action", [UNKNOWN_JOB, DENIED, QUOTA])
def test_an_end_that_is_not_told_leaves_the_job_to_the_next_cycle(
    bench: Workbench, hostile: HostileBigQuery, action: Action,
) -> None:
    hostile.rule(Method.JOBS_INSERT, Underway(), holding="MERGE", times=1)
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, action, times=1)
    hostile.rule(Method.JOBS_GET, action, times=1)
    assert kind(bench.sync()["t"]) is not None
    bench.db.execute("UPDATE t SET v = 2 WHERE id = 0")
    assert bench.sync()["t"].error is None
    assert_converged(bench)


def test_staging_tables_that_can_not_be_listed_stop_no_cycle(
    hostile: HostileBigQuery, hostile_bench: Workbench,
) -> None:
    hostile_bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    hostile_bench.configure('[[tables]]\nname = "t"\n')
    hostile.rule(Method.TABLES_LIST, RestFailure(status=403, reason="accessDenied", message="no"))
    with capture_logs() as lines:
        assert hostile_bench.sync()["t"].rows_upserted == 1
    assert "staging.left" in {line["event"] for line in lines}


@pytest.mark.parametrize("staging_stands", [True, False], ids=["staging stands", "staging is gone"])
@pytest.mark.parametrize("back", [
    "UPDATE t SET v = 0 WHERE id = 0", "INSERT INTO t VALUES (1, 0)", "DELETE FROM t WHERE id = 3",
], ids=["changed back", "deleted and back", "inserted and gone"])
def test_what_a_merge_did_that_was_not_noted_is_doubted(
    bench: Workbench, hostile: HostileBigQuery, back: str, *, staging_stands: bool,
) -> None:
    """To its ledger, the row is as it was delivered; the target has what the MERGE made of it."""
    with at_place("merge.ended", lambda: 1 // 0):
        assert kind(bench.sync()["t"]) == ErrorKind.INTERNAL
    assert bench.rows("t", "id") == source(bench)
    bench.db.execute(back)
    if not staging_stands:
        for name in bench.tables() - {"t"}:
            bench.rest.delete_table(f"{bench.dataset}.{name}")
    assert bench.sync()["t"].error is None
    assert_converged(bench)
    assert bench.sync()["t"].merges == 0


def test_a_late_merge_that_wins_over_the_placeholder_counts_as_done(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    """It arrives between the question for it and the placeholder, and is doubted like any other that ended."""
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

    release_while_looked_for(hostile)
    assert bench.sync()["t"].error is None
    assert bench.sync()["t"].error is None
    assert ids(bench) == [1, 2, 3]


def test_a_placeholder_that_was_not_noted_is_no_merge_that_ended(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    """The id was burnt, and the process died before it was noted: the next one finds a SELECT 1 and no MERGE."""
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


def test_a_merge_whose_results_are_gone_is_settled_by_what_its_job_tells(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    """BigQuery keeps a job for half a year, and its results for a day."""
    with at_place("merge.ended", lambda: 1 // 0):
        assert kind(bench.sync()["t"]) == ErrorKind.INTERNAL
    with closing(sqlite3.connect(bench.state_path)) as state:
        ((job_id,),) = state.execute("SELECT job_id FROM intents").fetchall()
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, UNKNOWN_JOB, holding=job_id)
    bench.db.execute("DELETE FROM t WHERE id = 3")
    assert bench.sync()["t"].error is None
    assert_converged(bench)
