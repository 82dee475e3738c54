"""Whether what an application has written can be found in BigQuery, as far as anybody may expect. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bqsync.errors import one_line
from bqsync.observe.amounts import span
from bqsync.observe.report import StatusReport, TableStatus
from bqsync.observe.standing import error_words


def what_is_late(report: StatusReport, *, within_s: float, now_us: int) -> Iterator[str]:
    """
    Why the daemon is not ready, a sentence each; none where it is.

    A table that nobody writes to is late only where its cycles have failed for so long, or none has ended for so long
    since a start or a reload. One that has never been copied is late, and so is all while there is no database.

    Args:
        report: of the running daemon.
        within_s: for how long a change may wait.
        now_us: the wall clock.
    """
    if report.daemon is not None and report.daemon.source_failure is not None:
        yield error_words(report.daemon.source_failure)
    is_late = any(_late_s(table, now_us) > within_s for table in report.tables)
    if report.daemon is not None and report.daemon.outage is not None and is_late:
        yield error_words(report.daemon.outage)
    for table in report.tables:
        if table.last_success_us is None:
            yield f"{one_line(table.name)}: not copied yet{_because(table)}"
        elif (late_s := _late_s(table, now_us)) > within_s:
            yield f"{one_line(table.name)}: behind for {span(late_s)}{_because(table)}"


def _late_s(table: TableStatus, now_us: int) -> float:
    """For how long a change waits, or, where none is known, may wait."""
    if table.live is None:
        return 0.0
    live = table.live
    since_us = live.doubtful_since_us if live.pending_since_us is None else live.pending_since_us
    return 0.0 if since_us is None else max(0, now_us - since_us) / 1_000_000


def _because(table: TableStatus) -> str:
    return "" if table.last_error is None else f", {error_words(table.last_error)}"
