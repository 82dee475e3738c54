"""What a daemon notes of cycles that have found nothing."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs
from tests.workbench import Workbench

from bqsync.engine.cycle_options import CycleOptions
from bqsync.engine.opening import open_session
from bqsync.engine.run import run_cycle
from bqsync.engine.schedule import SweepMode
from bqsync.state.tables import TableState

HOUR_US = 3_600_000_000
MARKED = '[[tables]]\nname = "t"\nwatermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n'


def test_what_passes_deliver_is_a_success_though_a_sweep_rests_unless_the_last_cycle_had_failed(
    workbench: Workbench,
) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER NOT NULL); CREATE INDEX i ON t (at);"
                   " INSERT INTO t VALUES (1, 1750000000)")
    workbench.configure(MARKED, sync="sweep_duty = 0.000001")
    workbench.sync("t")
    noted_us = []
    for number, error in ((2, None), (3, {"code": "E501"})):
        workbench.fill(f"INSERT INTO t VALUES ({number}, 175000000{number})")
        with open_session(workbench.config) as session:
            state = TableState(session.store, session.source_id, "t")
            state.ask_sweep("a reason")
            state.record_attempt(error, 1)
            run = run_cycle(session, session.config.tables[0], CycleOptions(sweep=SweepMode.DUE), lambda _rows: None)
            assert (run.outcome.rows_upserted, run.outcome.swept, run.is_done) == (1, False, False)
            noted_us.append(state.sweep_request().last_attempt_us)
            assert state.has_failed() is (error is not None)
    assert noted_us[0] != 1
    assert noted_us[1] == 1, "the sweep may fail again"


def test_a_clock_that_went_back_is_told_once_and_not_by_every_cycle(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    workbench.configure('[[tables]]\nname = "t"\n')
    clock_us = [1_750_000_000_000_000]
    with open_session(workbench.config) as opened, capture_logs() as lines:
        session = replace(opened, now_us=lambda: clock_us[0])
        for step_us in (0, -HOUR_US, 1_000_000, 1_000_000):
            clock_us[0] += step_us
            run = run_cycle(session, session.config.tables[0], CycleOptions(sweep=SweepMode.DUE), lambda _rows: None)
            assert run.failure is None
    assert [line["what"] for line in lines if line["event"] == "watermark.anomaly"] == ["the clock went back"]
