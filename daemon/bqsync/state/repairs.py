"""Repairs that were asked for: rows of a table are in doubt, and a sweep is to look at them at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.dialects.sqlite import insert

from bqsync.state.schema import repairs, tables
from bqsync.state.store import Store


@dataclass(frozen=True, slots=True)
class Repair:
    """What is asked of a table."""

    rows: int
    """So many rows are in doubt, all requests since the last repair together."""
    number: int
    """Of the request: a later one has another."""


def ask_repair(store: Store, table_id: int, rows: int) -> None:
    """Have the next cycle of a table sweep it, whether it has rested or not. From any process."""
    with store.transaction() as connection:
        connection.execute(
            insert(repairs).values(table_id=table_id, rows=rows, number=1)
            .on_conflict_do_update(index_elements=["table_id"],
                                   set_={"rows": repairs.c.rows + rows, "number": repairs.c.number + 1}))
        connection.execute(update(tables).where(tables.c.id == table_id).values(
            sweeps_asked=tables.c.sweeps_asked + 1, sweep_reason="repair"))


def asked_repair(store: Store, table_id: int) -> Repair | None:
    """What is asked of a table; None where nothing is."""
    with store.transaction() as connection:
        row = connection.execute(select(repairs).where(repairs.c.table_id == table_id)).one_or_none()
    return None if row is None else Repair(int(row.rows), int(row.number))


def end_repair(store: Store, table_id: int, repair: Repair) -> None:
    """A sweep has dealt with a request; one that came meanwhile stays."""
    with store.transaction() as connection:
        connection.execute(repairs.delete().where(repairs.c.table_id == table_id, repairs.c.number == repair.number))


def tables_to_repair(store: Store, source_id: int) -> set[str]:
    """The tables of a source of which a repair is asked."""
    with store.transaction() as connection:
        if not connection.execute(select(func.count()).select_from(repairs)).scalar_one():
            return set()
        found = connection.execute(select(tables.c.name).join(repairs).where(tables.c.source_id == source_id))
        return {str(row.name) for row in found}
