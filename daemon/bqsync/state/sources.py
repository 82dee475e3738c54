"""What the state knows of a source as a whole: which file it was when it was last read."""

from __future__ import annotations

from sqlalchemy import select, update

from bqsync.model import SourceIdentity
from bqsync.state.doubts import doubted_rows
from bqsync.state.schema import sources, tables
from bqsync.state.store import Store


def note_identity(store: Store, source_id: int, now: SourceIdentity) -> str | None:
    """
    Note which file a source is.

    Where it is no later self of the one that was noted before, every table of it is to be swept, and many deletes count
    as suspect. Where its schema has changed, every table is to be swept too: one that was rebuilt may hold other values
    in columns that are called and declared as before, and no watermark tells.

    Returns:
        In words, why it is another file; None if it is not, or was never seen before.
    """
    with store.transaction() as connection:
        row = connection.execute(select(sources).where(sources.c.id == source_id)).one()
        known = None if row.inode is None else SourceIdentity(
            device=row.device, inode=row.inode, application_id=row.application_id, schema_cookie=row.schema_cookie,
            change_counter=row.change_counter,
        )
        if known == now:
            return None
        connection.execute(update(sources).where(sources.c.id == source_id).values(
            device=now.device, inode=now.inode, application_id=now.application_id, schema_cookie=now.schema_cookie,
            change_counter=now.change_counter,
        ))
        difference = None if known is None else now.difference_from(known)
        if difference is not None:
            connection.execute(update(tables).where(tables.c.source_id == source_id).values(
                sweeps_asked=tables.c.sweeps_asked + 1, sweep_reason=f"the database file: {difference}",
                suspicion=f"of the database file, {difference}", doubted_rows=doubted_rows(),
            ))
        elif known is not None and known.schema_cookie != now.schema_cookie:
            connection.execute(update(tables).where(tables.c.source_id == source_id).values(
                sweeps_asked=tables.c.sweeps_asked + 1, sweep_reason="the schema has changed",
            ))
    return difference
