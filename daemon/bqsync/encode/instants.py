"""
The way back from an instant to a value of the source: where a range of a watermark column begins.

A column of texts can be a watermark only where all its texts have one form, and that form sorts as the instants do:
`T` sorts behind a space, `.5Z` before `Z`, and local time without an offset runs through one hour twice a year.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from bqsync.model import SqlValue, TimestampFormat

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:(?P<separator>[T ])\d\d:\d\d:\d\d(?P<fraction>[.,]\d{1,9})?"
    r"(?P<offset>Z|z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_FORM = "####-##-##"
_TIME_FORM = "##:##:##"
_MAX_INT64 = (1 << 63) - 1
_DAY_US = 86_400_000_000
_JULIAN_EPOCH = 2_440_587.5
_JULIAN_MARGIN_US = 1_000
"""A double counts days of our time in steps of 40 microseconds."""
_MARGIN_US = 1
"""A REAL number of seconds is rounded to the microsecond of its instant, upwards as well."""


def form_of(text: str) -> str | None:
    """The form of an ISO 8601 text: `#` for its digits, but for those of the offset. None where it is no such text."""
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    if match["separator"] is None:
        return _DATE_FORM
    fraction = re.sub(r"\d", "#", match["fraction"] or "")
    return f"{_DATE_FORM}{match['separator']}{_TIME_FORM}{fraction}{match['offset'] or ''}"


def look_of(form: str) -> str:
    """The GLOB pattern of SQLite for all texts of a form."""
    return form.replace("#", "[0-9]")


def sorts_as_instants(form: str, zone: tzinfo) -> bool:
    """Whether the texts of a form sort as the instants that they mean in that zone."""
    has_time = len(form) > len(_DATE_FORM)
    return not has_time or _offset_of(form) is not None or _is_fixed(zone)


def value_from(fmt: TimestampFormat, form: str | None, instant_us: int, zone: tzinfo) -> SqlValue:
    """A value that is not after the instant, nor by more than a millisecond (or a digit of its form) before it."""
    margin_us = _JULIAN_MARGIN_US if fmt is TimestampFormat.JULIAN_DAYS else _MARGIN_US
    return _value_at(fmt, form, instant_us - margin_us, zone)


def value_until(fmt: TimestampFormat, form: str | None, instant_us: int, zone: tzinfo) -> SqlValue:
    """A value that no value of an earlier instant is greater than."""
    margin_us = _JULIAN_MARGIN_US if fmt is TimestampFormat.JULIAN_DAYS else _MARGIN_US
    return _value_at(fmt, form, instant_us + margin_us, zone)


def _value_at(fmt: TimestampFormat, form: str | None, instant_us: int, zone: tzinfo) -> SqlValue:
    match fmt:
        case TimestampFormat.UNIX_SECONDS:
            return instant_us / 1_000_000
        case TimestampFormat.UNIX_MILLIS:
            return instant_us / 1_000
        case TimestampFormat.UNIX_MICROS:
            return instant_us
        case TimestampFormat.UNIX_NANOS:
            # Beyond 1678 and 2262 there are no nanoseconds in 64 bits: the least and the greatest stand for them.
            return max(-_MAX_INT64, min(instant_us * 1_000, _MAX_INT64))
        case TimestampFormat.JULIAN_DAYS:
            return instant_us / _DAY_US + _JULIAN_EPOCH
        case TimestampFormat.ISO8601:
            return None if form is None else _text_at(form, instant_us, zone)


def _text_at(form: str, instant_us: int, zone: tzinfo) -> str | None:
    try:
        moment = (_EPOCH + timedelta(microseconds=instant_us)).astimezone(_offset_of(form) or zone)
    except OverflowError:
        return None
    if len(form) == len(_DATE_FORM):
        return f"{moment:%Y-%m-%d}".zfill(len(_DATE_FORM))
    fraction = re.search(r"([.,])(#+)", form)
    text = f"{moment:%Y-%m-%d}".zfill(len(_DATE_FORM)) + form[len(_DATE_FORM)] + f"{moment:%H:%M:%S}"
    if fraction:
        text += fraction[1] + f"{moment.microsecond:06d}".ljust(len(fraction[2]), "0")[: len(fraction[2])]
    return text + _suffix_of(form)


def _suffix_of(form: str) -> str:
    return form[len(_DATE_FORM) + 1 + len(_TIME_FORM) :].lstrip(".,#")


def _offset_of(form: str) -> tzinfo | None:
    suffix = _suffix_of(form)
    if not suffix:
        return None
    if suffix in "Zz":
        return UTC
    digits = suffix[1:].replace(":", "")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(distance if suffix[0] == "+" else -distance)


def _is_fixed(zone: tzinfo) -> bool:
    """Whether the zone has had one offset in every month since 1970."""
    offsets = {zone.utcoffset(datetime(year, month, 1)) for year in range(1970, 2038) for month in range(1, 13)}  # noqa: DTZ001
    return len(offsets) == 1
