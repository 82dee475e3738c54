"""
How everything stands, at one moment: what `bqsync status` shows, and what its `--json` prints.

Instants are in Unix microseconds, an error is a mapping as in every `--json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec


class Health(StrEnum):
    """A table in one word."""

    NEW = "new"
    """No cycle of it has ended yet."""
    OK = "ok"
    FAILED = "failed"
    """Its last cycle has: `last_error`."""
    RECONCILE = "reconcile"
    """It ended well, and the next one reads the target's keys before anything is compared."""
    WAITING = "waiting"
    """Its statements have cost as much as a day may: it goes on at midnight UTC, `last_error` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """The daemon. Instants in Unix microseconds."""

    pid: int
    started_us: int
    as_of_us: int
    """Since when nothing that it tells has changed."""
    source_failure: Mapping[str, str] | None
    """Why there is no database to look at."""
    outage: Mapping[str, str] | None
    """Why no table can be delivered."""
    outage_until_us: int | None

    @property
    def failures(self) -> tuple[Mapping[str, str], ...]:
        """Both, as far as there are any: neither is a table's own."""
        return tuple(failure for failure in (self.source_failure, self.outage) if failure is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTableStatus:
    """What only the running daemon knows of a table. Instants in Unix microseconds."""

    is_running: bool
    pending_since_us: int | None
    """When the oldest change was written that may not be delivered; None where there is none."""
    lag_s: float
    """Seconds since then; 0 where there is none."""
    failures: int
    """Of its cycles in a row."""
    paused_until_us: int | None
    merge_interval_s: float
    """Seconds between the beginnings of two cycles: more than configured, while BigQuery asks for fewer calls."""
    doubtful_since_us: int | None
    """Since when a change may wait that nobody knows of: the cycles fail, or none has ended well since a (re)load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """One table that is configured. Instants in Unix microseconds."""

    name: str
    health: Health
    target: str | None
    rows: int
    quarantined: int
    reconcile_pending: bool
    last_success_us: int | None
    last_attempt_us: int | None
    last_error: Mapping[str, str] | None
    last_sweep_us: int | None
    sweep_due: str | None
    """Why a sweep is asked for; None where none is."""
    next_sweep_us: int | None
    """When the next one may begin; None where the table is not swept."""
    last_verify_us: int | None
    next_verify_us: int | None
    """When the daemon compares it with its target; None where it does not, or never has."""
    suspicion: str | None
    """Why deletes are held back, however few."""
    deletes_held: int
    confirm_deletes: str | None
    """The command that lets them pass."""
    merge_interval_s: float
    """As it is configured."""
    bytes_billed_today: int
    """By BigQuery, since midnight UTC."""
    merges_today: int
    live: LiveTableStatus | None
    """None where no daemon runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Everything at a glance."""

    source: str
    db: str
    state_file: str
    has_state: bool
    """Something was synced with this configuration."""
    pid: int | None
    """The process that works with the state, 0 where its number can't be read; None where there is none."""
    daemon: DaemonStatus | None
    """None where that is no daemon, or one that has just begun."""
    daily_bytes_billed_limit: int | None
    """Of all tables together; None where there is none."""
    tables: tuple[TableStatus, ...]

    @property
    def is_failing(self) -> bool:
        """The last cycle of a table has failed, or nothing can be delivered."""
        is_stuck = self.daemon is not None and bool(self.daemon.failures)
        return is_stuck or any(table.health in {Health.FAILED, Health.WAITING} for table in self.tables)

    def as_document(self) -> dict[str, object]:
        """The same as `--json` prints it."""
        return {**msgspec.to_builtins(self), "is_failing": self.is_failing}
