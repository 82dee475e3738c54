"""What a log tells of each table so far: one line for each. Pure; times are those of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bqsync.observe.amounts import count, duration
from bqsync.observe.events import Event
from bqsync.observe.moments import ago
from bqsync.observe.render import moment_of
from bqsync.observe.selection import Selection

_FAILURES = frozenset({Event.SYNC_FAILED, Event.TABLE_REFUSED, Event.VERIFY_FAILED})
_DAEMON_STATES: Mapping[str, str] = {
    Event.DAEMON_STARTED: "starts", Event.DAEMON_READY: "runs", Event.DAEMON_HEARTBEAT: "runs",
    Event.DAEMON_STOPPING: "is ending", Event.DAEMON_STOPPED: "has ended",
    Event.SOURCE_UNAVAILABLE: "waits for the database", Event.SOURCE_RECOVERED: "runs",
    Event.BIGQUERY_UNAVAILABLE: "waits for BigQuery",
}
HEADINGS = ("table", "last cycle", "upserted", "deleted", "lag", "took", "errors", "state")


@dataclass(slots=True)
class TableSummary:
    """What is known of one table."""

    last_cycle: datetime | None = None
    rows_upserted: int = 0
    rows_deleted: int = 0
    lag_s: float | None = None
    duration_s: float | None = None
    errors: int = 0
    quarantined: int = 0
    trouble: str = ""
    """Why it does not do well; empty where it does."""

    @property
    def state(self) -> str:
        """In a few words."""
        if self.trouble:
            return self.trouble
        return f"{self.quarantined:,} in quarantine" if self.quarantined else "ok"


@dataclass(slots=True)
class Summary:
    """Gathers lines of a log, in their order."""

    selection: Selection
    tables: dict[str, TableSummary] = field(default_factory=dict)
    daemon: str = ""
    begun: datetime | None = None
    """The first instant of the log."""
    newest: datetime | None = None
    """The last one: what "now" is in a log that has ended."""

    def add(self, lines: Sequence[bytes]) -> None:
        """Take lines in, each without its end."""
        for line in lines:
            event = self.selection.event_of(line)
            if event is not None:
                self._take(event)

    def rows(self, now: datetime | None) -> list[list[object]]:
        """
        A line for each table, in the order of their names, as `HEADINGS` has it.

        Args:
            now: the instant that "ago" counts from; None for the newest one of the log.
        """
        now = now or self.newest
        return [[name, _ago(table.last_cycle, now), table.rows_upserted, table.rows_deleted,
                 "" if table.lag_s is None else duration(table.lag_s),
                 "" if table.duration_s is None else duration(table.duration_s), table.errors, table.state]
                for name, table in sorted(self.tables.items())]

    def footing(self, now: datetime | None) -> str:
        """A line below them: of the daemon, and of the log."""
        parts = [f"the daemon {self.daemon}"] if self.daemon else []
        if self.begun and self.newest:
            span = (now or self.newest) - self.begun
            parts.append(f"{count(len(self.tables), 'table')} in {duration(max(0.0, span.total_seconds()))} of log, "
                         f"from {self.begun:%Y-%m-%d %H:%M:%S}")
        return "; ".join(parts)

    def _take(self, event: Mapping[str, Any]) -> None:
        moment = moment_of(event)
        if moment is not None:
            self.begun = self.begun or moment
            self.newest = moment if self.newest is None else max(self.newest, moment)
        name = event.get("event")
        if not isinstance(name, str):
            return
        self.daemon = _DAEMON_STATES.get(name, self.daemon)
        table = event.get("table")
        if isinstance(table, str) and table:
            self._take_of(self.tables.setdefault(table, TableSummary()), name, event, moment)
        elif name == Event.DAEMON_STARTED:
            # What failed in an earlier life is tried anew.
            for known in self.tables.values():
                known.trouble = ""

    @staticmethod
    def _take_of(table: TableSummary, name: str, event: Mapping[str, Any], moment: datetime | None) -> None:
        if event.get("level") == "error":
            table.errors += 1
        if name == Event.SYNC_COMPLETED:
            table.last_cycle = moment
            table.rows_upserted += _amount(event, "rows_upserted")
            table.rows_deleted += _amount(event, "rows_deleted")
            table.quarantined = _amount(event, "quarantine_total")
            table.lag_s = _seconds(event.get("lag_s"), table.lag_s)
            stages = event.get("durations_s")
            if isinstance(stages, dict):
                table.duration_s = sum(_seconds(value, 0.0) or 0.0 for value in stages.values())
            table.trouble = ""
        elif name == Event.DELETES_HELD_BACK:
            table.trouble = f"{count(_amount(event, 'deletes'), 'delete')} held back"
        elif name in _FAILURES:
            table.trouble = f"failed: {str(event.get('code', ''))[:20]}".removesuffix(": ")
        elif name == Event.SYNC_RECOVERED:
            table.trouble = ""


def _ago(moment: datetime | None, now: datetime | None) -> str:
    return "" if moment is None or now is None else ago(_unix_us(moment), _unix_us(now))


def _unix_us(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _amount(event: Mapping[str, Any], name: str) -> int:
    value = event.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _seconds(value: object, otherwise: float | None) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else otherwise
