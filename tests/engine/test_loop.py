"""What the loop makes of cycles that have ended; nothing is called, and no cycle is begun."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from bqsync.engine.loop import Loop
from bqsync.engine.run import TableRun, note_attempt
from bqsync.engine.schedule import Outlook
from bqsync.engine.session import Session
from bqsync.engine.workers import Arrived, Ended
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome
from bqsync.state.tables import TableState

FLOOD = BqsyncError(ErrorKind.QUARANTINE_FLOOD, what="too many", why="wrong mapping", fix="mend it")
DOWN = BqsyncError(ErrorKind.BIGQUERY_UNREACHABLE, what="nobody answers", why="refused", fix="wait")
GONE = BqsyncError(ErrorKind.SOURCE_MISSING, what="there is no file", why="it was taken away", fix="put it back")
IDLE = Outlook(as_of_us=0, due_us=None, change_us=0)
OWING = Outlook(as_of_us=0, due_us=10**18, change_us=0, owes_sweep=True)


def key(table: str) -> tuple[str, str]:
    return ("app", table)


def ended(loop: Loop, table: str, outlook: Outlook = IDLE, *, failure: BqsyncError | None = None,
          deferred: int = 0, merges: int = 0, was_throttled: bool = False) -> None:
    """A cycle of that table begins and ends."""
    loop.agenda.start(key(table), 0.0)
    outcome = CycleOutcome(table=table, target=table)
    outcome.deletes_deferred, outcome.merges = deferred, merges
    run = TableRun(outcome=outcome, outlook=None if failure else outlook, failure=failure)
    loop.take(Ended(key(table), run, was_throttled=was_throttled))


def look(loop: Loop) -> None:
    """A look at the file, later than any event that may just have come could ask for one."""
    loop.lookout.look(max(time.monotonic(), loop.lookout.next_s()) + 3_600.0)


def told(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, object]]:
    """Event and failures of the lines that are no mere debugging."""
    return [(line["event"], line.get("failures")) for line in lines if line["log_level"] != "debug"]


def test_passes_while_a_sweep_rests_end_no_failure_of_the_sweep(loop: Loop) -> None:
    with capture_logs() as lines:
        for _ in range(3):
            ended(loop, "a", failure=FLOOD)
            ended(loop, "a", OWING)
        assert told(lines) == [("sync.failed", 1)]
        assert loop.agenda.failing() == [key("a")]
        ended(loop, "a")
    assert told(lines) == [("sync.failed", 1), ("sync.recovered", 3)]


def test_a_state_that_can_t_be_written_is_told_once_and_not_by_every_cycle(session: Session) -> None:
    for table in "ab":
        TableState(session.store, session.source_id, table)
    with session.store.transaction() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with capture_logs() as lines:
        for table in ("a", "b", "a", "b"):
            note_attempt(session, CycleOutcome(table=table, target=table))
    assert [(line["event"], line["code"]) for line in lines] == [("sync.failed", "E403")]


def test_a_table_that_meets_a_quota_comes_less_often_and_says_so(loop: Loop) -> None:
    with capture_logs() as lines:
        ended(loop, "a", merges=1, was_throttled=True)
        ended(loop, "a", merges=1, was_throttled=True)
        ended(loop, "b", merges=1)
        ended(loop, "a", merges=1)
        ended(loop, "a", merges=1)
    told = [(line["log_level"], line["event"], line["table"], line["before_s"], line["interval_s"])
            for line in lines if line["event"].startswith("merge_interval.")]
    assert told == [
        ("warning", "merge_interval.widened", "a", 0.0, 2.0), ("warning", "merge_interval.widened", "a", 2.0, 4.0),
        ("info", "merge_interval.narrowed", "a", 4.0, 2.0), ("info", "merge_interval.narrowed", "a", 2.0, 0.0),
    ]


def test_in_an_outage_one_table_tries_and_the_others_wait_for_it(session: Session) -> None:
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    loop = Loop(session, inbox)
    loop.take(Arrived(None))
    with capture_logs():
        ended(loop, "a", failure=DOWN)
        ended(loop, "b", failure=DOWN)
    loop.setbacks.until_s = 0.0
    loop.step()
    assert len(loop.agenda.running()) == 1
    loop.step()
    assert len(loop.agenda.running()) == 1, "the other one waits for what becomes of it"
    loop.begin_end()
    assert isinstance(inbox.get(timeout=60.0), Ended)


@pytest.mark.parametrize("looks_first", [True, False])
def test_a_file_that_is_lost_to_looks_and_cycles_alike_is_told_once(
    session: Session, loop: Loop, *, looks_first: bool,
) -> None:
    """Two parts of the daemon meet one trouble, in either order."""
    loop.take(Arrived(None))
    away = session.source.path.rename(session.source.path.with_name("away.db"))
    with capture_logs() as lines:
        for turn in range(2):
            if looks_first or turn:
                look(loop)
            ended(loop, "a", failure=GONE)
            ended(loop, "b", failure=GONE)
        away.rename(session.source.path)
        look(loop)
    assert told(lines) == [("source.unavailable", None), ("source.recovered", None)]
    assert not loop.is_failing()


def test_a_file_that_can_be_looked_at_and_not_read_is_told_by_the_cycles(loop: Loop) -> None:
    with capture_logs() as lines:
        ended(loop, "a", failure=GONE)
        ended(loop, "b", failure=GONE)
        look(loop)
    assert told(lines) == [("sync.failed", 1)]
    assert loop.is_failing()
