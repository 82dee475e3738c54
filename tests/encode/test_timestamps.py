"""Instants are exact to the microsecond, against an oracle of fractions."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.encode.rejection import Rejected
from bqsync.encode.timestamps import MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, timestamp_converter
from bqsync.model import Reason, SqlValue, TimestampFormat

UNITS = {
    TimestampFormat.UNIX_SECONDS: Fraction(10**6),
    TimestampFormat.UNIX_MILLIS: Fraction(10**3),
    TimestampFormat.UNIX_MICROS: Fraction(1),
    TimestampFormat.UNIX_NANOS: Fraction(1, 10**3),
    TimestampFormat.JULIAN_DAYS: Fraction(86_400 * 10**6),
}
JULIAN_EPOCH = Fraction(4881175, 2)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZURICH = ZoneInfo("Europe/Zurich")


def oracle(fmt: TimestampFormat, value: float) -> int | None:
    """Exact arithmetic, and Python's own rounding half to even; None out of BigQuery's range."""
    exact = (Fraction(value) - (JULIAN_EPOCH if fmt is TimestampFormat.JULIAN_DAYS else 0)) * UNITS[fmt]
    instant = round(exact)
    first = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    last = (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    return instant if first <= instant <= last else None


def converted(fmt: TimestampFormat, value: SqlValue, zone: ZoneInfo | None = None) -> int | Reason:
    try:
        return timestamp_converter(fmt, zone or UTC)(value)
    except Rejected as rejected:
        return rejected.reason


def beside_half(whole: int, unit: int, side: float) -> float:
    half = (whole + 0.5) / unit
    return math.nextafter(half, side) if side else half


HALVES = st.builds(
    beside_half, st.integers(-(2**53), 2**53) | st.integers(-(10**7), 10**7), st.sampled_from([1, 10**3, 10**6]),
    st.sampled_from([-math.inf, 0, math.inf]),
)
"""Instants that lie between two microseconds, or a hair beside."""


@settings(MODEST, max_examples=600)
@given(st.sampled_from(sorted(UNITS)), st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-(10**12), 10**12), st.integers(0, 5_400_000),
    st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e12, 1e12), st.floats(0, 5_400_000.0),
    st.integers(-(10**6), 10**6).map(lambda number: number / 8), st.floats(1.5e9, 2e9), HALVES,
))
def test_a_number_is_the_instant_that_exact_arithmetic_gives(fmt: TimestampFormat, value: float) -> None:
    expected = oracle(fmt, value)
    assert converted(fmt, value) == (Reason.OUT_OF_RANGE if expected is None else expected)


@pytest.mark.parametrize(("fmt", "value", "instant_us"), [
    (TimestampFormat.UNIX_SECONDS, 0, 0),
    (TimestampFormat.UNIX_SECONDS, 1700000000, 1700000000000000),
    (TimestampFormat.UNIX_SECONDS, 1700000000.25, 1700000000250000),
    (TimestampFormat.UNIX_SECONDS, 1700000000.123456, 1700000000123456),
    (TimestampFormat.UNIX_SECONDS, -0.5, -500000),
    (TimestampFormat.UNIX_MILLIS, 1700000000123, 1700000000123000),
    (TimestampFormat.UNIX_MICROS, 0.5, 0), (TimestampFormat.UNIX_MICROS, 1.5, 2),
    (TimestampFormat.UNIX_MICROS, 2.5, 2), (TimestampFormat.UNIX_MICROS, -0.5, 0),
    (TimestampFormat.UNIX_MICROS, -1.5, -2),
    (TimestampFormat.UNIX_NANOS, 500, 0), (TimestampFormat.UNIX_NANOS, 1500, 2), (TimestampFormat.UNIX_NANOS, 1499, 1),
    (TimestampFormat.UNIX_NANOS, -1500, -2), (TimestampFormat.UNIX_NANOS, -501, -1),
    (TimestampFormat.UNIX_NANOS, 2**63 - 1, 9223372036854776),
    (TimestampFormat.JULIAN_DAYS, 2440587.5, 0), (TimestampFormat.JULIAN_DAYS, 2440588, 43200000000),
    (TimestampFormat.JULIAN_DAYS, 2451544.5, 946684800000000),
])
def test_instants_round_half_to_even(fmt: TimestampFormat, value: SqlValue, instant_us: int) -> None:
    assert converted(fmt, value) == instant_us


@pytest.mark.parametrize(("least", "most", "fmt"), [
    (-62_135_596_800, 253_402_300_799, TimestampFormat.UNIX_SECONDS),
    (-62_135_596_800_000, 253_402_300_799_999, TimestampFormat.UNIX_MILLIS),
    (MIN_TIMESTAMP_US, MAX_TIMESTAMP_US, TimestampFormat.UNIX_MICROS),
])
def test_the_range_is_that_of_bigquery(least: int, most: int, fmt: TimestampFormat) -> None:
    assert converted(fmt, least) == MIN_TIMESTAMP_US
    assert isinstance(converted(fmt, most), int)
    assert converted(fmt, least - 1) is converted(fmt, most + 1) is Reason.OUT_OF_RANGE


@pytest.mark.parametrize("fmt", sorted(UNITS))
@pytest.mark.parametrize(("value", "reason"), [
    (float("inf"), Reason.NOT_FINITE), (float("-inf"), Reason.NOT_FINITE), ("1700000000", Reason.WRONG_TYPE),
    ("2024-01-01", Reason.WRONG_TYPE), (b"1", Reason.WRONG_TYPE), ("", Reason.WRONG_TYPE),
    (1.7e308, Reason.OUT_OF_RANGE),
])
def test_what_is_no_number_of_that_unit_is_refused(fmt: TimestampFormat, value: SqlValue, reason: Reason) -> None:
    assert converted(fmt, value) is reason


def microseconds(*parts: int, offset_minutes: int = 0) -> int:
    moment = datetime(*parts, tzinfo=timezone(timedelta(minutes=offset_minutes)))  # type: ignore[misc,arg-type]
    return (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(("text", "instant_us"), [
    ("2024-02-29", microseconds(2024, 2, 29)),
    ("2024-02-29T12:34", microseconds(2024, 2, 29, 12, 34)),
    ("2024-02-29 12:34:56", microseconds(2024, 2, 29, 12, 34, 56)),
    (" 2024-02-29 12:34:56 ", microseconds(2024, 2, 29, 12, 34, 56)),
    ("2024-02-29T12:34:56Z", microseconds(2024, 2, 29, 12, 34, 56)),
    ("2024-02-29T12:34:56z", microseconds(2024, 2, 29, 12, 34, 56)),
    ("2024-02-29 12:34:56 Z", microseconds(2024, 2, 29, 12, 34, 56)),
    ("2024-02-29T12:34:56.7Z", microseconds(2024, 2, 29, 12, 34, 56, 700000)),
    ("2024-02-29T12:34:56,789012", microseconds(2024, 2, 29, 12, 34, 56, 789012)),
    ("2024-02-29T12:34:56+05:30", microseconds(2024, 2, 29, 12, 34, 56, offset_minutes=330)),
    ("2024-02-29T12:34:56-0330", microseconds(2024, 2, 29, 12, 34, 56, offset_minutes=-210)),
    ("2024-02-29T12:34:56 +02", microseconds(2024, 2, 29, 12, 34, 56, offset_minutes=120)),
    ("1969-12-31T23:59:59.9999995", 0), ("1969-12-31T23:59:59.9999985", -2), ("1970-01-01T00:00:00.0000005", 0),
    ("1970-01-01T00:00:00.0000015", 2), ("1970-01-01T00:00:00.000000500000000001", 1),
    ("0001-01-01T00:00:00Z", MIN_TIMESTAMP_US), ("9999-12-31T23:59:59.999999Z", MAX_TIMESTAMP_US),
    ("0001-01-01T05:00:00+05:00", MIN_TIMESTAMP_US),
])
def test_iso_texts_are_read(text: str, instant_us: int) -> None:
    assert converted(TimestampFormat.ISO8601, text) == instant_us


@pytest.mark.parametrize(("value", "reason"), [
    ("2024-02-30", Reason.OUT_OF_RANGE), ("2024-01-01T24:00:00", Reason.OUT_OF_RANGE),
    ("2024-01-01T23:59:60", Reason.OUT_OF_RANGE), ("0000-01-01", Reason.OUT_OF_RANGE),
    ("0001-01-01T00:00:00+00:01", Reason.OUT_OF_RANGE), ("9999-12-31T23:59:59-00:01", Reason.OUT_OF_RANGE),
    ("9999-12-31T23:59:59.9999996Z", Reason.OUT_OF_RANGE), ("2024-01-01T00:00+24:00", Reason.OUT_OF_RANGE),
    ("2024-01-01T00:00+05:60", Reason.OUT_OF_RANGE), ("2024-01-01T00:00+99:99", Reason.OUT_OF_RANGE),
    ("2024-01-01T12", Reason.WRONG_TYPE), ("2024-01-01Z", Reason.WRONG_TYPE), ("20240101T000000", Reason.WRONG_TYPE),
    ("2024-1-1", Reason.WRONG_TYPE), ("yesterday", Reason.WRONG_TYPE), ("", Reason.WRONG_TYPE),
    ("2024-01-01T00:00:00 UTC", Reason.WRONG_TYPE), ("٢٠٢٤-01-01", Reason.WRONG_TYPE),
    ("2024-01-01T00:00:00.", Reason.WRONG_TYPE), (1700000000, Reason.WRONG_TYPE), (0.5, Reason.WRONG_TYPE),
    (b"2024-01-01", Reason.WRONG_TYPE), ("2024-01-01\0", Reason.WRONG_TYPE),
])
def test_what_is_no_instant_is_refused(value: SqlValue, reason: Reason) -> None:
    assert converted(TimestampFormat.ISO8601, value) is reason


@MODEST
@given(st.datetimes(timezones=st.integers(-1439, 1439).map(lambda offset: timezone(timedelta(minutes=offset)))),
       st.sampled_from("T "))
def test_every_instant_that_python_writes_is_read_again(moment: datetime, separator: str) -> None:
    instant_us = (moment - EPOCH) // timedelta(microseconds=1)
    expected = instant_us if MIN_TIMESTAMP_US <= instant_us <= MAX_TIMESTAMP_US else Reason.OUT_OF_RANGE
    assert converted(TimestampFormat.ISO8601, moment.isoformat(sep=separator)) == expected


@pytest.mark.parametrize(("text", "in_utc"), [
    ("2024-01-15T12:00:00", "2024-01-15T11:00:00Z"),
    ("2024-07-15 12:00:00", "2024-07-15T10:00:00Z"),
    ("2024-07-15", "2024-07-14T22:00:00Z"),
    ("2024-03-31T01:59:59.999999", "2024-03-31T00:59:59.999999Z"),
    ("2024-03-31T03:00:00", "2024-03-31T01:00:00Z"),
    ("2024-03-31T02:30:00", "2024-03-31T01:30:00Z"),
    ("2024-10-27T02:30:00", "2024-10-27T00:30:00Z"),
    ("2024-10-27T03:00:00", "2024-10-27T02:00:00Z"),
    ("2024-07-15T12:00:00Z", "2024-07-15T12:00:00Z"),
    ("2024-07-15T12:00:00-04:00", "2024-07-15T16:00:00Z"),
    ("0001-01-01 12:00:00", "0001-01-01T11:25:52Z"),
])
def test_a_text_without_an_offset_is_of_the_configured_zone(text: str, in_utc: str) -> None:
    """A time that the clocks skip counts as before the change, one that comes twice as its first (`fold=0`)."""
    assert converted(TimestampFormat.ISO8601, text, ZURICH) == converted(TimestampFormat.ISO8601, in_utc)
