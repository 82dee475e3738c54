"""
Everything that a state file knows, but for its rows: what `bqsync state show` prints.

No cell leaves it: of a watermark its instant is told, and not the value in the source; of a number that SQLite counts
up, which is a key, nothing. Times are Unix microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from bqsync.model import Reason
from bqsync.state.schema import STATE_VERSION, bytes_billed, fields, intents, quarantine, sources, tables, watermarks
from bqsync.state.store import Store
from bqsync.state.watermarks import COUNTED

_ROW_BYTES = 20
"""What a row of the ledger takes beside its keys: two numbers of 64 bits, a small one, and lengths."""
_PACKED_ROW_BYTES = 8
"""And one of a run: a number of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSurvey:
    """A column of the source as it is delivered, or once was."""

    column: str
    target_type: str
    number: int
    """Protobuf field number: never given to another column or type."""
    target_column: str | None
    """None before anything of it was delivered."""
    timestamp_format: str | None
    """Of a TIMESTAMP whose unit is not configured: as it was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkSurvey:
    """A watermark column."""

    column: str
    timestamp_format: str | None
    is_counted: bool
    text_form: str | None
    """How its texts are written, `#` for a digit; None where it holds numbers."""
    unfit: str | None
    """Why it can't be a watermark; None where it can."""
    reached_us: int | None
    """Up to where its rows were dealt with; None before anything was, and of numbers that are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSurvey:
    """The delivered rows."""

    rows: int
    rows_unknown: int
    """Of these, what the target holds is not known: the next sweep sends or deletes them, but those in quarantine."""
    bytes_about: int
    """What they take in the state file, by the lengths of their keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSurvey:
    """Sweeps of the table: asked for, and done."""

    asked: int
    served: int
    is_due: bool
    reason: str
    """Why the last one was asked for."""
    suspicion: str | None
    """Why deletes that it finds are held back, however few."""
    doubted_rows: int | None
    """How many rows the table had when its losses were first doubted."""
    ended_us: int | None
    """When the last complete one ended."""
    walk_ended_us: int | None
    """The same of the last one, complete or not."""
    walk_cost_us: int | None
    """What that took of this machine, in microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentSurvey:
    """A MERGE whose end is not known."""

    job_id: str
    staging_table: str
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSurvey:
    """What is known of one table of the source."""

    source: str
    name: str
    target: str | None
    target_created_us: int | None
    key: str | None
    """The key and its types, as the ledger's keys were made."""
    is_trusted: bool
    """The ledger says what the target holds; else the next cycle reads the target's keys."""
    ledger: LedgerSurvey
    watermarks: tuple[WatermarkSurvey, ...]
    quarantine: Mapping[Reason, int]
    """Rows that wait, by reason."""
    fields: tuple[FieldSurvey, ...]
    next_field_number: int
    sweep: SweepSurvey
    pass_ended_us: int | None
    """When the last watermark pass ended; noted only where no index makes it cheap."""
    pass_cost_us: int | None
    intent: IntentSurvey | None
    deletes_held: int
    """Rows that are gone from the source, and that the guard keeps in the target."""
    verified_us: int | None
    """When the daemon last compared the table with its target, or took it for equal."""
    bytes_billed: Mapping[str, int]
    """By BigQuery, by UTC day."""
    newest_merge_us: int | None
    """When BigQuery took the newest MERGE whose end is known, by its own clock."""
    success_us: int | None
    attempt_us: int | None
    error: Mapping[str, str] | None
    """Of the last cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSurvey:
    """A database file as it was when it was last read. All None before that."""

    name: str
    device: int | None
    inode: int | None
    application_id: int | None
    schema_cookie: int | None
    change_counter: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSurvey:
    """A state file."""

    version: int
    instance: str
    sources: tuple[SourceSurvey, ...]
    tables: tuple[TableSurvey, ...]


def survey(store: Store) -> StateSurvey:
    """
    Read it all, in one transaction. Counts the rows of the ledgers, which takes a second or two for a million.

    Raises:
        BqsyncError: the state can't be read.
    """
    with store.transaction() as connection:
        found_sources = connection.execute(select(sources).order_by(sources.c.name)).all()
        names = {row.id: row.name for row in found_sources}
        rows = connection.execute(select(tables).order_by(tables.c.source_id, tables.c.name)).all()
        ledgers = _ledgers(connection)
        return StateSurvey(
            version=STATE_VERSION, instance=store.instance,
            sources=tuple(_source(row) for row in found_sources),
            tables=tuple(_table(connection, row, names[row.source_id], ledgers) for row in rows),
        )


def _source(row: Row[Any]) -> SourceSurvey:
    return SourceSurvey(name=row.name, device=row.device, inode=row.inode, application_id=row.application_id,
                        schema_cookie=row.schema_cookie, change_counter=row.change_counter)


def _ledgers(connection: Connection) -> dict[int, LedgerSurvey]:
    rows = connection.exec_driver_sql(
        "SELECT table_id, sum(rows), sum(unknown), sum(bytes) FROM ("
        "SELECT table_id, count(*) AS rows, count(*) - count(fingerprint) AS unknown,"
        " sum(length(key) + ifnull(length(source_key), 0) + ?) AS bytes FROM ledger GROUP BY table_id"
        " UNION ALL SELECT table_id, sum(rows), 0, sum(rows * (key_bytes + ?)) FROM runs GROUP BY table_id)"
        " GROUP BY table_id", (_ROW_BYTES, _PACKED_ROW_BYTES)).all()
    return {row[0]: LedgerSurvey(rows=row[1], rows_unknown=row[2], bytes_about=row[3]) for row in rows}


def _table(
    connection: Connection, row: Row[Any], source: str, ledgers: Mapping[int, LedgerSurvey]
) -> TableSurvey:
    nothing = LedgerSurvey(rows=0, rows_unknown=0, bytes_about=0)
    return TableSurvey(
        source=source, name=row.name, target=row.target, target_created_us=row.target_created_us, key=row.key_columns,
        is_trusted=not row.reconcile_pending and row.target is not None, ledger=ledgers.get(row.id, nothing),
        watermarks=_watermarks(connection, row.id), quarantine=_quarantine(connection, row.id),
        fields=_fields(connection, row.id), next_field_number=row.next_field_number,
        sweep=SweepSurvey(
            asked=row.sweeps_asked, served=row.sweeps_served, is_due=row.sweeps_asked > row.sweeps_served,
            reason=row.sweep_reason, suspicion=row.suspicion, doubted_rows=row.doubted_rows,
            ended_us=row.last_sweep_us, walk_ended_us=row.last_walk_us, walk_cost_us=row.last_walk_cost_us),
        pass_ended_us=row.last_pass_us, pass_cost_us=row.last_pass_cost_us, intent=_intent(connection, row.id),
        deletes_held=row.deletes_held, verified_us=row.last_verify_us, bytes_billed=_bills(connection, row.id),
        newest_merge_us=row.last_job_us, success_us=row.last_success_us,
        attempt_us=row.last_attempt_us, error=json.loads(row.last_error) if row.last_error else None,
    )


def _watermarks(connection: Connection, table_id: int) -> tuple[WatermarkSurvey, ...]:
    rows = connection.execute(
        select(watermarks.c.column, watermarks.c.timestamp_format, watermarks.c.form, watermarks.c.unfit,
               watermarks.c.instant_us).where(watermarks.c.table_id == table_id).order_by(watermarks.c.column))
    return tuple(WatermarkSurvey(
        column=row.column, timestamp_format=None if row.timestamp_format == COUNTED else row.timestamp_format,
        is_counted=row.timestamp_format == COUNTED, text_form=row.form, unfit=row.unfit,
        reached_us=None if row.timestamp_format == COUNTED else row.instant_us,
    ) for row in rows)


def _quarantine(connection: Connection, table_id: int) -> dict[Reason, int]:
    rows = connection.execute(
        select(quarantine.c.reason, func.count()).where(quarantine.c.table_id == table_id)
        .group_by(quarantine.c.reason).order_by(quarantine.c.reason))
    return {Reason(reason): rows for reason, rows in rows}


def _fields(connection: Connection, table_id: int) -> tuple[FieldSurvey, ...]:
    rows = connection.execute(select(fields).where(fields.c.table_id == table_id).order_by(fields.c.number))
    return tuple(FieldSurvey(column=row.column, target_type=row.target_type, number=row.number,
                             target_column=row.target_name, timestamp_format=row.timestamp_format) for row in rows)


def _bills(connection: Connection, table_id: int) -> dict[str, int]:
    rows = connection.execute(select(bytes_billed.c.day, bytes_billed.c.bytes)
                              .where(bytes_billed.c.table_id == table_id).order_by(bytes_billed.c.day))
    return {row.day: row.bytes for row in rows}


def _intent(connection: Connection, table_id: int) -> IntentSurvey | None:
    row = connection.execute(select(intents).where(intents.c.table_id == table_id)).one_or_none()
    return None if row is None else IntentSurvey(
        job_id=row.job_id, staging_table=row.staging_table, created_us=row.created_us)
