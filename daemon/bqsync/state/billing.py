"""What BigQuery has billed: bytes and MERGEs, by table and UTC day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from bqsync.state.schema import bills_owed, bytes_billed, tables
from bqsync.state.store import Store

KEPT_DAYS = 35
"""A month to look back on, and some days more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one statement has cost."""

    at_us: int
    """When its end was noted, in Unix microseconds; it counts for the UTC day of that instant."""
    size_bytes: int
    merges: int = 0
    owed_job: str | None = None
    """The id of the job, where that is still to be asked for its bytes."""

    @classmethod
    def of_job(cls, job_id: str, size_bytes: int | None, *, at_us: int, merges: int) -> Bill:
        """Of a job that has ended; without a number of bytes it is owed."""
        return cls(at_us=at_us, size_bytes=size_bytes or 0, merges=merges,
                   owed_job=job_id if size_bytes is None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedBill:
    """A statement that has ended, and of which it is not known what it has cost."""

    job_id: str
    at_us: int
    """When its end was noted, in Unix microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysBill:
    """What the statements of a day have cost."""

    size_bytes: int = 0
    merges: int = 0
    tables: int = 0
    """So many tables have had a MERGE."""


def day_of(moment_us: int) -> str:
    """The UTC day of an instant in Unix microseconds, as `2026-01-31`."""
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).date().isoformat()


def next_day_us(moment_us: int) -> int:
    """The first instant of the next UTC day. Both in Unix microseconds."""
    begun = datetime.fromtimestamp(moment_us // 1_000_000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((begun + timedelta(days=1)).timestamp()) * 1_000_000


def note_bill(connection: Connection, table_id: int, bill: Bill | None) -> None:
    """Within a transaction: add to the day's bill of a table, and forget what is older than `KEPT_DAYS`."""
    if bill is None:
        return
    oldest_us = bill.at_us - KEPT_DAYS * 86_400_000_000
    connection.execute(delete(bytes_billed).where(bytes_billed.c.table_id == table_id,
                                                  bytes_billed.c.day < day_of(oldest_us)))
    if bill.owed_job is not None:
        connection.execute(delete(bills_owed).where(bills_owed.c.table_id == table_id, bills_owed.c.at_us < oldest_us))
        connection.execute(insert(bills_owed).values(table_id=table_id, job_id=bill.owed_job, at_us=bill.at_us)
                           .on_conflict_do_nothing())
    connection.execute(
        insert(bytes_billed).values(table_id=table_id, day=day_of(bill.at_us), bytes=bill.size_bytes,
                                    merges=bill.merges)
        .on_conflict_do_update(index_elements=["table_id", "day"], set_={
            "bytes": bytes_billed.c.bytes + bill.size_bytes, "merges": bytes_billed.c.merges + bill.merges}))


def owed_bills(store: Store, table_id: int) -> list[OwedBill]:
    """What is owed of a table, the oldest first."""
    with store.transaction() as connection:
        rows = connection.execute(select(bills_owed.c.job_id, bills_owed.c.at_us)
                                  .where(bills_owed.c.table_id == table_id).order_by(bills_owed.c.at_us)).all()
    return [OwedBill(job_id=row.job_id, at_us=row.at_us) for row in rows]


def tables_owing(store: Store, source_id: int) -> list[tuple[int, str]]:
    """Ids and names of the tables of a source of which something is owed."""
    with store.transaction() as connection:
        rows = connection.execute(select(tables.c.id, tables.c.name).join(bills_owed).distinct()
                                  .where(tables.c.source_id == source_id).order_by(tables.c.id)).all()
    return [(row.id, row.name) for row in rows]


def settle_bill(store: Store, table_id: int, owed: OwedBill, size_bytes: int) -> bool:
    """Add what was owed to the bill of its day; False if somebody else has done so meanwhile."""
    with store.transaction() as connection:
        found = connection.execute(delete(bills_owed).where(bills_owed.c.table_id == table_id,
                                                            bills_owed.c.job_id == owed.job_id))
        if not found.rowcount:
            return False
        note_bill(connection, table_id, Bill(at_us=owed.at_us, size_bytes=size_bytes))
    return True


def days_bill(store: Store, source_id: int, moment_us: int, table_id: int | None = None) -> DaysBill:
    """
    The bill of the UTC day of an instant.

    Args:
        store: the open state.
        source_id: whose tables are meant.
        moment_us: Unix microseconds.
        table_id: one table alone; None for all of the source.
    """
    statement = select(
        func.coalesce(func.sum(bytes_billed.c.bytes), 0), func.coalesce(func.sum(bytes_billed.c.merges), 0),
        func.count(),
    ).join(tables).where(tables.c.source_id == source_id, bytes_billed.c.day == day_of(moment_us))
    if table_id is not None:
        statement = statement.where(bytes_billed.c.table_id == table_id)
    with store.transaction() as connection:
        size_bytes, merges, count = connection.execute(statement).one()
    return DaysBill(size_bytes=int(size_bytes), merges=int(merges), tables=int(count))
