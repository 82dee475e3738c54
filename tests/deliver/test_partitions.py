"""The partition of a row, and the condition that has BigQuery read its partition: the one always covers the other."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bqsync.deliver.partitions import every_partition, in_partitions, partitioning_of, time_partitioning
from bqsync.encode.partitions import partition_reader
from bqsync.model import (
    NULL_PARTITION,
    OUTSIDE_PARTITION,
    IntegerRange,
    Partitioning,
    PartitionUnit,
    TargetType,
    WireValue,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_US, LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
Moment = datetime | date | int


def by(unit: PartitionUnit | IntegerRange, column_type: TargetType = TargetType.TIMESTAMP) -> Partitioning:
    return Partitioning(column="at", column_type=column_type, unit=unit)


def wire(moment: datetime, column_type: TargetType) -> WireValue:
    """What travels of an instant."""
    if column_type is TargetType.TIMESTAMP:
        return (moment - EPOCH) // timedelta(microseconds=1)
    if column_type is TargetType.DATE:
        return (moment.date() - EPOCH.date()).days
    return moment.replace(tzinfo=None).isoformat()


def literal(text: str) -> Moment:
    """The value of a literal of GoogleSQL."""
    found = re.fullmatch(r"(\w+) '(.+)'", text)
    if found is None:
        return int(text)
    kind, value = found[1], found[2]
    if kind == "DATE":
        return date.fromisoformat(value)
    moment = datetime.fromisoformat(value)
    assert (moment.tzinfo is not None) == (kind == "TIMESTAMP")
    return moment


def holds(condition: str, value: Moment | None) -> bool:
    """Whether a condition of this form is true for a value, computed without the project's code."""
    def term(text: str) -> bool:
        column, operator, bound = text.split(" ", 2)
        assert column == "T.`at`"
        if operator == "IS":
            return value is None
        if value is None:
            return False
        there = literal(bound)
        assert type(there) is type(value)
        return value >= there if operator == ">=" else value < there  # type: ignore[operator] # of one type, see above

    assert condition[0] + condition[-1] == "()"
    return any(all(map(term, one.split(" AND "))) for one in condition[1:-1].split(" OR "))


def as_stored(moment: datetime, column_type: TargetType) -> Moment:
    if column_type is TargetType.DATE:
        return moment.date()
    return moment if column_type is TargetType.TIMESTAMP else moment.replace(tzinfo=None)


_FIRST, _LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001 - they get a zone below
MOMENTS = st.datetimes(_FIRST, _LAST, timezones=st.just(UTC))
TYPES = st.sampled_from([TargetType.TIMESTAMP, TargetType.DATETIME, TargetType.DATE])


@given(moments=st.lists(MOMENTS, min_size=1, max_size=8), other=MOMENTS, column_type=TYPES,
       unit=st.sampled_from(PartitionUnit), has_null=st.booleans())
@example(moments=[datetime.max.replace(tzinfo=UTC)], other=datetime(1, 1, 1, tzinfo=UTC),
         column_type=TargetType.TIMESTAMP, unit=PartitionUnit.HOUR, has_null=False)
@example(moments=[datetime(1, 1, 1, tzinfo=UTC)], other=datetime.max.replace(tzinfo=UTC),
         column_type=TargetType.DATETIME, unit=PartitionUnit.YEAR, has_null=True)
@example(moments=[datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)],
         other=datetime(2026, 1, 2, tzinfo=UTC), column_type=TargetType.TIMESTAMP, unit=PartitionUnit.DAY,
         has_null=False)
def test_a_condition_covers_the_partitions_of_its_rows_and_no_others(
    moments: list[datetime], other: datetime, column_type: TargetType, unit: PartitionUnit, *, has_null: bool,
) -> None:
    if column_type is TargetType.DATE and unit is PartitionUnit.HOUR:
        return
    partitioning = by(unit, column_type)
    number_of = partition_reader(partitioning)
    numbers = {number_of(wire(moment, column_type)) for moment in moments}
    condition = in_partitions(partitioning, "T", numbers | ({number_of(None)} if has_null else set()))
    for moment in moments:
        assert holds(condition, as_stored(moment, column_type)), condition
    assert holds(condition, None) is has_null
    is_in_one = number_of(wire(other, column_type)) in numbers
    assert holds(condition, as_stored(other, column_type)) is is_in_one, condition


@given(value=st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 130), other=st.integers(-20, 130))
@example(value=99, other=100)
@example(value=100, other=0)
def test_integers_have_ranges_and_what_is_outside_of_them_all(value: int, other: int) -> None:
    partitioning = by(IntegerRange(start=0, end=105, interval=10), TargetType.INT64)
    number_of = partition_reader(partitioning)
    number = number_of(value)
    assert (number == OUTSIDE_PARTITION) is not (0 <= value < 105)
    condition = in_partitions(partitioning, "T", [number])
    assert holds(condition, value)
    assert holds(condition, other) is (number_of(other) == number)
    assert not holds(condition, None)


def test_partitions_that_follow_each_other_are_one_range() -> None:
    assert in_partitions(by(PartitionUnit.DAY), "T", [20454, 20456, 20455, NULL_PARTITION, 20459]) == (
        "(T.`at` >= TIMESTAMP '2026-01-01 00:00:00+00:00' AND T.`at` < TIMESTAMP '2026-01-04 00:00:00+00:00' OR "
        "T.`at` >= TIMESTAMP '2026-01-06 00:00:00+00:00' AND T.`at` < TIMESTAMP '2026-01-07 00:00:00+00:00' OR "
        "T.`at` IS NULL)")
    assert in_partitions(by(PartitionUnit.MONTH, TargetType.DATE), "T_", [2026 * 12 + 11]) == (
        "(T_.`at` >= DATE '2026-12-01' AND T_.`at` < DATE '2027-01-01')")
    assert in_partitions(by(PartitionUnit.YEAR, TargetType.DATETIME), "T", [9999]) == (
        "(T.`at` >= DATETIME '9999-01-01 00:00:00')"), "there is no year behind it"
    assert in_partitions(by(PartitionUnit.DAY), "T", []) == "FALSE", "of no rows, none has to be looked for"


RESOURCES = [
    ({}, None),
    ({"timePartitioning": {"type": "DAY", "field": "At"}},
     Partitioning(column="At", column_type=TargetType.TIMESTAMP, unit=PartitionUnit.DAY)),
    ({"timePartitioning": {"type": "MONTH", "field": "d"}, "requirePartitionFilter": True},
     Partitioning(column="d", column_type=TargetType.DATE, unit=PartitionUnit.MONTH, is_filter_required=True)),
    ({"timePartitioning": {"type": "HOUR", "field": "at", "requirePartitionFilter": True}},
     Partitioning(column="at", column_type=TargetType.TIMESTAMP, unit=PartitionUnit.HOUR, is_filter_required=True)),
    ({"timePartitioning": {"type": "DAY"}},
     Partitioning(column="_PARTITIONTIME", column_type=TargetType.TIMESTAMP, unit=None)),
    ({"rangePartitioning": {"field": "n", "range": {"start": "0", "end": "100", "interval": "10"}}},
     Partitioning(column="n", column_type=TargetType.INT64, unit=IntegerRange(start=0, end=100, interval=10))),
]


@pytest.mark.parametrize(("resource", "expected"), RESOURCES)
def test_how_a_table_is_partitioned_stands_in_its_resource(
    resource: dict[str, object], expected: Partitioning | None,
) -> None:
    assert partitioning_of(resource, {"at": "TIMESTAMP", "d": "DATE", "n": "INT64"}) == expected


def test_a_table_that_asks_for_a_filter_is_given_one_that_every_row_passes() -> None:
    assert every_partition(None, "T") == every_partition(by(PartitionUnit.DAY), "T") == ""
    for column_type in (TargetType.TIMESTAMP, TargetType.DATETIME, TargetType.DATE, TargetType.INT64):
        partitioning = Partitioning(column="at", column_type=column_type, unit=None, is_filter_required=True)
        condition = every_partition(partitioning, "T")
        least = as_stored(datetime(1, 1, 1, tzinfo=UTC), column_type) if column_type is not TargetType.INT64 else -2**63
        assert holds(condition, least)
        assert holds(condition, None)


def test_a_table_is_created_as_it_is_read() -> None:
    for unit in PartitionUnit:
        resource = {"timePartitioning": time_partitioning(by(unit))}
        assert partitioning_of(resource, {"at": "TIMESTAMP"}) == by(unit)
