"""The text of every SELECT that judges the values of a column. Pure: no connection, no clock."""

from __future__ import annotations

from collections.abc import Mapping

from bqsync.capture.page_sql import Query, cell, rows_of
from bqsync.model import TimestampFormat

_SEVEN_DIGITS_LOOK = "*." + "[0-9]" * 7 + "*"
_ISO_LOOK = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"


Ranges = Mapping[TimestampFormat, tuple[float, float]]
"""From where to where (excluded) a number of each unit lies; the ranges don't overlap."""


def kinds_query(table: str, column: str, ranges: Ranges) -> Query:
    """
    How many values of a column look like what: one row (kind, count) for each kind that occurs.

    Args:
        table: the table.
        column: the column.
        ranges: what numbers are told by. Texts that look like a date are `iso8601`; everything else goes by its
            storage class.
    """
    return Query(
        f"SELECT {_kind(column, ranges)} AS kind, count(*) FROM {rows_of(table)} WHERE {cell(column)} IS NOT NULL"
        " GROUP BY 1 ORDER BY 2 DESC, 1"
    )


def places_query(table: str, column: str, ranges: Ranges, expected: str) -> str:
    """A SELECT for an operator: the rows whose value is not of the expected kind."""
    kind = _kind(column, ranges)
    return f"SELECT {kind} AS kind, * FROM {rows_of(table)} WHERE {cell(column)} IS NOT NULL AND {kind} <> '{expected}'"


def rounded_query(table: str, column: str, fmt: TimestampFormat) -> Query | None:
    """How many instants of a column are written finer than a microsecond; None for formats that never mean it."""
    name = cell(column)
    if fmt is TimestampFormat.UNIX_NANOS:
        condition = f"typeof({name}) = 'integer' AND {name} % 1000 <> 0"
    elif fmt is TimestampFormat.ISO8601:
        condition = f"{name} GLOB '{_SEVEN_DIGITS_LOOK}'"
    else:
        return None
    return Query(f"SELECT count(*) FROM {rows_of(table)} WHERE {condition}")


def _kind(column: str, ranges: Ranges) -> str:
    name = cell(column)
    units = " ".join(
        f"WHEN {name} >= {low!r} AND {name} < {high!r} THEN '{unit}'" for unit, (low, high) in ranges.items()
    )
    return (
        f"CASE WHEN typeof({name}) IN ('integer', 'real') THEN CASE {units} ELSE typeof({name}) END"
        f" WHEN typeof({name}) = 'text' AND {name} GLOB '{_ISO_LOOK}' THEN 'iso8601' ELSE typeof({name}) END"
    )


def text_forms_query(table: str, column: str) -> Query:
    """One text of each look that the texts of a column have, and how many there are of it."""
    name = cell(column)
    return Query(
        f"SELECT min({name}), count(*) FROM {rows_of(table)} WHERE typeof({name}) = 'text' GROUP BY length({name}),"
        f" substr({name}, 11, 1), substr({name}, 20, 1), ltrim(substr({name}, 20), '.,0123456789')"
    )
