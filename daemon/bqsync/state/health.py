"""The tables of a source at a glance, for those who look from outside."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select

from bqsync.state.billing import day_of
from bqsync.state.clock import now_us
from bqsync.state.schema import sources, tables
from bqsync.state.store import Store
from bqsync.state.tables import Effort


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHealth:
    """One table as `bqsync status` shows it. Times in Unix microseconds."""

    name: str
    target: str | None
    rows: int
    quarantined: int
    reconcile_pending: bool
    last_success_us: int | None
    last_attempt_us: int | None
    last_sweep_us: int | None
    """When the whole table was last compared."""
    sweep_due: str | None
    """Why a sweep is asked for; None where none is."""
    last_error: Mapping[str, str] | None
    last_verify_us: int | None
    """When the daemon last compared it with its target, or took it for equal."""
    last_walk: Effort | None
    """The last sweep, complete or not."""
    suspicion: str | None
    """Why deletes are held back, however few."""
    bytes_billed_today: int
    """By BigQuery, since midnight UTC."""
    merges_today: int
    deletes_held: int
    """Rows that are gone from the source, and that the guard keeps in the target."""


def unknown_table(name: str) -> TableHealth:
    """A table that the state knows nothing of."""
    return TableHealth(
        name=name, target=None, rows=0, quarantined=0, reconcile_pending=True, last_success_us=None,
        last_attempt_us=None, last_sweep_us=None, sweep_due="first sync", last_error=None, last_walk=None,
        last_verify_us=None,
        suspicion=None, deletes_held=0, bytes_billed_today=0, merges_today=0,
    )


def table_ids(store: Store, source_name: str) -> dict[str, int]:
    """The id of every table of a source that was ever synced, by name."""
    statement = select(tables.c.name, tables.c.id).join(sources).where(sources.c.name == source_name)
    with store.transaction() as connection:
        return {row.name: int(row.id) for row in connection.execute(statement.order_by(tables.c.name))}


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How many rows each table has, by its id."""

    in_ledger: Mapping[int, int]
    in_quarantine: Mapping[int, int]


NOTHING_COUNTED = RowCounts({}, {})
"""For who has no use for the counts."""


def count_rows(store: Store) -> RowCounts:
    """
    Count them, all of them.

    Raises:
        BqsyncError: the state can't be read.
    """
    with store.transaction() as connection:
        ledger, quarantine = (
            {row[0]: int(row[1]) for row in connection.exec_driver_sql(
                f"SELECT table_id, count(*) FROM {table} GROUP BY table_id")} for table in ("ledger", "quarantine"))
    return RowCounts(ledger, quarantine)


def table_health(
    store: Store, source_name: str, names: Collection[str], moment_us: int | None = None,
    counted: RowCounts | None = None,
) -> list[TableHealth]:
    """
    Those of the named tables of a source that were ever synced, by name.

    Args:
        store: the open state.
        source_name: as it is configured.
        names: of the tables.
        moment_us: in Unix microseconds; its UTC day is today. None: now.
        counted: their rows; None: they are counted.
    """
    counts = count_rows(store) if counted is None else counted
    today = day_of(now_us() if moment_us is None else moment_us)
    with store.transaction() as connection:
        bills = {row[0]: (int(row[1]), int(row[2])) for row in connection.exec_driver_sql(
            "SELECT table_id, bytes, merges FROM bytes_billed WHERE day = ?", (today,))}
        rows = connection.exec_driver_sql(
            "SELECT t.* FROM tables t JOIN sources s ON s.id = t.source_id WHERE s.name = ? ORDER BY t.name",
            (source_name,),
        ).all()
    return [
        TableHealth(
            name=row.name, target=row.target, rows=counts.in_ledger.get(row.id, 0),
            quarantined=counts.in_quarantine.get(row.id, 0),
            reconcile_pending=bool(row.reconcile_pending), last_success_us=row.last_success_us,
            last_attempt_us=row.last_attempt_us, last_sweep_us=row.last_sweep_us,
            sweep_due=row.sweep_reason if row.sweeps_asked > row.sweeps_served else None,
            last_error=json.loads(row.last_error) if row.last_error else None,
            bytes_billed_today=bills.get(row.id, (0, 0))[0], merges_today=bills.get(row.id, (0, 0))[1],
            last_verify_us=row.last_verify_us,
            last_walk=None if row.last_walk_us is None else Effort(row.last_walk_us, row.last_walk_cost_us or 0),
            suspicion=row.suspicion, deletes_held=row.deletes_held,
        )
        for row in rows if row.name in names
    ]
