"""Snapshots of daemons that never ran, with all that a page or a terminal has to cope with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.observe.lag_trace import STEP_S, STEPS
from bqsync.observe.report import DaemonStatus, Health, LiveTableStatus, StatusReport, TableStatus
from bqsync.observe.snapshot import VERSION, History, PastCycle, PastFailure, Snapshot, TableHistory

NOW_US = 1_767_225_600_000_000
HOSTILE = '<script>alert(1)</script>"\'&\u202eevil\x1b[2J\n</style><img src=x onerror=alert(2)>' + "w" * 200
FOREIGN = BqsyncError(ErrorKind.TARGET_FOREIGN, what="the table p.d.orders was not made by bqsync",
                      why="it carries no label of bqsync and holds 12 rows").as_dict()

LIVE = LiveTableStatus(is_running=False, pending_since_us=None, lag_s=0.0, failures=0, paused_until_us=None,
                       merge_interval_s=0.0, doubtful_since_us=None)


def table(name: str, **more: Any) -> TableStatus:
    """A table that is well, but for what is said."""
    well = TableStatus(
        name=name, health=Health.OK, target=f"p.d.{name}", rows=1_234, quarantined=0, reconcile_pending=False,
        last_success_us=NOW_US - 4_000_000, last_attempt_us=NOW_US - 4_000_000, last_error=None,
        last_sweep_us=NOW_US - 60_000_000, sweep_due=None, next_sweep_us=NOW_US + 60_000_000, last_verify_us=None,
        next_verify_us=None, suspicion=None, deletes_held=0, confirm_deletes=None, merge_interval_s=0.0,
        bytes_billed_today=3 << 20, merges_today=4, live=LIVE)
    return replace(well, **more)


def failing(name: str) -> TableStatus:
    """A table whose cycles fail."""
    live = replace(LIVE, failures=3, pending_since_us=NOW_US - 1_200_000_000, lag_s=1_200.0,
                   paused_until_us=NOW_US + 90_000_000)
    return table(name, health=Health.FAILED, last_error=FOREIGN, live=live)


def cycle(**more: Any) -> PastCycle:
    """One that has sent a few rows."""
    fields: dict[str, Any] = {
        "ended_us": NOW_US - 300_000_000, "duration_s": 1.25, "swept": False, "rows_upserted": 12, "rows_deleted": 3,
        "rows_quarantined": 0, "bytes_billed": 20 << 20, "lag_s": 1.5, "code": None, "times": 1}
    return PastCycle(**{**fields, **more})


def snapshot(*tables: TableStatus, daemon: DaemonStatus | None = None) -> Snapshot:
    """A daemon with these tables, each of which had some lag."""
    lag_s = tuple(float(step % 40) for step in range(STEPS))
    history = {one.name: TableHistory(lag_s=lag_s, cycles=(cycle(), cycle(code="E306", times=4))) for one in tables}
    failures = (PastFailure(table=None, first_us=NOW_US - 9_000_000, last_us=NOW_US - 5_000_000, times=2, **{
        key: FOREIGN[key] for key in ("code", "kind", "what", "why", "fix")}),)
    runs = DaemonStatus(pid=4711, started_us=NOW_US - 7_200_000_000, as_of_us=NOW_US, source_failure=None, outage=None,
                        outage_until_us=None)
    report = StatusReport(source="shop", db="/srv/shop/app.db", state_file="/var/lib/bqsync/state.db", has_state=True,
                          pid=4711, daemon=daemon or runs, daily_bytes_billed_limit=None, tables=tables)
    return Snapshot(version=VERSION, taken_us=NOW_US, report=report,
                    history=History(step_s=STEP_S, tables=history, failures=failures))
