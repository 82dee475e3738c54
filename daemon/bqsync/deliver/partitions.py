"""
Partitions of a target: what its resource says of them, and the text that has a statement read some of them alone.

Pure. BigQuery prunes by literals, and not by what a subquery finds: so the bounds of the partitions stand in the
statement. Source: https://docs.cloud.google.com/bigquery/docs/querying-partitioned-tables#use_constant_filter_expressions
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bqsync.model import (
    NULL_PARTITION,
    OUTSIDE_PARTITION,
    IntegerRange,
    Partitioning,
    PartitionUnit,
    TargetType,
)

ARRIVAL_COLUMN = "_PARTITIONTIME"
"""
Pseudocolumn of a table that is partitioned by the time at which rows arrive.

Source: https://docs.cloud.google.com/bigquery/docs/partitioned-tables#ingestion_time
"""
_LEAST = {
    TargetType.TIMESTAMP: "TIMESTAMP '0001-01-01 00:00:00+00:00'",
    TargetType.DATETIME: "DATETIME '0001-01-01 00:00:00'",
    TargetType.DATE: "DATE '0001-01-01'",
    TargetType.INT64: "-9223372036854775808",
}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - of civil time; a zone is written behind it where there is one
_LAST_YEAR = date.max.year


def partitioning_of(resource: Mapping[str, Any], types: Mapping[str, str]) -> Partitioning | None:
    """
    How a table is partitioned; None where it is not.

    Args:
        resource: of the table, as the REST interface has it.
        types: GoogleSQL type by lower-case column name.
    """
    by_time, by_range = resource.get("timePartitioning"), resource.get("rangePartitioning")
    if not by_time and not by_range:
        return None
    spec = by_time or by_range or {}
    column = spec.get("field") or ARRIVAL_COLUMN
    unit: PartitionUnit | IntegerRange | None = None
    if by_range:
        bounds = by_range["range"]
        unit = IntegerRange(start=int(bounds["start"]), end=int(bounds["end"]), interval=int(bounds["interval"]))
    elif column != ARRIVAL_COLUMN:
        unit = PartitionUnit((by_time or {}).get("type", "DAY").lower())
    return Partitioning(
        column=column, column_type=TargetType(types.get(column.lower(), TargetType.TIMESTAMP)), unit=unit,
        is_filter_required=bool(resource.get("requirePartitionFilter") or spec.get("requirePartitionFilter")),
    )


def time_partitioning(partitioning: Partitioning) -> dict[str, str]:
    """What the resource of a table says that is to be partitioned so; by units of time alone."""
    if not isinstance(partitioning.unit, PartitionUnit):
        raise TypeError(partitioning.unit)
    return {"type": partitioning.unit.value.upper(), "field": partitioning.column}


def in_partitions(partitioning: Partitioning, alias: str, numbers: Collection[int]) -> str:
    """
    A condition that is true for every row of those partitions.

    Args:
        partitioning: of the table.
        alias: of the table in the statement.
        numbers: of the partitions, as `Partitioning` counts them.
    """
    column = f"{alias}.{_quote(partitioning.column)}"
    terms = [_within(partitioning, column, *run) for run in _runs(numbers)]
    if OUTSIDE_PARTITION in numbers and isinstance(partitioning.unit, IntegerRange):
        terms += [f"{column} < {partitioning.unit.start}", f"{column} >= {partitioning.unit.end}"]
    if NULL_PARTITION in numbers:
        terms.append(f"{column} IS NULL")
    return f"({' OR '.join(terms)})" if terms else "FALSE"


def every_partition(partitioning: Partitioning | None, alias: str) -> str:
    """
    A condition that is true for every row, for tables that take no statement without one; else ''.

    It compares with a literal, as such a table asks for.
    Source: https://docs.cloud.google.com/bigquery/docs/querying-partitioned-tables#better_performance_with_pseudocolumns
    """
    if partitioning is None or not partitioning.is_filter_required:
        return ""
    column = f"{alias}.{_quote(partitioning.column)}"
    return f"({column} >= {_LEAST[partitioning.column_type]} OR {column} IS NULL)"


def described(partitioning: Partitioning | None) -> str:
    """In words, for an operator."""
    if partitioning is None:
        return "not partitioned"
    if isinstance(partitioning.unit, PartitionUnit):
        return f"partitioned by {partitioning.unit} of {partitioning.column}"
    return f"partitioned by {partitioning.column if partitioning.unit else 'the time of arrival'}"


def _runs(numbers: Collection[int]) -> Iterator[tuple[int, int]]:
    """First and last of the numbers that follow each other without a gap."""
    first = last = None
    for number in sorted(set(numbers) - {NULL_PARTITION, OUTSIDE_PARTITION}):
        if first is None or last is None or number != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def _within(partitioning: Partitioning, column: str, first: int, last: int) -> str:
    low, high = _bound(partitioning, first), _bound(partitioning, last + 1)
    if low is None:
        raise ValueError(first)
    return f"{column} >= {low}" if high is None else f"{column} >= {low} AND {column} < {high}"


def _bound(partitioning: Partitioning, number: int) -> str | None:
    """The literal at which a partition begins; None behind the last one."""
    unit, kind = partitioning.unit, partitioning.column_type
    if isinstance(unit, IntegerRange):
        return str(min(unit.start + number * unit.interval, unit.end))
    if unit is None:
        raise TypeError(unit)
    begins = _begin(unit, number)
    if begins is None:
        return None
    if kind is TargetType.DATE:
        return f"DATE '{begins.date().isoformat()}'"
    zone = "+00:00" if kind is TargetType.TIMESTAMP else ""
    return f"{kind.value} '{begins.isoformat(sep=' ')}{zone}'"


def _begin(unit: PartitionUnit, number: int) -> datetime | None:
    """The instant at which a partition begins, as civil time of UTC; None behind the last year."""
    match unit:
        case PartitionUnit.YEAR:
            year, month = number, 1
        case PartitionUnit.MONTH:
            year, month = number // 12, number % 12 + 1
        case _:
            try:
                return _EPOCH + (timedelta(hours=number) if unit is PartitionUnit.HOUR else timedelta(days=number))
            except OverflowError:
                return None
    return datetime(year, month, 1, tzinfo=UTC).replace(tzinfo=None) if year <= _LAST_YEAR else None


def _quote(name: str) -> str:
    return f"`{name}`"
