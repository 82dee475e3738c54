"""What a session keeps of a plan, and what it does not read again."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import tzinfo

import pytest
from tests.workbench import Workbench

from bqsync.capture.source import Source
from bqsync.encode.mapping import ColumnDraft
from bqsync.engine import plan, watermarks
from bqsync.engine.cycle import CycleOptions
from bqsync.engine.identity import IdentityWatch
from bqsync.engine.opening import open_session
from bqsync.engine.run import TableRun, run_cycle
from bqsync.engine.schedule import SweepMode
from bqsync.engine.session import Session
from bqsync.engine.watermark_verdict import judge_column
from bqsync.model import TableSpec, TimestampFormat
from bqsync.state.watermarks import WatermarkColumn

TABLE = '[[tables]]\nname = "t"\ntypes = { gone_at = "TIMESTAMP" }\n'
OFF = ('[[tables]]\nname = "t"\nsweep = "off"\nwatermark = ["at", "other"]\n'
       'timestamps = { at = "unix_seconds" }\ntypes = { other = "STRING" }\n')


def cycle(session: Session) -> TableRun:
    """A cycle as the daemon runs it: the schema is what it was."""
    run = run_cycle(session, session.config.tables[0], CycleOptions(sweep=SweepMode.DUE, schema_cookie=7),
                    lambda _rows: None)
    assert run.failure is None
    return run


def test_an_empty_column_is_looked_through_once_and_decided_when_it_has_a_value(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch,
) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, gone_at INTEGER); INSERT INTO t VALUES (1, NULL)")
    workbench.configure(TABLE, sync="sweep_duty = 1")
    probed: list[str] = []
    probe = plan.probe_column

    def count(source: Source, table: str, column: ColumnDraft) -> TimestampFormat | None:
        probed.append(column.source.name)
        return probe(source, table, column)

    monkeypatch.setattr(plan, "probe_column", count)
    with open_session(workbench.config) as session:
        cycle(session)
        for number in (2, 3):
            # A minute later.
            session.planned["t"] = replace(session.planned["t"], until_s=0.0)
            workbench.db.execute("INSERT INTO t VALUES (?, NULL)", (number,))
            assert cycle(session).outcome.rows_upserted == 1
        assert probed == ["gone_at"]
        workbench.db.execute("UPDATE t SET gone_at = 1700000000 WHERE id = 2")
        cycle(session)
    assert probed == ["gone_at"] * 2
    assert [row["id"] for row in workbench.rows("t", "id") if row["gone_at"] is not None] == [2]


def test_open_columns_of_a_table_that_is_not_swept_keep_to_the_duty_cycle(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch,
) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, other TEXT); CREATE INDEX i ON t (at);"
                   "INSERT INTO t VALUES (1, 1700000000, 'no instant')")
    workbench.configure(OFF, sync="sweep_duty = 0.000001")
    judged: list[str] = []

    def count(source: Source, spec: TableSpec, name: str, zone: tzinfo) -> WatermarkColumn | None:
        judged.append(name)
        return judge_column(source, spec, name, zone)

    monkeypatch.setattr(watermarks, "judge_column", count)
    with open_session(workbench.config) as session:
        for number in (2, 3):
            cycle(session)
            workbench.db.execute("INSERT INTO t VALUES (?, ?, 'no instant')", (number, 1_700_000_000 + number))
        cycle(session)
    assert judged == ["at", "other"]
    assert len(workbench.rows("t", "id")) == 3


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
                os.replace(other, workbench.db_path)  # noqa: PTH105 - as a restore does
    assert cookies[0] == cookies[1]
    assert [(row["v"], row["w"]) for row in workbench.rows("t", "id")] == [(None, "new")]
