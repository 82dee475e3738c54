"""What the daemon tells at intervals: to the service manager, and to the log."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bqsync.engine.loop import Loop
from bqsync.engine.session import Session
from bqsync.engine.systemd import Notifier
from bqsync.model import CycleOutcome
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger

_log = get_logger()

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Pulse:
    """
    Status, watchdog pings and heartbeats.

    Args:
        notifier: to the service manager.
        started_s: the monotonic instant at which the daemon began.
    """

    def __init__(self, notifier: Notifier, started_s: float) -> None:
        self._notifier = notifier
        self._started_s = started_s
        self._heartbeat_s = started_s
        self._ping_s = started_s
        self._cycles = self._upserted = self._deleted = 0

    def count(self, outcome: CycleOutcome) -> None:
        """A cycle has ended well."""
        self._cycles += 1
        self._upserted += outcome.rows_upserted
        self._deleted += outcome.rows_deleted

    def beat(self, session: Session, loop: Loop) -> float:
        """Tell what is to be told now; returns for how many seconds there is nothing to tell."""
        now_s = time.monotonic()
        self._notifier.status(_status(session, loop))
        if self._notifier.watchdog_s is not None and now_s >= self._ping_s:
            self._ping_s = now_s + self._notifier.watchdog_s / 3
            if loop.is_alive():
                self._notifier.ping()
        interval_s = session.config.log.heartbeat_interval_s
        if now_s >= self._heartbeat_s + interval_s:
            self._heartbeat_s = now_s
            self._tell(session, loop, now_s)
        next_s = self._heartbeat_s + interval_s
        return max(0.0, (next_s if self._notifier.watchdog_s is None else min(next_s, self._ping_s)) - now_s)

    def _tell(self, session: Session, loop: Loop, now_s: float) -> None:
        _log.info(Event.DAEMON_HEARTBEAT, tables=len(session.config.tables),
                  failing=sorted(table for _, table in loop.agenda.failing()), lag_s=_lag_s(session, loop),
                  cycles=self._cycles, rows_upserted=self._upserted, rows_deleted=self._deleted,
                  file_events=loop.lookout.events, uptime_s=round(now_s - self._started_s), rss_bytes=_rss_bytes())
        self._cycles = self._upserted = self._deleted = 0


def _status(session: Session, loop: Loop) -> str:
    count = len(session.config.tables)
    tables = "1 table" if count == 1 else f"{count} tables"
    failure = loop.lookout.lost or loop.setbacks.outage
    if failure is not None:
        return f"{tables}, waiting: {failure.what} ({failure.rule.code})"
    if not loop.has_arrived:
        return f"{tables}, calling BigQuery"
    failing = loop.agenda.failing()
    if failing:
        tables += f", failing: {', '.join(sorted(table for _, table in failing))}"
    lag_s = _lag_s(session, loop)
    return f"{tables}, up to date" if lag_s < 1 else f"{tables}, lag {lag_s:.0f} s"


def _lag_s(session: Session, loop: Loop) -> float:
    """Seconds since the oldest change that may not be delivered; 0 where there is none."""
    changed_us = loop.agenda.oldest_change_us()
    return 0.0 if changed_us is None else round(max(0, session.now_us() - changed_us) / 1_000_000, 1)


def _rss_bytes() -> int:
    """Source: https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html"""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
