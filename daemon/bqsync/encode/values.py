"""
One table of types: how a SQLite cell becomes the protobuf value of a BigQuery column.

Each conversion either returns a value that BigQuery stores unchanged, or raises `Rejected`. Nothing is rounded, cut or
coerced on the way, except instants finer than a microsecond (see `timestamps`).

Source of the accepted protobuf types: https://cloud.google.com/bigquery/docs/supported-data-types
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation

from bqsync.encode.rejection import Rejected
from bqsync.encode.timestamps import timestamp_converter
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ColumnSpec, Reason, SqlValue, TargetType, WireValue

Converter = Callable[[SqlValue], WireValue]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MAX_EXACT_FLOAT_INT = 1 << 53
_MIN_INT64, _MAX_INT64 = -(1 << 63), (1 << 63) - 1
_MAX_JSON_INT_LETTERS = 20

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?"
_TIME = re.compile(_CLOCK, re.ASCII)
_DATETIME = re.compile(rf"\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK})?", re.ASCII)
_HALF_A_PAIR = re.compile(r"\\u[dD][89abAB]")
_MIDNIGHT = "24"
"""From Python 3.14 on, 24:00 is read as the next day's 00:00, and by `time` as 00:00."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)

NUMERIC_SCALE, BIGNUMERIC_SCALE = 9, 38
"""Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types"""
NUMERIC_LIMIT = Decimal("99999999999999999999999999999.999999999")
BIGNUMERIC_LIMIT = Decimal("578960446186580977117854925043439539266.34992332820282019728792003956564819967")
BIGNUMERIC_LEAST = Decimal("-578960446186580977117854925043439539266.34992332820282019728792003956564819968")

PASSED_UNCHANGED: dict[TargetType, type] = {
    TargetType.INT64: int,
    TargetType.FLOAT64: float,
    TargetType.STRING: str,
    TargetType.BYTES: bytes,
}
"""Values of these Python types need no conversion: protobuf's own setter refuses what would not fit."""

ZERO_VALUES: dict[TargetType, WireValue] = {
    TargetType.INT64: 0,
    TargetType.FLOAT64: 0.0,
    TargetType.BOOL: False,
    TargetType.NUMERIC: "0",
    TargetType.BIGNUMERIC: "0",
    TargetType.STRING: "",
}
"""What `null_values = "zero"` puts in the place of NULL; other types keep NULL."""


def converter(column: ColumnSpec, zone: tzinfo = UTC) -> Converter:
    """
    The conversion of one column, for values that are not NULL.

    Args:
        column: its target type and, for a TIMESTAMP, its format.
        zone: meaning of ISO texts without an offset.
    """
    if column.target_type is TargetType.TIMESTAMP:
        if column.timestamp_format is None:
            return _undecided(column)
        return timestamp_converter(column.timestamp_format, zone)
    return _CONVERTERS[column.target_type]


def _undecided(column: ColumnSpec) -> Converter:
    """Of a column that had no value when it was looked at. Its first one decides, in another cycle."""
    def refuse(_value: SqlValue) -> WireValue:
        raise UndecidedColumnError(column.source_name)

    return refuse


class UndecidedColumnError(BqsyncError):
    """A column that was empty holds a value, and nothing was decided about the unit of its instants."""

    def __init__(self, column: str) -> None:
        super().__init__(
            ErrorKind.SOURCE_CHANGED, what=f"column {column} holds a value, and was empty a moment ago",
            why="the unit of its instants is decided by its values", fix="the next cycle decides",
        )


def rereader(column: ColumnSpec) -> Callable[[WireValue], WireValue]:
    """
    From what BigQuery prints of a value to the wire value that was sent.

    Decimal and civil-time literals are spelled anew, JSON is stored parsed; everything else comes back as it was.
    """
    if column.target_type is TargetType.JSON:
        return lambda value: canonical_json(str(value))
    if column.target_type in _SPELLED_BY_BIGQUERY:
        respell = _CONVERTERS[column.target_type]
        return lambda value: respell(str(value))
    return lambda value: value


def canonical_json(text: str) -> str:
    """One spelling for all texts of the same JSON value."""
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def _to_int64(value: SqlValue) -> int:
    if type(value) is int:
        return value
    if type(value) is not float:
        raise Rejected(Reason.WRONG_TYPE)
    if not math.isfinite(value):
        raise Rejected(Reason.NOT_FINITE)
    if not value.is_integer():
        raise Rejected(Reason.WOULD_CHANGE)
    number = int(value)
    if not _MIN_INT64 <= number <= _MAX_INT64:
        raise Rejected(Reason.OUT_OF_RANGE)
    return number


def _to_float64(value: SqlValue) -> float:
    if type(value) is float:
        return value
    if type(value) is not int:
        raise Rejected(Reason.WRONG_TYPE)
    if abs(value) > _MAX_EXACT_FLOAT_INT and int(float(value)) != value:
        raise Rejected(Reason.WOULD_CHANGE)
    return float(value)


def _to_bool(value: SqlValue) -> bool:
    if type(value) in (int, float) and value in (0, 1):
        return bool(value)
    raise Rejected(Reason.WOULD_CHANGE if type(value) in (int, float) else Reason.WRONG_TYPE)


def _to_string(value: SqlValue) -> str:
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return repr(value)
    return _valid_text(value)


def _valid_text(value: SqlValue) -> str:
    if type(value) is not str:
        raise Rejected(Reason.WRONG_TYPE)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Rejected(Reason.INVALID_TEXT) from None
    return value


def _to_bytes(value: SqlValue) -> bytes:
    if type(value) is bytes:
        return value
    raise Rejected(Reason.WRONG_TYPE)


def _to_decimal(value: SqlValue, scale: int, least: Decimal, greatest: Decimal) -> str:
    """A decimal literal. A REAL counts as its shortest decimal form: 0.1 is 0.1."""
    number = _decimal_of(value)
    if not number.is_finite():
        raise Rejected(Reason.NOT_FINITE)
    if not least <= number <= greatest:
        raise Rejected(Reason.OUT_OF_RANGE)
    if not number:
        return "0"
    whole, _, fraction = f"{number:f}".partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > scale:
        raise Rejected(Reason.WOULD_CHANGE)
    return f"{whole}.{fraction}" if fraction else whole


def _decimal_of(value: SqlValue) -> Decimal:
    if type(value) is int:
        return Decimal(value)
    if type(value) is float:
        return Decimal(repr(value))
    if type(value) is str and _NUMBER.fullmatch(value):
        try:
            return Decimal(value)
        except InvalidOperation:
            raise Rejected(Reason.OUT_OF_RANGE) from None
    raise Rejected(Reason.WRONG_TYPE)


def _to_numeric(value: SqlValue) -> str:
    return _to_decimal(value, NUMERIC_SCALE, NUMERIC_LIMIT.copy_negate(), NUMERIC_LIMIT)


def _to_bignumeric(value: SqlValue) -> str:
    return _to_decimal(value, BIGNUMERIC_SCALE, BIGNUMERIC_LEAST, BIGNUMERIC_LIMIT)


def _to_date(value: SqlValue) -> int:
    """Days since 1970-01-01."""
    if type(value) is not str or not _DATE.fullmatch(value):
        raise Rejected(Reason.WRONG_TYPE)
    try:
        return date.fromisoformat(value).toordinal() - _EPOCH_DAY
    except ValueError:
        raise Rejected(Reason.OUT_OF_RANGE) from None


def _to_datetime(value: SqlValue) -> str:
    if type(value) is not str or not _DATETIME.fullmatch(value):
        raise Rejected(Reason.WRONG_TYPE)
    if value[11:13] == _MIDNIGHT:
        raise Rejected(Reason.OUT_OF_RANGE)
    try:
        return datetime.fromisoformat(value).isoformat()
    except ValueError:
        raise Rejected(Reason.OUT_OF_RANGE) from None


def _to_time(value: SqlValue) -> str:
    if type(value) is not str or not _TIME.fullmatch(value):
        raise Rejected(Reason.WRONG_TYPE)
    if value[:2] == _MIDNIGHT:
        raise Rejected(Reason.OUT_OF_RANGE)
    try:
        return time.fromisoformat(value).isoformat()
    except ValueError:
        raise Rejected(Reason.OUT_OF_RANGE) from None


def _to_json(value: SqlValue) -> str:
    text = _valid_text(value)
    try:
        found = json.loads(text, parse_constant=_refuse_constant, parse_float=_exact_json_float,
                           parse_int=_exact_json_int, object_pairs_hook=_unique_json_names)
    except (ValueError, RecursionError):
        raise Rejected(Reason.WRONG_TYPE) from None
    if _HALF_A_PAIR.search(text):
        _refuse_half_a_pair(found)
    return text


def _refuse_half_a_pair(found: object) -> None:
    """An escape of a surrogate that has no other half is no character: whoever stores it has to replace it."""
    try:
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Rejected(Reason.INVALID_TEXT) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _exact_json_float(text: str) -> float:
    """BigQuery stores JSON fractions as FLOAT64. Source: …/data-types#json_type."""
    number = float(text)
    try:
        exact = math.isfinite(number) and Decimal(repr(number)) == Decimal(text)
    except InvalidOperation:
        exact = False
    if not exact:
        raise Rejected(Reason.WOULD_CHANGE)
    return number


def _exact_json_int(text: str) -> int:
    """BigQuery stores JSON integers as signed or unsigned 64-bit numbers."""
    # Python refuses to parse several thousand digits, and no 64-bit number is that long.
    if len(text) > _MAX_JSON_INT_LETTERS or not _MIN_INT64 <= (number := int(text)) < 1 << 64:
        raise Rejected(Reason.WOULD_CHANGE)
    return number


def _unique_json_names(members: list[tuple[str, object]]) -> dict[str, object]:
    """BigQuery keeps the first of several members of one name. Source: …/data-types#json_type."""
    found = dict(members)
    if len(found) != len(members):
        raise Rejected(Reason.WOULD_CHANGE)
    return found


_CONVERTERS: dict[TargetType, Converter] = {
    TargetType.INT64: _to_int64,
    TargetType.FLOAT64: _to_float64,
    TargetType.BOOL: _to_bool,
    TargetType.STRING: _to_string,
    TargetType.BYTES: _to_bytes,
    TargetType.NUMERIC: _to_numeric,
    TargetType.BIGNUMERIC: _to_bignumeric,
    TargetType.DATE: _to_date,
    TargetType.DATETIME: _to_datetime,
    TargetType.TIME: _to_time,
    TargetType.JSON: _to_json,
}

_SPELLED_BY_BIGQUERY = (TargetType.NUMERIC, TargetType.BIGNUMERIC, TargetType.DATETIME, TargetType.TIME)
