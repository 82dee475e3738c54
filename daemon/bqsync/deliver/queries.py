"""Statements that change no row: SELECTs, with their results page by page, and changes of a table's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.cloud.bigquery.table import RowIterator

_RESULT_WAIT_S = 3600.0
_PORTION_ROWS = 5_000


def run_statement(destination: Destination, statement: str) -> None:
    """
    Run a statement without results to its end; it may be run twice where an answer was lost.

    Raises:
        BqsyncError: it failed.
    """
    destination.policy.call("run a statement", lambda: _begin(destination, statement))


def is_any(destination: Destination, statement: str) -> bool:
    """Whether a SELECT statement finds a row."""
    return any(read_portions(destination, statement))


def clock_us(destination: Destination) -> int:
    """BigQuery's own clock, in Unix microseconds, cut to the milliseconds that it stamps jobs with."""
    ((now_us,),) = next(read_portions(destination, "SELECT UNIX_MICROS(CURRENT_TIMESTAMP())"))
    return int(now_us) // 1_000 * 1_000


def read_portions(
    destination: Destination, statement: str, *, timeout_s: float | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    """
    Run a SELECT statement and yield its rows, some thousands at a time; none is an empty list.

    Args:
        destination: where.
        statement: the SELECT.
        timeout_s: how long the answer to the request itself may take, in seconds; None for as long as any other's.

    Raises:
        BqsyncError: from the iterator as well. Each page is a call of its own, which is tried again like any other.
    """
    rows = destination.policy.call("run a query", lambda: _begin(destination, statement, timeout_s))
    fetch = rows.api_request
    # Below the iterator: once it has failed it is at its end, as if there were no more rows.
    rows.api_request = lambda **page: destination.policy.call("read the results of a query", lambda: fetch(**page))
    for page in rows.pages:
        if found := [tuple(row.values()) for row in page]:
            yield found


def _begin(destination: Destination, statement: str, timeout_s: float | None = None) -> RowIterator:
    """The results of a statement, once it has ended."""
    destination.meter.require()
    job = destination.rest.query(statement, location=destination.location, retry=NO_RETRY, job_retry=None,
                                 timeout=timeout_s or CALL_TIMEOUT_S)
    rows = job.result(retry=NO_RETRY, job_retry=None, timeout=_RESULT_WAIT_S, page_size=_PORTION_ROWS)
    destination.meter.note(int(job.total_bytes_billed or 0))
    return rows
