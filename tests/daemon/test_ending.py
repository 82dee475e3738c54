"""However a daemon ends, the next one takes up what was left: every row once, and nothing else."""

from __future__ import annotations

import signal
import time
from functools import partial

import pytest
from tests.daemon.conftest import Start
from tests.daemon.tables import MARKED, PLAIN, configure, fill, is_equal, is_tidy, wait_equal
from tests.hostile.actions import Delay, Method
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.engine.daemon import GRACE_S
from bqsync.observe.control import control_socket

LONG = Delay(300.0)


def assert_next_start_converges(start: Start, bench: Workbench, *tables: str) -> None:
    life = start(bench).ready()
    wait_equal(life, bench, *tables)
    life.wait_until(lambda: is_tidy(bench, *tables), "nothing is left of the chunks before")
    assert life.end() == 0
    assert life.events("sync.failed") == []
    assert all(is_equal(bench, table) for table in tables)


@pytest.mark.parametrize("method", [Method.APPEND_ROWS, Method.JOBS_INSERT])
def test_a_daemon_that_waits_for_bigquery_ends_in_time_and_loses_nothing(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start, method: Method,
) -> None:
    bench = hostile_bench
    fill(bench, 300)
    configure(bench, MARKED + PLAIN, sync="page_rows = 50\nchunk_rows = 100")
    rule = hostile.rule(method, LONG, holding=bench.dataset, first=2)
    life = start(bench).ready()
    life.wait_until(lambda: rule.fired, "a call that gets no answer")
    assert life.end() == 0
    assert life.events("daemon.stopped")[0]["abandoned"]
    assert not control_socket(bench.state_path).exists()
    assert life.events("sync.failed") == [], "to be told to stop is no failure"
    hostile.reset()
    assert_next_start_converges(start, bench, "marked", "plain")


def test_a_daemon_that_is_asked_twice_does_not_wait_for_the_grace(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    """One of three attempts counts: the machine may stand still in the others."""
    fill(hostile_bench)
    configure(hostile_bench, PLAIN)
    durations_s: list[float] = []
    while len(durations_s) < 3 and min(durations_s, default=GRACE_S) >= GRACE_S:
        hostile.reset()
        rule = hostile.rule(Method.JOBS_INSERT, LONG, holding=hostile_bench.dataset)
        life = start(hostile_bench).ready()
        life.wait_until(partial(getattr, rule, "fired"), "a call that gets no answer")
        life.process.send_signal(signal.SIGTERM)
        life.wait("daemon.stopping")
        assert life.end() == 0
        (stopped,) = life.events("daemon.stopped")
        assert stopped["abandoned"]
        durations_s.append(stopped["duration_s"])
    assert min(durations_s) < GRACE_S
    hostile.reset()
    assert_next_start_converges(start, hostile_bench, "plain")


def test_the_end_during_the_first_calls_to_bigquery_comes_in_time(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start,
) -> None:
    fill(hostile_bench)
    configure(hostile_bench, PLAIN)
    rule = hostile.rule(Method.DATASETS_GET, LONG)
    life = start(hostile_bench).ready()
    life.wait_until(lambda: rule.fired, "the first call")
    assert life.end() == 0
    hostile.reset()
    assert_next_start_converges(start, hostile_bench, "plain")


@pytest.mark.parametrize("place", [
    "chunk.appended", "merge.submitted", "commit.half", "sweep.walked",
])
def test_a_daemon_that_is_killed_loses_nothing(workbench: Workbench, start: Start, place: str) -> None:
    fill(workbench, 12)
    configure(workbench, MARKED + PLAIN, sync="page_rows = 3\nchunk_rows = 4")
    assert start(workbench, BQSYNC_FAILPOINT=place).died() == -signal.SIGKILL
    assert_next_start_converges(start, workbench, "marked", "plain")


def test_a_daemon_that_is_killed_in_a_later_cycle_loses_nothing(workbench: Workbench, start: Start) -> None:
    fill(workbench, 12)
    configure(workbench, MARKED + PLAIN)
    life = start(workbench, BQSYNC_FAILPOINT="merge.ended:3")
    life.ready()
    wait_equal(life, workbench, "marked", "plain")
    workbench.db.execute("BEGIN")
    workbench.db.execute("DELETE FROM plain WHERE id = 1")
    workbench.db.execute("UPDATE plain SET v = 'changed' WHERE id = 2")
    workbench.db.execute("COMMIT")
    assert life.died() == -signal.SIGKILL
    workbench.db.execute("DELETE FROM plain WHERE id = 3")
    assert_next_start_converges(start, workbench, "marked", "plain")


def test_a_daemon_that_was_stopped_for_a_while_catches_up(workbench: Workbench, start: Start) -> None:
    fill(workbench)
    configure(workbench, MARKED + PLAIN)
    life = start(workbench, WATCHDOG_USEC="1000000").ready()
    wait_equal(life, workbench, "marked", "plain")
    life.process.send_signal(signal.SIGSTOP)
    for number in range(20):
        workbench.db.execute("INSERT INTO plain VALUES (?, 'while it slept')", (100 + number,))
        workbench.db.execute("UPDATE marked SET v = 'while it slept', at = at + 100 WHERE id = ?", (number % 10,))
        time.sleep(0.1)  # for longer than a ping may be late
    life.process.send_signal(signal.SIGCONT)
    wait_equal(life, workbench, "marked", "plain")
    pings = len(life.manager.texts("WATCHDOG=1"))
    life.wait_until(lambda: len(life.manager.texts("WATCHDOG=1")) > pings, "pings again")
    assert life.end() == 0
    # A call that it slept through may have to be made again.
    told = [line for line in life.lines if line["event"] != "retry.scheduled"]
    assert [line for line in told if line["level"] in {"error", "warning"}] == []
