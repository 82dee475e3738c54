"""What a session keeps of a plan, and what it does not read again."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from tests.workbench import Workbench

from bqsync.capture.source import Source
from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.identity import IdentityWatch
from bqsync.engine.opening import open_session
from bqsync.engine.run import TableRun, run_cycle
from bqsync.engine.schedule import SweepMode
from bqsync.engine.session import Session

T = TypeVar("T")
TABLE = '[[tables]]\nname = "t"\ntypes = { gone_at = "TIMESTAMP" }\n'
OFF = ('[[tables]]\nname = "t"\nsweep = "off"\nwatermark = ["at", "other"]\n'
       'timestamps = { at = "unix_seconds" }\ntypes = { other = "STRING" }\n')


def cycle(session: Session) -> TableRun:
    """A cycle as the daemon runs it: the schema is what it was."""
    run = run_cycle(session, session.config.tables[0], CycleOptions(sweep=SweepMode.DUE, schema_cookie=7),
                    lambda _rows: None)
    assert run.failure is None
    return run


class TracedSource(Source):
    """Tells which columns were looked through."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.statements: list[str] = []

    def read(self, work: Callable[[Connection], T]) -> T:
        def trace(connection: Connection) -> T:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.set_trace_callback(self.statements.append)
            return work(connection)

        return super().read(trace)

    def judged(self) -> list[str]:
        """The columns whose values were counted by their kind, each as often as they were."""
        counts = [text for text in self.statements if "AS kind, count(*)" in text]
        return [match[1] for text in counts if (match := re.search(r'WHERE s\."(\w+)" IS NOT NULL', text))]


def test_an_empty_column_is_looked_through_once_and_decided_when_it_has_a_value(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, gone_at INTEGER); INSERT INTO t VALUES (1, NULL)")
    workbench.configure(TABLE, sync="sweep_duty = 1")
    source = TracedSource(workbench.db_path)
    with open_session(workbench.config) as opened:
        session = replace(opened, source=source)
        cycle(session)
        for number in (2, 3):
            # A minute later.
            session.planned["t"] = replace(session.planned["t"], until_s=0.0)
            workbench.db.execute("INSERT INTO t VALUES (?, NULL)", (number,))
            assert cycle(session).outcome.rows_upserted == 1
        assert source.judged() == ["gone_at"]
        workbench.db.execute("UPDATE t SET gone_at = 1700000000 WHERE id = 2")
        cycle(session)
    assert source.judged() == ["gone_at"] * 2
    assert [row["id"] for row in workbench.rows("t", "id") if row["gone_at"] is not None] == [2]


def test_open_columns_of_a_table_that_is_not_swept_keep_to_the_duty_cycle(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, other TEXT); CREATE INDEX i ON t (at);"
                   "INSERT INTO t VALUES (1, 1700000000, 'no instant')")
    workbench.configure(OFF, sync="sweep_duty = 0.000001")
    source = TracedSource(workbench.db_path)
    with open_session(workbench.config) as opened:
        session = replace(opened, source=source)
        for number in (2, 3):
            cycle(session)
            workbench.db.execute("INSERT INTO t VALUES (?, ?, 'no instant')", (number, 1_700_000_000 + number))
        cycle(session)
    assert source.judged() == ["other"], "once in three cycles"
    assert len(workbench.rows("t", "id")) == 3


def test_a_table_that_is_not_swept_and_empty_costs_nothing_while_nobody_writes(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, other TEXT)")
    os.utime(workbench.db_path, (1_700_000_000, 1_700_000_000))
    workbench.configure(OFF)
    with open_session(workbench.config) as session:
        run = cycle(session)
        assert run.look == session.source.file_state()
        assert run.outlook is not None
        assert run.outlook.next_us(is_changed=False) is None


def test_another_file_with_as_many_changes_of_its_schema_is_planned_anew(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'old')")
    workbench.configure('[[tables]]\nname = "t"\n', sync="sweep_duty = 1")
    other = workbench.folder / "other.db"
    with closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, w TEXT)")
        db.execute("INSERT INTO t VALUES (1, 'new')")
    with open_session(workbench.config) as session:
        watch = IdentityWatch(session)
        cookies = []
        for _ in range(2):
            cookies.append(watch.look())
            options = CycleOptions(sweep=SweepMode.DUE, schema_cookie=cookies[-1])
            run = run_cycle(session, session.config.tables[0], options, lambda _rows: None)
            assert run.failure is None
            if other.exists():
                os.replace(other, workbench.db_path)  # as a restore does
    assert cookies[0] == cookies[1]
    assert [(row["v"], row["w"]) for row in workbench.rows("t", "id")] == [(None, "new")]
