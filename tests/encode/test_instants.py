"""A range that begins at an instant loses no row of that instant or later, whatever its values look like."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.encode.instants import form_of, look_of, sorts_as_instants, value_from, value_until
from bqsync.encode.rejection import Rejected
from bqsync.encode.timestamps import MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, timestamp_converter
from bqsync.model import SqlValue, TimestampFormat

BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
SUFFIXES = ("Z", "z", "+02:00", "+0200", "+02", "-09:30", "-0930", "-11", "+23:59", "")
FORMS = tuple(
    f"####-##-##{separator}##:##:##{mark}{'#' * digits}{suffix}"
    for separator in "T " for suffix in SUFFIXES
    for mark, digits in [("", 0), *((mark, digits) for mark in ".," for digits in range(1, 10))]
)
NUMBERS = {
    TimestampFormat.UNIX_SECONDS: 1_000_000.0, TimestampFormat.UNIX_MILLIS: 1_000.0,
    TimestampFormat.UNIX_MICROS: 1.0, TimestampFormat.UNIX_NANOS: 0.001,
}
OUR_TIMES = st.integers(-2_208_988_800_000_000, 7_258_118_400_000_000)
"""1900 to 2200."""


def text_of(form: str, moment: datetime, nanos: int) -> str:
    """The text of a form, built from its parts as an application would build it."""
    text = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    if len(form) == len(text):
        return text
    text += f"{form[10]}{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
    digits = form[20:].count("#")
    if digits:
        text += form[19] + f"{nanos:09}"[:digits]
    return text + form[len(text):]


MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))  # noqa: DTZ001 - the form tells the zone
NANOS = st.sampled_from([0, 1, 499, 500, 501, 123_456_500, 123_457_500, 999_999_499, 999_999_999]) | st.integers(
    0, 999_999_999)


@st.composite
def texts(draw: st.DrawFn, form: str) -> str:
    return text_of(form, draw(MOMENTS), draw(NANOS))


def not_greater(one: SqlValue, other: SqlValue) -> bool:
    """As SQLite compares them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        return bool(connection.execute("SELECT ? <= ?", (one, other)).fetchone()[0])


@MODEST
@given(st.data())
@pytest.mark.parametrize("fmt", [*NUMBERS, TimestampFormat.JULIAN_DAYS])
def test_a_range_of_numbers_loses_nothing_on_either_side(fmt: TimestampFormat, data: st.DataObject) -> None:
    instant_us = data.draw(OUR_TIMES)
    unit = NUMBERS.get(fmt)
    centre = instant_us / 86_400_000_000 + 2_440_587.5 if unit is None else instant_us / unit
    near = st.floats(min_value=centre - 3, max_value=centre + 3) | st.integers(-3, 3).map(lambda n: int(centre) + n)
    steps = st.integers(-4, 4).map(lambda n: float(centre) + n * abs(centre) * 2.0**-52)
    value = data.draw(near | steps)
    converted = timestamp_converter(fmt, UTC)(value)
    for bound in (instant_us, converted, data.draw(st.integers(converted - 2, converted + 2))):
        if converted >= bound:
            assert not_greater(value_from(fmt, None, bound, UTC), value)
        if converted <= bound:
            assert not_greater(value, value_until(fmt, None, bound, UTC))


@MODEST
@given(OUR_TIMES)
@pytest.mark.parametrize("fmt", [*NUMBERS, TimestampFormat.JULIAN_DAYS])
def test_the_way_back_goes_hardly_further_than_it_has_to(fmt: TimestampFormat, instant_us: int) -> None:
    """Else every pass would read rows that nobody has touched."""
    convert = timestamp_converter(fmt, UTC)
    for value in (value_from(fmt, None, instant_us, UTC), value_until(fmt, None, instant_us, UTC)):
        assert abs(convert(value) - instant_us) <= 2_000


@MODEST
@given(st.data())
@pytest.mark.parametrize("zone", [UTC, TOKYO], ids=str)
def test_a_range_of_texts_loses_nothing_on_either_side(zone: tzinfo, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(("####-##-##", *FORMS)))
    value, other = data.draw(texts(form)), data.draw(texts(form))
    convert = timestamp_converter(TimestampFormat.ISO8601, zone)
    try:
        converted = convert(value)
        bounds = (converted, convert(other), data.draw(st.integers(converted - 2, converted + 2)))
    except Rejected:
        assume(False)
        return
    for bound in bounds:
        least = value_from(TimestampFormat.ISO8601, form, bound, zone)
        greatest = value_until(TimestampFormat.ISO8601, form, bound, zone)
        if converted >= bound:
            assert least is None or not_greater(least, value)
        if converted <= bound:
            assert greatest is not None
            assert not_greater(value, greatest)
        for text in (least, greatest):
            assert text is None or form_of(str(text)) == form


@MODEST
@given(st.data())
@pytest.mark.parametrize("zone", [UTC, BERLIN, TOKYO], ids=str)
def test_texts_of_a_form_that_is_said_to_sort_as_its_instants_does_so(zone: tzinfo, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(("####-##-##", *FORMS)))
    assume(sorts_as_instants(form, zone))
    start = datetime(1970, 1, 1) + timedelta(seconds=data.draw(st.integers(0, 2_000_000_000)))  # noqa: DTZ001 - civil
    later = start + timedelta(seconds=data.draw(st.integers(0, 90_000)))
    one, other = (text_of(form, moment, data.draw(NANOS)) for moment in (start, later))
    convert = timestamp_converter(TimestampFormat.ISO8601, zone)
    assert (one <= other) == not_greater(one, other)
    if one <= other:
        assert convert(one) <= convert(other)
    else:
        assert convert(one) >= convert(other)


def test_an_hour_that_comes_twice_does_not_sort() -> None:
    """02:30 of that night is before the change or behind it: the text can't tell."""
    assert [sorts_as_instants("####-##-##T##:##:##", zone) for zone in (UTC, TOKYO, BERLIN)] == [True, True, False]
    assert [sorts_as_instants("####-##-## ##:##:##.###", zone) for zone in (UTC, TOKYO, BERLIN)] == [True, True, False]


@pytest.mark.parametrize("form", ["####-##-##", "####-##-##T##:##:##Z", "####-##-## ##:##:##.######+02:00"])
def test_dates_and_texts_that_name_their_offset_sort_in_every_zone(form: str) -> None:
    assert sorts_as_instants(form, BERLIN)


@MODEST
@given(st.data())
def test_every_text_of_a_form_has_that_form_and_that_look(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(("####-##-##", *FORMS)))
    text = data.draw(texts(form))
    assert form_of(text) == form
    other = data.draw(st.sampled_from(("####-##-##", *FORMS)))
    with closing(sqlite3.connect(":memory:")) as connection:
        (same, another) = connection.execute("SELECT ? GLOB ?, ? GLOB ?", (
            text, look_of(form), text, look_of(other))).fetchone()
    assert bool(same)
    assert bool(another) == (other == form)


@pytest.mark.parametrize("text", [
    "", "2024", "2024-1-01", "2024-01-01T", "2024-01-01T10", "2024-01-01T10:00", "2024-01-01T10:00:00.",
    "2024-01-01T10:00:00.1234567890", "2024-01-01T10:00:00 Z", "2024-01-01  10:00:00", "2024-01-01t10:00:00",
    " 2024-01-01", "2024-01-01 ", "2024-01-01Z", "2024-01-01T10:00:00+2:00", "2024-01-01T10:00:00+02:00:00",
    "\uff12\uff10\uff12\uff14-01-01", "2024-01-01T10:00:00+02:0", "2024/01/01", "2024-01-01\n", "a2024-01-01",
])
def test_a_text_that_is_no_date_and_time_to_the_second_has_no_form(text: str) -> None:
    assert form_of(text) is None


@pytest.mark.parametrize("offset", ["+24:00", "-24", "+99:99", "+0260", "-99"])
def test_an_offset_that_no_place_has_is_no_form(offset: str) -> None:
    assert form_of(f"2024-01-01T10:00:00{offset}") is None


def test_bounds_of_the_calendar_are_no_bounds_of_the_range() -> None:
    """Before year 1 a range begins at the beginning; what is behind year 9999 is never reached by a clock."""
    text, form = TimestampFormat.ISO8601, "####-##-##T##:##:##Z"
    assert value_from(text, form, MIN_TIMESTAMP_US, UTC) is None
    assert value_from(text, form, MIN_TIMESTAMP_US + 1, UTC) == "0001-01-01T00:00:00Z"
    assert value_until(text, form, MAX_TIMESTAMP_US, UTC) is None
    assert value_until(text, form, MAX_TIMESTAMP_US - 1, UTC) == "9999-12-31T23:59:59Z"
    assert value_from(text, form.replace("Z", "-11:00"), MIN_TIMESTAMP_US + 5_000_000, UTC) is None
    assert value_from(text, "####-##-##", MIN_TIMESTAMP_US + 5_000_000, UTC) == "0001-01-01"
    assert value_from(text, None, 0, UTC) is None


@pytest.mark.parametrize(("form", "expected"), [
    ("####-##-##", "2024-02-29"), ("####-##-## ##:##:##", "2024-02-29 12:34:56"),
    ("####-##-##T##:##:##.#Z", "2024-02-29T12:34:56.7Z"), ("####-##-##T##:##:##,###z", "2024-02-29T12:34:56,789z"),
    ("####-##-##T##:##:##.#########+0200", "2024-02-29T14:34:56.789011000+0200"),
    ("####-##-## ##:##:##-09:30", "2024-02-29 03:04:56-09:30"), ("####-##-## ##:##:##+02", "2024-02-29 14:34:56+02"),
])
def test_a_bound_is_written_in_the_form_of_the_column(form: str, expected: str) -> None:
    instant_us = 1_709_210_096_789_012
    assert value_from(TimestampFormat.ISO8601, form, instant_us, UTC) == expected
