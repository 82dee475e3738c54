"""What an operator has the state forget of one table: the next cycle finds it out anew."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import delete, select, update

from bqsync.state.schema import quarantine, sources, tables, watermarks
from bqsync.state.store import Store


class Part(StrEnum):
    """Something that may be forgotten by itself."""

    LEDGER = "ledger"
    """What the target holds: its keys are read, and every row is sent once."""
    WATERMARKS = "watermarks"
    """What the watermark columns are, and up to where they are dealt with."""
    QUARANTINE = "quarantine"
    """Which rows could not be delivered."""


_WHY = "bqsync state reset"


def reset(store: Store, source_name: str, names: tuple[str, ...], parts: frozenset[Part]) -> None:
    """
    Forget parts of some tables, all in one transaction; only for who holds the lock.

    The ledger itself stays until the target's keys have been read; it is not trusted from now on. Whatever is
    forgotten, a sweep is due. What must outlive everything stays: an intent, whose job may be running; field numbers,
    which are never given twice; suspicions of the guard of deletes.
    """
    with store.transaction() as connection:
        of_source = select(sources.c.id).where(sources.c.name == source_name).scalar_subquery()
        is_meant = (tables.c.source_id == of_source) & tables.c.name.in_(names)
        ids = [row.id for row in connection.execute(select(tables.c.id).where(is_meant))]
        values: dict[str, object] = {"sweeps_asked": tables.c.sweeps_asked + 1, "sweep_reason": _WHY}
        if Part.LEDGER in parts:
            values["reconcile_pending"] = 1
        connection.execute(update(tables).where(is_meant).values(values))
        if Part.WATERMARKS in parts:
            connection.execute(delete(watermarks).where(watermarks.c.table_id.in_(ids)))
        if Part.QUARANTINE in parts:
            connection.execute(delete(quarantine).where(quarantine.c.table_id.in_(ids)))
