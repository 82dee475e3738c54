"""Texts at the borders of what a column holds: delivered exactly, or refused; judged by Decimal, datetime and json."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.amounts import examples

from bqsync.encode.rejection import Rejected
from bqsync.encode.timestamps import timestamp_converter
from bqsync.encode.values import converter
from bqsync.model import ColumnSpec, Reason, SqlValue, TargetType, TimestampFormat, WireValue

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LETTERS = st.text("0123456789+-.:TZeE _xNa\u0661\uff12\0", max_size=24)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
ANY = LETTERS | NUMBERS | st.text(max_size=12) | st.binary(max_size=4)


def converted(target_type: TargetType, value: SqlValue) -> WireValue | Rejected:
    column = ColumnSpec(source_name="c", target_name="c", target_type=target_type, field_number=16)
    try:
        return converter(column)(value)
    except Rejected as rejected:
        return rejected


@examples(150)
@given(value=ANY | st.decimals(allow_nan=False, allow_infinity=False, places=9).map(str))
def test_a_decimal_arrives_as_the_very_number(value: SqlValue) -> None:
    for target_type in (TargetType.NUMERIC, TargetType.BIGNUMERIC):
        wire = converted(target_type, value)
        if not isinstance(wire, Rejected):
            assert not isinstance(value, bytes)
            assert Decimal(str(wire)) == Decimal(repr(value) if isinstance(value, float) else value or 0)


@examples(150)
@given(value=ANY | st.dates().map(str) | st.times().map(str) | st.datetimes().map(str))
def test_civil_times_arrive_as_they_are_written(value: SqlValue) -> None:
    day, clock, moment = (converted(kind, value) for kind in (TargetType.DATE, TargetType.TIME, TargetType.DATETIME))
    if not isinstance(day, Rejected):
        assert isinstance(day, int)
        assert str(date(1970, 1, 1) + timedelta(days=day)) == value
    if not isinstance(clock, Rejected):
        assert time.fromisoformat(str(clock)) == time.fromisoformat(str(value))
        assert str(clock)[:5] == str(value)[:5]
    if not isinstance(moment, Rejected):
        assert datetime.fromisoformat(str(moment)) == datetime.fromisoformat(str(value))
        assert str(moment)[:10] == str(value)[:10]


@examples(150)
@given(value=ANY | st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat()))
def test_an_iso_text_arrives_as_the_instant_that_it_names(value: SqlValue) -> None:
    try:
        instant_us = timestamp_converter(TimestampFormat.ISO8601, UTC)(value)
    except Rejected:
        return
    assert isinstance(value, str)
    named = datetime.fromisoformat(value.strip().replace(",", ".").replace("z", "Z"))
    named = named if named.tzinfo else named.replace(tzinfo=UTC)
    # Python cuts what is finer than a microsecond, where BigQuery's nearest one is taken.
    assert abs(EPOCH + timedelta(microseconds=instant_us) - named) <= timedelta(microseconds=1)


@examples(100)
@given(value=st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5)
                          | st.floats(allow_nan=False, allow_infinity=False),
                          lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)))
def test_json_that_everybody_reads_alike_is_delivered_unchanged(value: object) -> None:
    text = json.dumps(value)
    assert converted(TargetType.JSON, text) == text


@pytest.mark.parametrize(("target_type", "value", "reason"), [
    (TargetType.JSON, '"\\ud800"', Reason.INVALID_TEXT),
    (TargetType.JSON, '{"\\uDE00\\uD83D": 1}', Reason.INVALID_TEXT),
    (TargetType.JSON, '{"a": 1, "a": 2}', Reason.WOULD_CHANGE),
    (TargetType.JSON, "1e400", Reason.WOULD_CHANGE),
    (TargetType.JSON, "1" * 5000, Reason.WOULD_CHANGE),
    (TargetType.JSON, "[" * 100_000, Reason.WRONG_TYPE),
    (TargetType.JSON, "\u0663", Reason.WRONG_TYPE),
    (TargetType.NUMERIC, "1e400", Reason.OUT_OF_RANGE),
    (TargetType.NUMERIC, "1" * 1_000_000, Reason.OUT_OF_RANGE),
    (TargetType.NUMERIC, "1_000", Reason.WRONG_TYPE),
    (TargetType.NUMERIC, "\u0661\u0662", Reason.WRONG_TYPE),
    (TargetType.NUMERIC, "Infinity", Reason.WRONG_TYPE),
    (TargetType.TIME, "24:00:00", Reason.OUT_OF_RANGE),
    (TargetType.DATETIME, "2024-01-01 24:00:00", Reason.OUT_OF_RANGE),
    (TargetType.DATETIME, "2024-06-30 23:59:60", Reason.OUT_OF_RANGE),
    (TargetType.DATE, "2024-02-30", Reason.OUT_OF_RANGE),
    (TargetType.DATE, "\uff12024-01-01", Reason.WRONG_TYPE),
])
def test_what_would_be_read_in_two_ways_is_refused(target_type: TargetType, value: str, reason: Reason) -> None:
    refused = converted(target_type, value)
    assert isinstance(refused, Rejected)
    assert refused.reason is reason


def test_a_whole_pair_of_escapes_is_a_character() -> None:
    assert converted(TargetType.JSON, '"\\uD83D\\uDE00"') == '"\\uD83D\\uDE00"'
