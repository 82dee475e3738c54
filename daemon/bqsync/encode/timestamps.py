"""
Source values of a TIMESTAMP column become microseconds since 1970 (UTC), exactly.

What is finer than a microsecond rounds half to even: BigQuery keeps no more.
Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#timestamp_type
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from bqsync.encode.rejection import Rejected
from bqsync.model import Reason, SqlValue, TimestampFormat

MIN_TIMESTAMP_US = -62_135_596_800_000_000
"""0001-01-01 00:00:00 UTC."""
MAX_TIMESTAMP_US = 253_402_300_799_999_999
"""9999-12-31 23:59:59.999999 UTC."""

_EXACT_HALVES = 1 << 52
"""Below, neighbouring doubles are half a unit apart or less."""
_JULIAN_EPOCH_HALF_DAYS = 4_881_175
"""Julian day 2440587.5 is 1970-01-01 00:00 UTC."""
_HALF_DAY_US = 43_200_000_000
_MINUTES_PER_HOUR = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,18}))?)?"
    r"\s?(Z|z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)

_UNIT_US: dict[TimestampFormat, tuple[int, int]] = {
    TimestampFormat.UNIX_SECONDS: (1_000_000, 1),
    TimestampFormat.UNIX_MILLIS: (1_000, 1),
    TimestampFormat.UNIX_MICROS: (1, 1),
    TimestampFormat.UNIX_NANOS: (1, 1_000),
}
"""Microseconds per unit, as a fraction."""


def timestamp_converter(fmt: TimestampFormat, zone: tzinfo) -> Callable[[SqlValue], int]:
    """
    A function from a cell to microseconds.

    Args:
        fmt: what the column holds.
        zone: meaning of ISO texts that name no offset.

    Returns:
        A function that raises `Rejected` for what is not of that format or outside of BigQuery's range.
    """
    if fmt is TimestampFormat.ISO8601:
        return lambda value: _in_range(_from_iso(value, zone))
    if fmt is TimestampFormat.JULIAN_DAYS:
        return lambda value: _in_range(_from_julian(value))
    return _number_converter(*_UNIT_US[fmt])


def whole_unit_us(fmt: TimestampFormat | None) -> int:
    """Microseconds of one unit of a format of numbers; 0 where they are no whole number of them."""
    numerator, denominator = (0, 0) if fmt is None else _UNIT_US.get(fmt, (0, 0))
    return numerator if denominator == 1 else 0


def whole_instants(fmt: TimestampFormat | None, values: Sequence[int]) -> list[int] | None:
    """
    Microseconds of many whole numbers at once; None where they have to be looked at one by one.

    Args:
        fmt: what the column holds.
        values: at least one.
    """
    unit_us = whole_unit_us(fmt)
    if not unit_us or not _are_in_range(min(values) * unit_us, max(values) * unit_us):
        return None
    return list(values) if unit_us == 1 else [value * unit_us for value in values]


def _are_in_range(least_us: int, greatest_us: int) -> bool:
    return least_us >= MIN_TIMESTAMP_US and greatest_us <= MAX_TIMESTAMP_US


def _in_range(instant_us: int) -> int:
    if MIN_TIMESTAMP_US <= instant_us <= MAX_TIMESTAMP_US:
        return instant_us
    raise Rejected(Reason.OUT_OF_RANGE)


def _number_converter(numerator: int, denominator: int) -> Callable[[SqlValue], int]:
    """One function without calls for the usual cases: it runs for every cell of every timestamp column."""

    def convert(value: SqlValue) -> int:
        if type(value) is int:
            instant_us = value * numerator if denominator == 1 else _round_ratio(value, denominator)
        elif type(value) is float:
            instant_us = _from_float(value, numerator, denominator)
        else:
            raise Rejected(Reason.WRONG_TYPE)
        if MIN_TIMESTAMP_US <= instant_us <= MAX_TIMESTAMP_US:
            return instant_us
        raise Rejected(Reason.OUT_OF_RANGE)

    return convert


def _from_float(value: float, numerator: int, denominator: int) -> int:
    scaled = value * numerator
    if denominator == 1 and -_EXACT_HALVES < scaled < _EXACT_HALVES:
        nearest = round(scaled)
        # The product is off by a quarter at most: this far from a half, it rounds as the exact value does.
        if abs(scaled - nearest) < 0.25:
            return nearest
    top, bottom = _ratio(value)
    return _round_ratio(top * numerator, bottom * denominator)


def _from_julian(value: SqlValue) -> int:
    if type(value) is int:
        return (2 * value - _JULIAN_EPOCH_HALF_DAYS) * _HALF_DAY_US
    if type(value) is float:
        top, bottom = _ratio(value)
        return _round_ratio((2 * top - _JULIAN_EPOCH_HALF_DAYS * bottom) * _HALF_DAY_US, bottom)
    raise Rejected(Reason.WRONG_TYPE)


def _ratio(value: float) -> tuple[int, int]:
    try:
        return value.as_integer_ratio()
    except (OverflowError, ValueError):
        raise Rejected(Reason.NOT_FINITE) from None


def _round_ratio(top: int, bottom: int) -> int:
    """`top / bottom` to the nearest integer, half to even, without floating point."""
    whole, rest = divmod(top, bottom)
    twice = 2 * rest
    if twice > bottom or (twice == bottom and whole % 2 == 1):
        return whole + 1
    return whole


def _from_iso(value: SqlValue, zone: tzinfo) -> int:
    if type(value) is not str:
        raise Rejected(Reason.WRONG_TYPE)
    match = _ISO.fullmatch(value.strip())
    if match is None:
        raise Rejected(Reason.WRONG_TYPE)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
                          tzinfo=_zone_of(offset, zone))
        whole_us = (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise Rejected(Reason.OUT_OF_RANGE) from None
    if fraction is None:
        return whole_us
    return whole_us + _round_ratio(int(fraction) * 1_000_000, 10 ** len(fraction))


def _zone_of(offset: str | None, zone: tzinfo) -> tzinfo:
    if offset is None:
        return zone
    if offset in "Zz":
        return UTC
    digits = offset[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if minutes >= _MINUTES_PER_HOUR:
        raise ValueError(f"an offset of {minutes} minutes")
    distance = timedelta(hours=hours, minutes=minutes)
    return timezone(distance if offset[0] == "+" else -distance)
