"""What a chunk needs of BigQuery is made before there is anything to send, fits or is dropped, and is never missed."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Event

import grpc
import pytest
from tests.daemon.life import wait_until
from tests.engine.places import at_place
from tests.hostile.actions import Method, RestFailure, StorageFailure
from tests.hostile.calls import Call
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.deliver.retry import RESIDENT_WAITS
from bqsync.deliver.warm import RENEWED_AFTER_S, WarmStaging
from bqsync.engine.arrival import see_dataset
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.effects import Delivering
from bqsync.engine.opening import locked_state, open_rooms
from bqsync.engine.session import Session
from bqsync.engine.sync import sync_tables
from bqsync.errors import BqsyncError
from bqsync.model import CycleOutcome

PATIENCE_S = 60.0


@pytest.fixture
def bench(hostile_bench: Workbench) -> Workbench:
    hostile_bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", ("INSERT INTO t VALUES (?, 'x')", [(1,)]))
    hostile_bench.configure('[[tables]]\nname = "t"')
    return hostile_bench


@contextmanager
def resident(bench: Workbench) -> Iterator[Session]:
    """Rooms as a daemon opens them: for one cycle after the other."""
    with locked_state(bench.config) as held, open_rooms(
        bench.config, {}, held=held, stop=Event(), waits=RESIDENT_WAITS, keeps_warm=True,
    ) as session:
        see_dataset(session.config, session.destination)
        yield session


def cycle(session: Session, bench: Workbench, statement: str = "UPDATE t SET v = v || 'x'") -> CycleOutcome:
    bench.db.execute(statement)
    (outcome,) = sync_tables(session, (), CycleOptions())
    assert (outcome.error, outcome.merges) == (None, 1)
    return outcome


def wait_for_spare(bench: Workbench, hostile: HostileBigQuery, targets: Collection[str] = ("t",)) -> str:
    """The one staging table that stands, once its stream is open and the one before is gone."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        tables = bench.tables() - {*targets}
        opened = {call.path.rpartition("/")[2] for call in hostile.calls if call.method is Method.CREATE_WRITE_STREAM}
        if len(tables) == 1 and tables <= opened and hostile.is_idle:
            return tables.pop()
        time.sleep(0.02)
    raise AssertionError(bench.tables())


def have_opened(hostile: HostileBigQuery, streams: int) -> bool:
    return len(hostile.matching(Method.CREATE_WRITE_STREAM)) == streams


@contextmanager
def held(hostile: HostileBigQuery, method: Method, *, first: int) -> Iterator[Event]:
    """The so-manieth call of a method about staging tables waits until the end; set once it is there."""
    asked, goes_on = Event(), Event()

    def hold(call: Call) -> None:
        is_it = call.method is method and len(hostile.matching(method, "_staging_")) == first
        if is_it and not asked.is_set():
            asked.set()
            goes_on.wait(PATIENCE_S)

    hostile.on_call(hold)
    try:
        yield asked
    finally:
        goes_on.set()


def test_a_change_waits_for_no_table_and_no_stream(bench: Workbench, hostile: HostileBigQuery) -> None:
    with resident(bench) as session:
        cycle(session, bench)
        spare = wait_for_spare(bench, hostile)
        before = len(hostile.calls)
        cycle(session, bench)
        calls = [call for call in hostile.calls[before:] if call.method is not Method.TABLES_GET]  # once a minute
        assert [call.method for call in calls[:2]] == [Method.APPEND_ROWS, Method.JOBS_INSERT]
        assert spare in calls[0].path, "the rows go where everything was ready"
        assert wait_for_spare(bench, hostile) != spare, "and the next ones elsewhere"
    assert bench.tables() == {"t"}, "what was not used is dropped at the end"
    assert [row["v"] for row in bench.rows("t", "id")] == ["xxx"]


def test_what_was_made_for_other_columns_is_dropped(bench: Workbench, hostile: HostileBigQuery) -> None:
    with resident(bench) as session:
        cycle(session, bench)
        spare = wait_for_spare(bench, hostile)
        cycle(session, bench, "ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 7")
        assert wait_for_spare(bench, hostile) != spare
        cycle(session, bench)
    assert [(row["v"], row["n"]) for row in bench.rows("t", "id")] == [("xxx", 7)]
    assert bench.tables() == {"t"}


def test_where_nothing_could_be_made_a_chunk_makes_its_own(bench: Workbench, hostile: HostileBigQuery) -> None:
    failure = RestFailure(status=500, reason="backendError", message="not now")
    failing = hostile.rule(Method.TABLES_INSERT, failure, holding="_staging_", first=2, times=1)
    with resident(bench) as session:
        cycle(session, bench)
        until_s = time.monotonic() + PATIENCE_S
        while not (failing.fired and bench.tables() == {"t"}):
            assert time.monotonic() < until_s
            time.sleep(0.02)
        cycle(session, bench)
    assert [row["v"] for row in bench.rows("t", "id")] == ["xxx"]


def test_what_nobody_takes_is_replaced_before_it_expires(bench: Workbench, hostile: HostileBigQuery) -> None:
    with resident(bench) as session:
        warm = WarmStaging(session.destination, renewed_after_s=1.0)
        cycle(replace(session, effects=Delivering(session.destination, warm)), bench)
        first = wait_for_spare(bench, hostile)
        while wait_for_spare(bench, hostile) == first:
            pass
        warm.close()
    assert bench.tables() == {"t"}


@pytest.mark.parametrize("set_by_s", [RENEWED_AFTER_S, -60.0], ids=["the machine slept", "the clock was set back"])
def test_one_that_may_be_about_to_expire_is_not_taken(
    bench: Workbench, hostile: HostileBigQuery, set_by_s: float,
) -> None:
    set_s = [0.0]
    with resident(bench) as session:
        warm = WarmStaging(session.destination, now_s=lambda: time.monotonic() + set_s[0])
        kept = replace(session, effects=Delivering(session.destination, warm))
        cycle(kept, bench)
        old = wait_for_spare(bench, hostile)
        set_s[0] = set_by_s
        cycle(kept, bench)
        assert not hostile.matching(Method.APPEND_ROWS, old)
        new = wait_for_spare(bench, hostile)
        assert new != old
        cycle(kept, bench)
        assert hostile.matching(Method.APPEND_ROWS, new), "one of that moment is as good as ever"
        warm.close()
    assert bench.tables() == {"t"}


def test_a_cycle_that_ends_after_everything_was_told_to_stop_has_nothing_made(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    with resident(bench) as session:
        cycle(session, bench)
        wait_for_spare(bench, hostile)
        session.stop.set()
        cycle(session, bench)
        wait_until(lambda: bench.tables() == {"t"}, "the used one is dropped")
    assert len(hostile.matching(Method.TABLES_INSERT, "_staging_")) == 2


def test_one_that_is_made_while_everything_is_closed_is_dropped(bench: Workbench, hostile: HostileBigQuery) -> None:
    asked, goes_on = Event(), Event()
    with resident(bench) as session:
        warm = WarmStaging(session.destination)

        def hold(call: Call) -> None:
            if call.method is Method.TABLES_INSERT and len(hostile.matching(Method.TABLES_INSERT, "_staging_")) > 1:
                asked.set()
                goes_on.wait(PATIENCE_S)

        hostile.on_call(hold)
        cycle(replace(session, effects=Delivering(session.destination, warm)), bench)
        assert asked.wait(PATIENCE_S)
        warm.close()
        goes_on.set()
        wait_until(lambda: len(hostile.matching(Method.TABLES_DELETE)) == 2, "it is dropped, and the used one")
    assert len(hostile.matching(Method.CREATE_WRITE_STREAM)) == 1, "and no stream was opened on it"
    wait_until(lambda: bench.tables() == {"t"}, "nothing is left")


def test_a_target_that_is_written_to_gets_the_place_of_one_that_is_not(
    bench: Workbench, hostile: HostileBigQuery,
) -> None:
    bench.fill("CREATE TABLE busy (id INTEGER PRIMARY KEY)")
    bench.configure('[[tables]]\nname = "t"\n[[tables]]\nname = "busy"')
    with resident(bench) as session:
        warm = WarmStaging(session.destination, most_kept=1)
        kept = replace(session, effects=Delivering(session.destination, warm))
        for table, opened in (("t", 2), ("busy", 4), ("busy", 5)):
            bench.db.execute(f"INSERT INTO {table} (id) VALUES (?)", (10 + opened,))
            assert all(outcome.error is None for outcome in sync_tables(kept, (), CycleOptions()))
            wait_until(partial(have_opened, hostile, opened), "one of its own and one for the next, but for the third")
            assert f"_{table}_" in wait_for_spare(bench, hostile, {"t", "busy"})
        warm.close()
    assert bench.tables() == {"t", "busy"}


def test_where_no_thread_can_be_started_the_used_table_is_dropped_at_once(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", ("INSERT INTO t VALUES (?, 'x')", [(1,)]))
    workbench.configure('[[tables]]\nname = "t"')
    usual = threading.stack_size()
    with resident(workbench) as session:
        try:
            with at_place("merge.ended", lambda: threading.stack_size(1 << 46)):
                cycle(session, workbench)
        finally:
            threading.stack_size(usual)
        assert workbench.tables() == {"t"}
        cycle(session, workbench)
        wait_until(lambda: len(workbench.tables()) > 1, "the next one is made")
        cycle(session, workbench)
    assert [row["v"] for row in workbench.rows("t", "id")] == ["xxxx"]


def test_one_that_is_being_made_for_other_columns_is_not_waited_for(bench: Workbench, hostile: HostileBigQuery) -> None:
    with resident(bench) as session, held(hostile, Method.TABLES_INSERT, first=2) as asked:
        cycle(session, bench)
        assert asked.wait(PATIENCE_S)
        cycle(session, bench, "ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 7")
        wait_until(lambda: have_opened(hostile, 3), "one is made for the new columns")
        for_new_columns = hostile.matching(Method.CREATE_WRITE_STREAM)[-1].path.rpartition("/")[2]
        cycle(session, bench)
        assert hostile.matching(Method.APPEND_ROWS, for_new_columns)


def test_none_is_taken_once_all_are_closed(bench: Workbench, hostile: HostileBigQuery) -> None:
    """Its keeper would drop it under the chunk, as soon as it has dropped the one before."""
    with resident(bench) as session, held(hostile, Method.TABLES_DELETE, first=1) as asked:
        warm = WarmStaging(session.destination)
        kept = replace(session, effects=Delivering(session.destination, warm))
        cycle(kept, bench)
        assert asked.wait(PATIENCE_S)
        spare = hostile.matching(Method.CREATE_WRITE_STREAM)[-1].path.rpartition("/")[2]
        warm.close()
        cycle(kept, bench)
        assert not hostile.matching(Method.APPEND_ROWS, spare)


@pytest.mark.parametrize(("later_s", "told"), [(200.0, 1), (400.0, 0)])
def test_a_refusal_is_told_once_and_to_a_cycle_that_follows_soon(
    bench: Workbench, hostile: HostileBigQuery, later_s: float, told: int,
) -> None:
    failure = StorageFailure(status=grpc.StatusCode.RESOURCE_EXHAUSTED, message="Exceeded rate limits")
    hostile.rule(Method.CREATE_WRITE_STREAM, failure, first=2, times=1)
    set_s = [0.0]
    heard: list[BqsyncError] = []
    with resident(bench) as session:
        policy = replace(session.destination.policy, on_retry=lambda failure, *_: heard.append(failure))
        destination = replace(session.destination, policy=policy)
        warm = WarmStaging(destination, now_s=lambda: time.monotonic() + set_s[0])
        kept = replace(session, destination=destination, effects=Delivering(destination, warm))
        cycle(kept, bench)
        wait_until(lambda: have_opened(hostile, 3), "the stream is opened at the second try")
        assert wait_for_spare(bench, hostile)
        set_s[0] = later_s
        cycle(kept, bench)
        assert [failure.rule.asks_for_fewer_calls for failure in heard] == [True] * told
        warm.close()


def test_a_table_that_somebody_drops_meanwhile_costs_one_cycle(bench: Workbench, hostile: HostileBigQuery) -> None:
    with resident(bench) as session:
        cycle(session, bench)
        bench.rest.delete_table(f"{bench.dataset}.{wait_for_spare(bench, hostile)}")
        session.stop.set()  # no failed call is tried again
        bench.db.execute("UPDATE t SET v = 'new'")
        (failed,) = sync_tables(session, (), CycleOptions())
        assert failed.error is not None
        session.stop.clear()
        (outcome,) = sync_tables(session, (), CycleOptions())
        assert (outcome.error, outcome.rows_upserted) == (None, 1)
    assert [row["v"] for row in bench.rows("t", "id")] == ["new"]
