"""
What MERGEs have cost whose end is noted already: asked for afterwards, when no row waits for it.

The commit that ends an intent notes that its bill is owed. It is asked for by whoever comes to it first: the thread of
the cycle once that is over, the next chunks of the table, or the next start.
"""

from __future__ import annotations

from collections.abc import Iterator

from bqsync.deliver.job_calls import find_bill
from bqsync.engine.counting import count_bill
from bqsync.engine.session import Session
from bqsync.errors import BqsyncError
from bqsync.observe.events import Event
from bqsync.observe.log import get_logger
from bqsync.state.billing import owed_bills, settle_bill, tables_owing

_log = get_logger()


def settle_bills(session: Session, table: str, table_id: int) -> Iterator[tuple[str, int]]:
    """
    Ask for every bill of a table that is owed, and note it.

    Yields:
        The id of each job, and the bytes that it was billed with.

    Raises:
        BqsyncError: BigQuery does not say; what is left stays owed.
    """
    for owed in owed_bills(session.store, table_id):
        size_bytes = find_bill(session.destination, owed.job_id)
        if settle_bill(session.store, table_id, owed, size_bytes):
            count_bill(session.tally, table, size_bytes)
            _log.info(Event.MERGE_BILLED, table=table, job_id=owed.job_id, bytes_billed=size_bytes)
        yield owed.job_id, size_bytes


def known_bill(size_bytes: int | None) -> dict[str, int]:
    """The field of an event: absent where it is not known yet."""
    return {} if size_bytes is None else {"bytes_billed": size_bytes}


def report_delay(session: Session, table: str, failure: BqsyncError) -> None:
    """Tell, once for each table and reason, that bills can't be had: nothing else suffers from it."""
    said = (table, f"bills {failure.rule.code}")
    if said not in session.said and not session.stop.is_set():
        session.said.add(said)
        _log.warning(Event.BILL_DELAYED, table=table, **failure.as_dict())


def settle_left_behind(session: Session) -> None:
    """Ask for what an earlier run has left owed, of all tables."""
    for table_id, table in tables_owing(session.store, session.source_id):
        try:
            for _ in settle_bills(session, table, table_id):
                pass
        except BqsyncError as failure:
            report_delay(session, table, failure)
            return
