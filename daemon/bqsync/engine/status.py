"""How everything stands, from what the state and the running daemon have written: what `bqsync status` shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bqsync.config import Config, TableSection
from bqsync.engine.schedule import ready_us
from bqsync.errors import BqsyncError, ErrorKind, utf8
from bqsync.model import SweepPolicy
from bqsync.observe.live import LiveStatus, LiveTable, live_file, read_live
from bqsync.observe.report import DaemonStatus, Health, LiveTableStatus, StatusReport, TableStatus
from bqsync.state.clock import now_us
from bqsync.state.health import RowCounts, TableHealth, table_health, unknown_table
from bqsync.state.lock import lock_holder
from bqsync.state.store import Store


def read_status(config: Config, clock: Callable[[], int] = now_us) -> StatusReport:
    """
    Look at the state and the live file, beside whoever works with them. Nothing is written, and BigQuery not called.

    Args:
        config: checked configuration.
        clock: the wall clock, in Unix microseconds.

    Raises:
        BqsyncError: STATE_NEWER, STATE_DAMAGED, STATE_UNWRITABLE.
    """
    known = _health(config)
    pid = lock_holder(config.state.file)
    return report(config, known, pid, _live(config.state.file, pid), clock())


def report(
    config: Config, known: Mapping[str, TableHealth] | None, pid: int | None, live: LiveStatus | None, now_us: int
) -> StatusReport:
    """
    Put together what is known. Pure.

    Args:
        config: whose tables are told of.
        known: what the state says of them, by name; None where there is no state.
        pid: of the process that works with the state.
        live: what the daemon tells of itself; None where there is none.
        now_us: the wall clock.
    """
    running = {} if live is None else live.tables
    return StatusReport(
        source=config.source.name, db=utf8(str(config.source.db)), state_file=utf8(str(config.state.file)),
        has_state=known is not None, pid=pid, daemon=None if live is None else _daemon(live),
        daily_bytes_billed_limit=config.sync.daily_bytes_billed_limit,
        tables=tuple(
            _table(config, section, (known or {}).get(section.name) or unknown_table(section.name),
                   running.get(section.name), now_us)
            for section in config.tables),
    )


def next_sweep_us(health: TableHealth, *, interval_us: int, duty: float, now_us: int) -> int:
    """When the next sweep of a table may begin, by what the state says. Pure."""
    rested_us = 0 if health.last_walk is None or not health.rows else ready_us(health.last_walk, duty)
    if health.sweep_due is not None or health.last_sweep_us is None:
        return max(rested_us, now_us)
    return max(rested_us, health.last_sweep_us + interval_us)


def health_of(config: Config, store: Store, counted: RowCounts | None = None) -> dict[str, TableHealth]:
    """
    What an open state says of the configured tables, by name.

    Args:
        config: whose tables are told of.
        store: the open state.
        counted: their rows; None: they are counted.

    Raises:
        BqsyncError: the state can't be read.
    """
    found = table_health(store, config.source.name, [table.name for table in config.tables], counted=counted)
    return {table.name: table for table in found}


def _health(config: Config) -> dict[str, TableHealth] | None:
    try:
        store = Store(config.state.file, read_only=True)
    except BqsyncError as failure:
        if failure.kind is ErrorKind.STATE_MISSING:
            return None
        raise
    try:
        return health_of(config, store)
    finally:
        store.close()


def _live(state_file: Path, pid: int | None) -> LiveStatus | None:
    """What the daemon tells: of one that has died, the lock is free or another's."""
    live = read_live(live_file(state_file)) if pid else None
    return live if live is not None and live.pid == pid else None


def _daemon(live: LiveStatus) -> DaemonStatus:
    return DaemonStatus(pid=live.pid, started_us=live.started_us, as_of_us=live.written_us,
                        source_failure=live.source_failure, outage=live.outage, outage_until_us=live.outage_until_us)


def _table(
    config: Config, section: TableSection, known: TableHealth, live: LiveTable | None, now_us: int
) -> TableStatus:
    is_swept = section.sweep is SweepPolicy.ON
    interval_us = int(config.sweep_interval_s(section) * 1_000_000)
    next_us = next_sweep_us(known, interval_us=interval_us, duty=config.sync.sweep_duty, now_us=now_us)
    confirm = f"bqsync sync {section.name} --confirm-deletes {known.deletes_held}"
    return TableStatus(
        name=section.name, health=_word(known, live), target=known.target, rows=known.rows,
        quarantined=known.quarantined, reconcile_pending=known.reconcile_pending,
        last_success_us=known.last_success_us, last_attempt_us=known.last_attempt_us, last_error=known.last_error,
        last_sweep_us=known.last_sweep_us, sweep_due=known.sweep_due if is_swept else None,
        next_sweep_us=next_us if is_swept else None, last_verify_us=known.last_verify_us,
        next_verify_us=_next_verify_us(config, known), suspicion=known.suspicion, deletes_held=known.deletes_held,
        confirm_deletes=confirm if known.deletes_held else None, merge_interval_s=config.merge_interval_s(section),
        bytes_billed_today=known.bytes_billed_today, merges_today=known.merges_today,
        live=None if live is None else _live_table(live, now_us),
    )


def _next_verify_us(config: Config, known: TableHealth) -> int | None:
    if known.last_verify_us is None or not config.sync.verify_interval_s:
        return None
    return known.last_verify_us + int(config.sync.verify_interval_s * 1_000_000)


def _live_table(live: LiveTable, now_us: int) -> LiveTableStatus:
    since_us = live.pending_since_us
    return LiveTableStatus(
        is_running=live.is_running, pending_since_us=since_us,
        lag_s=0.0 if since_us is None else max(0, now_us - since_us) / 1_000_000, failures=live.failures,
        paused_until_us=live.paused_until_us, merge_interval_s=live.merge_interval_s,
        doubtful_since_us=live.doubtful_since_us,
    )


def _word(known: TableHealth, live: LiveTable | None) -> Health:
    if known.last_error and known.last_error["kind"] == ErrorKind.DAILY_LIMIT_REACHED:
        return Health.WAITING
    if known.last_error or (live is not None and live.failures):
        return Health.FAILED
    if known.last_attempt_us is None:
        return Health.NEW
    return Health.RECONCILE if known.reconcile_pending else Health.OK
