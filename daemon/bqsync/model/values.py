"""Cells, their types, and names."""

from __future__ import annotations

from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase

SqlValue = int | float | str | bytes | None
"""A cell as Python's sqlite3 returns it: the five storage classes of SQLite."""


WireValue = int | float | str | bytes | bool | None
"""A cell as it is set on a protobuf field; None is an absent field, which BigQuery stores as NULL."""


_FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)


def folded(name: str) -> str:
    """
    A name or a type of SQLite's in the form by which SQLite compares it.

    Only the letters of ASCII are the same in both cases: `É` and `é` are two columns.

    Source: https://www.sqlite.org/c3ref/stricmp.html
    """
    return name.translate(_FOLDED)


class TargetType(StrEnum):
    """A BigQuery column type, by its GoogleSQL name."""

    INT64 = "INT64"
    FLOAT64 = "FLOAT64"
    BOOL = "BOOL"
    STRING = "STRING"
    BYTES = "BYTES"
    TIMESTAMP = "TIMESTAMP"
    NUMERIC = "NUMERIC"
    BIGNUMERIC = "BIGNUMERIC"
    DATE = "DATE"
    DATETIME = "DATETIME"
    TIME = "TIME"
    JSON = "JSON"


class TimestampFormat(StrEnum):
    """What the values of a source column mean when its target is a TIMESTAMP."""

    UNIX_SECONDS = "unix_seconds"
    UNIX_MILLIS = "unix_millis"
    UNIX_MICROS = "unix_micros"
    UNIX_NANOS = "unix_nanos"
    JULIAN_DAYS = "julian_days"
    ISO8601 = "iso8601"
