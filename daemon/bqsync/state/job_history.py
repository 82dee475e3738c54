"""
Up to when the state knows of every MERGE, by BigQuery's own clock.

BigQuery remembers its jobs. One that is newer than this, and that no intent speaks of, tells that the state file is an
older copy.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select, update

from bqsync.state.schema import tables
from bqsync.state.store import Store


def note_job(connection: Connection, table_id: int, created_us: int | None) -> None:
    """Within a transaction: the end of a job that BigQuery took at that time is known."""
    if created_us is not None:
        newest = func.max(func.coalesce(tables.c.last_job_us, 0), created_us)
        connection.execute(update(tables).where(tables.c.id == table_id).values(last_job_us=newest))


def newest_known_job_us(store: Store, source_id: int) -> int | None:
    """Up to when this state knows of every MERGE, by BigQuery's clock; None where no table was ever trusted."""
    with store.transaction() as connection:
        statement = select(func.max(tables.c.last_job_us)).where(tables.c.source_id == source_id)
        found = connection.execute(statement).scalar()
    return None if found is None else int(found)


def distrust_tables(store: Store, source_id: int, names: Collection[str], newest_job_us: int) -> None:
    """The ledgers of some tables no longer say what their targets hold; what is known of jobs reaches up to then."""
    with store.transaction() as connection:
        connection.execute(
            update(tables).where(tables.c.source_id == source_id, tables.c.name.in_(names)).values(reconcile_pending=1))
        connection.execute(update(tables).where(tables.c.source_id == source_id).values(last_job_us=newest_job_us))
