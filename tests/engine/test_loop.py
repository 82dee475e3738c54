"""What the loop makes of cycles that have ended; nothing is called, and no cycle is begun."""

from __future__ import annotations

import queue
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import pytest
from structlog.testing import capture_logs

from bqsync.config import load
from bqsync.engine.loop import Loop, _Ended
from bqsync.engine.opening import locked_state, open_rooms
from bqsync.engine.run import TableRun, note_attempt
from bqsync.engine.schedule import Outlook
from bqsync.engine.session import Session
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome
from bqsync.state.tables import TableState

FLOOD = BqsyncError(ErrorKind.QUARANTINE_FLOOD, what="too many", why="wrong mapping", fix="mend it")
IDLE = Outlook(as_of_us=0, due_us=None, change_us=0)
OWING = Outlook(as_of_us=0, due_us=10**18, change_us=0, owes_sweep=True)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Two tables, and a BigQuery where nobody listens."""
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.executescript("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);")
    file = tmp_path / "config.toml"
    file.write_text('[source]\ndb = "app.db"\n[bigquery]\nproject = "demo"\ndataset = "d"\n'
                    'rest_endpoint = "127.0.0.1:9"\ngrpc_endpoint = "127.0.0.1:9"\n'
                    '[[tables]]\nname = "a"\n[[tables]]\nname = "b"\n', encoding="utf-8")
    config = load(file, environ={})
    with locked_state(config) as held, open_rooms(config, {}, held=held, stop=StopEvent()) as opened:
        yield opened


@pytest.fixture
def loop(session: Session) -> Iterator[Loop]:
    one = Loop(session, queue.SimpleQueue())
    yield one
    one.begin_end()


def key(table: str) -> tuple[str, str]:
    return ("app", table)


def ended(loop: Loop, table: str, outlook: Outlook = IDLE, *, failure: BqsyncError | None = None,
          deferred: int = 0) -> None:
    """A cycle of that table begins and ends."""
    loop.agenda.start(key(table), 0.0)
    outcome = CycleOutcome(table=table, target=table)
    outcome.deletes_deferred = deferred
    loop.take(_Ended(key(table), TableRun(outcome=outcome, outlook=None if failure else outlook, failure=failure)))


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
