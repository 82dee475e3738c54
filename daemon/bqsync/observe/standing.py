"""How the daemon and its tables stand, in a few words: the same on the status page and in a terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from bqsync.errors import one_line
from bqsync.observe.amounts import count, short_span
from bqsync.observe.moments import since
from bqsync.observe.report import Health, StatusReport, TableStatus

Kind = Literal["good", "warn", "bad"]
SIGNS: Mapping[Kind, str] = MappingProxyType({"good": "●", "warn": "▲", "bad": "✕"})
"""Beside the colour, for those to whom it tells nothing."""

_BEHIND_S = 60.0
_STOPPED = {Health.FAILED, Health.WAITING}


def is_behind(table: TableStatus) -> bool:
    """A change waits for longer than a large cycle takes."""
    return table.live is not None and table.live.lag_s >= _BEHIND_S


def rank(table: TableStatus) -> int:
    """What is wrong comes first."""
    if table.health in _STOPPED:
        return 0
    if is_behind(table) or table.deletes_held:
        return 1
    return 2 if table.quarantined or table.health is not Health.OK else 3


def table_words(table: TableStatus) -> tuple[Kind, str]:
    """How it stands, without its figures."""
    kind, words = _health_words(table)
    if table.live is not None and table.live.is_running:
        words += ", at work"
    return kind, words


def report_words(report: StatusReport) -> tuple[Kind, str]:
    """How everything stands, in one sentence."""
    daemon, number = report.daemon, count(len(report.tables), "table")
    if daemon is not None and daemon.source_failure is not None:
        return "bad", "Nothing can be read"
    if daemon is not None and daemon.outage is not None:
        return "bad", "Nothing can be delivered"
    worst_first: tuple[tuple[Kind, str, list[TableStatus]], ...] = (
        ("bad", "not synced", [table for table in report.tables if table.health in _STOPPED]),
        ("warn", "not copied yet", [table for table in report.tables if table.health is Health.NEW]),
        ("warn", "behind", [table for table in report.tables if is_behind(table)]),
    )
    for kind, words, tables in worst_first:
        if tables:
            return kind, f"{len(tables):,} of {number} {words}"
    quarantined = sum(table.quarantined for table in report.tables)
    return ("warn", f"Up to date, {count(quarantined, 'row')} in quarantine") if quarantined else ("good", "Up to date")


def lag_words(table: TableStatus) -> str:
    """How long its oldest change has waited. A table that has failed from the start may be behind by any time."""
    if table.live is None:
        return "unknown"
    if table.live.lag_s:
        return short_span(table.live.lag_s)
    return "unknown" if table.live.failures else "none"


def daemon_words(report: StatusReport, now_us: int) -> str:
    """Whether a daemon runs; where none does, who else works with the state."""
    if report.daemon is not None:
        return f"runs for {since(report.daemon.started_us, now_us)}, process {report.daemon.pid}"
    if report.pid is not None:
        return f"does not run, or has just begun; process {report.pid or 'unknown'} works with the state"
    return "does not run"


def error_words(error: Mapping[str, str], whose: str = "") -> str:
    """An error in one line, without its fix; the name of the table that it is of stands behind its code."""
    return f"{error['code']}{f' {one_line(whose)}' if whose else ''}: {one_line(error['what'])}"


def _health_words(table: TableStatus) -> tuple[Kind, str]:
    code = "" if table.last_error is None else f": {table.last_error['code']}"
    if table.health in _STOPPED:
        return "bad", f"{'failed' if table.health is Health.FAILED else 'waits'}{code}"
    if table.health is not Health.OK:
        return "warn", "not copied yet" if table.health is Health.NEW else "to be reconciled"
    if is_behind(table):
        return "warn", "behind"
    return ("warn", f"{table.quarantined:,} in quarantine") if table.quarantined else ("good", "ok")
