"""Into which partition of its target a row goes. Pure; by the wire value of the column that the target goes by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import (
    NULL_PARTITION,
    OUTSIDE_PARTITION,
    ColumnSpec,
    IntegerRange,
    Partitioning,
    PartitionUnit,
    TableSpec,
    TargetType,
    WireValue,
)

if TYPE_CHECKING:
    from bqsync.config import TableSection

_UNITS = {
    TargetType.TIMESTAMP: tuple(PartitionUnit), TargetType.DATETIME: tuple(PartitionUnit),
    TargetType.DATE: (PartitionUnit.DAY, PartitionUnit.MONTH, PartitionUnit.YEAR),
}
"""Source: https://docs.cloud.google.com/bigquery/docs/partitioned-tables#date_timestamp_partitioned_tables"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_US, _DAY_US, _HOURS = 3_600_000_000, 86_400_000_000, 24
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def wanted_partitioning(section: TableSection, columns: Sequence[ColumnSpec]) -> Partitioning | None:
    """
    How a target is to be partitioned that is created for a table; None where nothing is configured.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID, where its column can't partition a table, or not by that unit.
    """
    name = section.partition_by
    if name is None:
        return None
    column = next((one for one in columns if one.source_name.lower() == name.lower()), None)
    if column is None:
        raise _invalid(section, f"names a column {name!r} that is not delivered",
                       f"the columns are {', '.join(one.source_name for one in columns)}")
    units = _UNITS.get(column.target_type, ())
    if not units:
        raise _invalid(section, f"names {column.source_name}, which is {column.target_type} in BigQuery",
                       "BigQuery partitions by units of time of a TIMESTAMP, DATETIME or DATE",
                       f'name another column; or, if these are instants: types = {{ {column.source_name} = '
                       '"TIMESTAMP" }')
    if section.partition_unit not in units:
        raise _invalid(section, f"asks for partitions by {section.partition_unit} of {column.source_name}",
                       f"a {column.target_type} is partitioned by {', '.join(units)}",
                       f'partition_unit = "{PartitionUnit.DAY}"')
    return Partitioning(column=column.target_name, column_type=column.target_type, unit=section.partition_unit)


def partition_column(spec: TableSpec) -> ColumnSpec | None:
    """The column that tells into which partition a row goes; None where the target has none, or the rows do not say."""
    if spec.partitioning is None or spec.partitioning.unit is None:
        return None
    name = spec.partitioning.column.lower()
    return next((column for column in spec.columns if column.target_name.lower() == name), None)


def partition_reader(partitioning: Partitioning) -> Callable[[WireValue], int]:
    """A function from the wire value of its column to the number of a partition, as `Partitioning` counts them."""
    unit = partitioning.unit
    if isinstance(unit, IntegerRange):
        return lambda value: _range_number(unit, value)
    if unit is None:
        raise TypeError(partitioning)
    match partitioning.column_type:
        case TargetType.TIMESTAMP:
            return lambda value: NULL_PARTITION if value is None else _of_instant(unit, int(value))
        case TargetType.DATE:
            return lambda value: NULL_PARTITION if value is None else _of_day(unit, int(value))
        case _:
            return lambda value: NULL_PARTITION if value is None else _of_civil(unit, str(value))


def _range_number(unit: IntegerRange, value: WireValue) -> int:
    if value is None:
        return NULL_PARTITION
    number = int(value)
    return (number - unit.start) // unit.interval if unit.start <= number < unit.end else OUTSIDE_PARTITION


def _of_instant(unit: PartitionUnit, instant_us: int) -> int:
    match unit:
        case PartitionUnit.HOUR:
            return instant_us // _HOUR_US
        case PartitionUnit.DAY:
            return instant_us // _DAY_US
        case _:
            return _of_date(unit, (_EPOCH + timedelta(days=instant_us // _DAY_US)).date())


def _of_day(unit: PartitionUnit, day: int) -> int:
    return day if unit is PartitionUnit.DAY else _of_date(unit, date.fromordinal(day + _EPOCH_DAY))


def _of_civil(unit: PartitionUnit, text: str) -> int:
    moment = datetime.fromisoformat(text)
    if unit is PartitionUnit.HOUR:
        return (moment.toordinal() - _EPOCH_DAY) * _HOURS + moment.hour
    return _of_day(unit, moment.toordinal() - _EPOCH_DAY)


def _of_date(unit: PartitionUnit, day: date) -> int:
    return day.year if unit is PartitionUnit.YEAR else day.year * 12 + day.month - 1


def _invalid(section: TableSection, what: str, why: str, fix: str | None = None) -> BqsyncError:
    return BqsyncError(ErrorKind.SOURCE_TABLE_INVALID, what=f"`partition_by` of table {section.name} {what}", why=why,
                       fix=fix or f"correct `partition_by` in the [[tables]] entry of {section.name}")
