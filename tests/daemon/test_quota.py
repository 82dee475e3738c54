"""A BigQuery that asks for fewer calls: one table at a time comes less often, sends more at once, and loses nothing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest
from tests.daemon.conftest import Start
from tests.daemon.life import Life
from tests.daemon.tables import AT, MARKED, PLAIN, QUICK, fill, wait_equal
from tests.hostile.actions import Action, Method, RestFailure, StorageFailure
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

LIMITED = RestFailure(status=403, reason="rateLimitExceeded", message="Exceeded rate limits", retry_after="1")
EXCEEDED = RestFailure(status=403, reason="quotaExceeded", message="Quota exceeded")
EXHAUSTED = StorageFailure(status=grpc.StatusCode.RESOURCE_EXHAUSTED, message="Exceeds quota", retry_after_s=1.0)
ROWS_WITHIN_THE_INTERVAL = 5
"""Of twenty in two seconds: the machine may be slow, and the writer with it. Without an interval it is three."""


@pytest.fixture
def busy(hostile_bench: Workbench) -> Iterator[Callable[[], int]]:
    """An application that writes ten times a second, into both tables; called, it stops and says how often."""
    done, count = threading.Event(), 0

    def write() -> None:
        nonlocal count
        with closing(sqlite3.connect(hostile_bench.db_path, isolation_level=None, timeout=60.0)) as db:
            while not done.wait(0.1):
                count += 1
                db.execute("INSERT INTO marked VALUES (?, 'busy', ?)", (1_000 + count, AT + 1_000 + count))
                db.execute("INSERT INTO plain VALUES (?, 'busy')", (1_000 + count,))

    writer = threading.Thread(target=write)

    def stop() -> int:
        done.set()
        writer.join()
        return count

    fill(hostile_bench)
    writer.start()
    yield stop
    stop()


def of_marked(life: Life, after: int) -> list[dict[str, Any]]:
    """The cycles of that table which have delivered something, from so many lines on."""
    return [line for line in life.lines[after:] if line["event"] == "sync.completed" and line["table"] == "marked"]


@pytest.mark.parametrize(("method", "action"), [
    (Method.JOBS_INSERT, LIMITED), (Method.APPEND_ROWS, EXHAUSTED), (Method.CREATE_WRITE_STREAM, EXHAUSTED),
], ids=["jobs", "appends", "streams"])
@pytest.mark.usefixtures("busy")
def test_a_table_that_meets_a_quota_widens_its_interval_and_narrows_it_again(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start, method: Method, action: Action,
) -> None:
    hostile_bench.configure(MARKED + PLAIN, extra=QUICK)
    life = start(hostile_bench).ready()
    life.wait("sync.completed", table="marked")
    hostile.rule(method, action, holding="marked", times=1)
    widened = life.wait("merge_interval.widened", table="marked")
    assert (widened["level"], widened["before_s"], widened["interval_s"]) == ("warning", 0.0, 2.0)
    narrowed = life.wait("merge_interval.narrowed", table="marked")
    assert (narrowed["level"], narrowed["before_s"], narrowed["interval_s"]) == ("info", 2.0, 0.0)
    # The cycle that has waited for the interval says first that the next one need not.
    after = life.lines.index(narrowed)
    life.wait_until(lambda: of_marked(life, after), "the line of that cycle")
    assert of_marked(life, after)[0]["rows_upserted"] >= ROWS_WITHIN_THE_INTERVAL
    assert life.events("merge_interval.widened", table="plain") == [], "one table's trouble is its own"


def test_while_one_table_waits_for_its_quota_the_other_goes_on(
    hostile_bench: Workbench, hostile: HostileBigQuery, start: Start, busy: Callable[[], int],
) -> None:
    hostile_bench.configure(MARKED + PLAIN, extra=QUICK)
    life = start(hostile_bench).ready()
    life.wait("sync.completed", table="marked")
    quota = hostile.rule(Method.JOBS_INSERT, EXCEEDED, holding="marked")
    failed = life.wait("sync.failed", table="marked")
    assert (failed["code"], failed["retry_in_s"] >= 5.0) == ("E304", True)
    life.wait("merge_interval.widened", table="marked")
    before = len(life.events("sync.completed", table="plain"))
    life.wait("sync.completed", before + 3, table="plain")
    hostile.drop(quota)
    assert busy() > 0
    wait_equal(life, hostile_bench, "marked", "plain")
    assert life.wait("sync.recovered", table="marked")["failures"] >= 1
    assert life.end() == 0
