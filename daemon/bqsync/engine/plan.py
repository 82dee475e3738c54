"""The plan of a table: its schema read, its mapping made, its undecided columns looked at."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping
from zoneinfo import ZoneInfo

from bqsync.capture.order import physical_order, read_orders
from bqsync.capture.pages import PageBounds, TableReader
from bqsync.capture.probe import odd_places, probe_instants
from bqsync.capture.schema import read_table
from bqsync.capture.source import Source
from bqsync.config import TableSection
from bqsync.encode.drafts import ColumnDraft, TableDraft
from bqsync.encode.mapping import draft, finish
from bqsync.encode.rows import ENCODING_VERSION
from bqsync.engine.contents import ContentReader
from bqsync.engine.session import PlannedTable, Session
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import Affinity, ProtoField, TableSpec, TargetType, TimestampFormat
from bqsync.state.tables import TableState

_KEPT_S = 60.0
"""For so long a plan stands, if the schema stays as it was: what SQLite makes of its indexes may change without it."""


def known_plan(
    session: Session, section: TableSection, state: TableState, schema_cookie: int | None
) -> PlannedTable:
    """
    The plan of the last cycle where it still stands, else a new one.

    Args:
        session: open source; it keeps the plan.
        section: the table's configuration.
        state: of the table.
        schema_cookie: of the source, as it was a moment ago; None: not known, the plan is made anew.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID or TIMESTAMP_UNIT_UNCLEAR.
    """
    known = session.planned.get(section.name)
    if known is None or schema_cookie is None or known.schema_cookie != schema_cookie:
        known = session.planned[section.name] = plan_table(session, section, state, schema_cookie)
    elif time.monotonic() >= known.until_s:
        # To look for a first value reads the whole table; whoever reads one of the rows meets it too, and says so.
        known = session.planned[section.name] = plan_table(session, section, state, schema_cookie,
                                                           empty=_undecided(known.spec))
    return known


def plan_table(
    session: Session, section: TableSection, state: TableState, schema_cookie: int | None = None,
    *, empty: Collection[str] = (),
) -> PlannedTable:
    """
    Make the mapping of a table and fix in the state what has to stay.

    Args:
        session: open source.
        section: the table's configuration.
        state: of the table.
        schema_cookie: of the source, as it was a moment ago.
        empty: columns in which no value was found before, and none was met since.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID or TIMESTAMP_UNIT_UNCLEAR.
    """
    table = draft_table(session.source, section, session.messages)
    formats = _formats(session.source, table, state, empty)
    spec = finish(table, formats, state.allot_fields)
    for column in spec.columns:
        found = formats.get(column.source_name)
        if column.target_type is TargetType.TIMESTAMP and found is not None:
            state.fix_timestamp_format(column.source_name, found)
    return PlannedTable(spec=spec, warnings=table.warnings, reader=table_reader(session, spec),
                        schema_cookie=schema_cookie, until_s=time.monotonic() + _KEPT_S)


def draft_table(
    source: Source, section: TableSection, messages: Mapping[str, tuple[ProtoField, ...]]
) -> TableDraft:
    """Read a table's schema and draft its mapping."""
    declared = source.read(lambda connection: read_table(connection, section.name))
    return draft(declared, section, messages[section.message] if section.message else None)


def table_reader(session: Session, spec: TableSpec) -> TableReader:
    """
    Reads the columns of a mapping, in an order that loses no row.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID, where rows without a key have no place that can be named.
    """
    settings = session.config.sync
    bounds = PageBounds(rows=settings.page_rows, size_bytes=settings.page_bytes)
    names = [column.source_name for column in spec.columns]
    if spec.contents:
        order = session.source.read(lambda connection: physical_order(connection, spec.source_name))
        if order is None:
            raise _nameless(spec.source_name)
        return ContentReader(session.source, spec.source_name, names[: len(spec.contents)], bounds, order=order,
                             folder=session.config.state.file.parent)
    orders = session.source.read(lambda connection: read_orders(connection, spec.source_name, spec.key))
    return TableReader(
        session.source, spec.source_name, names, spec.key, bounds, order=orders.pages, range_order=orders.ranges,
        key_is_unique=orders.key_is_unique,
    )


def _nameless(table: str) -> BqsyncError:
    return BqsyncError(
        ErrorKind.SOURCE_TABLE_INVALID, what=f"the rows of table {table} can't be read page by page",
        why="it has no key, and its columns have taken all names of SQLite's rowid (rowid, _rowid_, oid)",
        fix=f"name the columns that identify a row: key = [...] in the [[tables]] entry of {table}; or rename a column",
    )


def mapping_version(spec: TableSpec, zone: ZoneInfo) -> str:
    """
    A short name of all that decides which bytes become of a source row.

    A row in quarantine is worth another try when it changes, and a source row that was seen before has to be encoded.
    """
    return hashlib.sha256(f"{ENCODING_VERSION} {zone.key} {spec!r}".encode()).hexdigest()[:16]


def _undecided(spec: TableSpec) -> list[str]:
    return [column.source_name for column in spec.columns
            if column.target_type is TargetType.TIMESTAMP and column.timestamp_format is None]


def _formats(
    source: Source, table: TableDraft, state: TableState, empty: Collection[str]
) -> dict[str, TimestampFormat | None]:
    """By column, what its instants are: as fixed in the state, else as its values say now."""
    fixed, types = state.timestamp_formats(), state.known_types()
    formats: dict[str, TimestampFormat | None] = {}
    for column in table.columns:
        name = column.source.name
        if not column.needs_probe:
            continue
        if name in fixed and types.get(name) is TargetType.TIMESTAMP and _can_hold(column, fixed[name]):
            formats[name] = fixed[name]
        elif name in empty or (column.fallback is not None and types.get(name) is column.fallback):
            formats[name] = None
        else:
            formats[name] = probe_column(source, table.source.name, column)
    return formats


def _can_hold(column: ColumnDraft, fixed: TimestampFormat) -> bool:
    """A column that has come to be declared as TEXT holds no number any more: SQLite makes a text of each."""
    return column.source.affinity is not Affinity.TEXT or fixed is TimestampFormat.ISO8601


def probe_column(source: Source, table: str, column: ColumnDraft) -> TimestampFormat | None:
    """
    What the values of a column are; None where there are none yet, or where a fallback type takes them.

    Raises:
        BqsyncError: TIMESTAMP_UNIT_UNCLEAR, where they have to be instants and are not of one unit.
    """
    result = probe_instants(source, table, column.source.name)
    if result.rows and result.timestamp_format is None and column.fallback is None:
        raise BqsyncError(
            ErrorKind.TIMESTAMP_UNIT_UNCLEAR,
            what=f"the values of {table}.{column.source.name} are not instants of one unit",
            why=f"it becomes a TIMESTAMP, and it holds {result.found}, not all between 1980 and 2100 in one unit",
            fix=f'name the unit (timestamps = {{ {column.source.name} = "unix_seconds" }}) or another type '
            f'(types = {{ {column.source.name} = "INT64" }}) in the [[tables]] entry of {table}; the rows that stand '
            f"out: {odd_places(table, column.source.name, result)}",
        )
    return result.timestamp_format
