"""What a daemon notes of cycles that have found nothing."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs
from tests.workbench import Workbench

from bqsync.engine.cycle import CycleOptions
from bqsync.engine.opening import open_session
from bqsync.engine.run import run_cycle
from bqsync.engine.schedule import SweepMode

HOUR_US = 3_600_000_000


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
