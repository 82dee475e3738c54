"""
What the numbers or texts of a column are, when the mapping takes them for instants.

The ranges of 1980 to 2100 don't overlap between units, so that a column whose least and greatest value lie in one of
them has that unit, and every other column has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bqsync.capture.page_sql import instants_query
from bqsync.capture.source import Source
from bqsync.model import SqlValue, TimestampFormat

_YEAR_1980_S, _YEAR_2100_S = 315_532_800, 4_102_444_800
_JULIAN_1980, _JULIAN_2100 = 2_444_239.5, 2_488_069.5

UNIT_RANGES: dict[TimestampFormat, tuple[float, float]] = {
    TimestampFormat.UNIX_SECONDS: (_YEAR_1980_S, _YEAR_2100_S),
    TimestampFormat.UNIX_MILLIS: (_YEAR_1980_S * 10**3, _YEAR_2100_S * 10**3),
    TimestampFormat.UNIX_MICROS: (_YEAR_1980_S * 10**6, _YEAR_2100_S * 10**6),
    TimestampFormat.UNIX_NANOS: (_YEAR_1980_S * 10**9, _YEAR_2100_S * 10**9),
    TimestampFormat.JULIAN_DAYS: (_JULIAN_1980, _JULIAN_2100),
}


@dataclass(frozen=True, slots=True)
class ClassCount:
    """The values of one storage class in a column."""

    storage_class: str
    rows: int
    least: SqlValue
    greatest: SqlValue
    iso_rows: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What was found in a column."""

    timestamp_format: TimestampFormat | None
    """None where the values are no instants of one unit."""
    rows: int
    """Values that are not NULL; 0 leaves the question open."""
    found: str
    """What was counted, in words and without a value."""


def probe_instants(source: Source, table: str, column: str) -> ProbeResult:
    """Look at all values of a column, in one transaction."""
    query = instants_query(table, column)
    rows = source.read(lambda connection: connection.exec_driver_sql(query.sql, query.parameters).fetchall())
    return judge([ClassCount(*row) for row in rows])


def judge(counts: Sequence[ClassCount]) -> ProbeResult:
    """The format that all the counted values have."""
    verdicts = {_format_of(count) for count in counts}
    words = ", ".join(f"{count.rows} {count.storage_class}" for count in counts) or "no values"
    agreed = verdicts.pop() if len(verdicts) == 1 else None
    return ProbeResult(agreed, sum(count.rows for count in counts), words)


def _format_of(count: ClassCount) -> TimestampFormat | None:
    if count.storage_class == "text":
        return TimestampFormat.ISO8601 if count.iso_rows == count.rows else None
    least, greatest = count.least, count.greatest
    if not isinstance(least, int | float) or not isinstance(greatest, int | float):
        return None
    for unit, (low, high) in UNIT_RANGES.items():
        if low <= least and greatest < high:
            return unit
    return None
