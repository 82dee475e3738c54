"""
What the numbers or texts of a column are, when the mapping takes them for instants.

The ranges of 1980 to 2100 don't overlap between units, so that a column whose values all lie in one of them has that
unit, and every other column has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bqsync.capture.probe_sql import Ranges, kinds_query, places_query, rounded_query
from bqsync.capture.source import Source
from bqsync.model import SqlValue, TimestampFormat

_YEAR_1980_S, _YEAR_2100_S = 315_532_800, 4_102_444_800
_JULIAN_1980, _JULIAN_2100 = 2_444_239.5, 2_488_069.5

UNIT_RANGES: Ranges = {
    TimestampFormat.UNIX_SECONDS: (_YEAR_1980_S, _YEAR_2100_S),
    TimestampFormat.UNIX_MILLIS: (_YEAR_1980_S * 10**3, _YEAR_2100_S * 10**3),
    TimestampFormat.UNIX_MICROS: (_YEAR_1980_S * 10**6, _YEAR_2100_S * 10**6),
    TimestampFormat.UNIX_NANOS: (_YEAR_1980_S * 10**9, _YEAR_2100_S * 10**9),
    TimestampFormat.JULIAN_DAYS: (_JULIAN_1980, _JULIAN_2100),
}

_ISO_LOOK = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What was found in a column."""

    timestamp_format: TimestampFormat | None
    """None where the values are no instants of one unit."""
    counts: Mapping[str, int]
    """Values that are not NULL, by kind: a unit, `iso8601`, or the storage class of what is neither. Most first."""

    @property
    def rows(self) -> int:
        """Values that are not NULL; 0 leaves the question open."""
        return sum(self.counts.values())

    @property
    def found(self) -> str:
        """What was counted, in words and without a value."""
        return ", ".join(f"{rows} {kind}" for kind, rows in self.counts.items()) or "no values"


def kind_of(value: SqlValue) -> str:
    """What `probe_instants` counts a value as, of one that is at hand."""
    if type(value) in (int, float) and isinstance(value, int | float):
        unit = next((unit for unit, (low, high) in UNIT_RANGES.items() if low <= value < high), None)
        return unit.value if unit else "integer" if type(value) is int else "real"
    if isinstance(value, str):
        return TimestampFormat.ISO8601.value if _ISO_LOOK.match(value) else "text"
    return "blob"


def probe_instants(source: Source, table: str, column: str) -> ProbeResult:
    """Look at all values of a column, in one transaction."""
    query = kinds_query(table, column, UNIT_RANGES)
    rows = source.read(lambda connection: connection.exec_driver_sql(query.sql, query.parameters).fetchall())
    return judge({row[0]: int(row[1]) for row in rows})


def judge(counts: Mapping[str, int]) -> ProbeResult:
    """The format that all the counted values have, if they have one."""
    (kind,) = counts if len(counts) == 1 else ("",)
    return ProbeResult(next((fmt for fmt in TimestampFormat if fmt.value == kind), None), counts)


def odd_places(table: str, column: str, result: ProbeResult) -> str:
    """A SELECT that shows an operator the rows whose value is not of the most frequent kind."""
    return places_query(table, column, UNIT_RANGES, next(iter(result.counts)))


def rounded_rows(source: Source, table: str, column: str, fmt: TimestampFormat) -> int:
    """How many instants of a column are finer than the microsecond that BigQuery keeps: they are rounded."""
    query = rounded_query(table, column, fmt)
    if query is None:
        return 0
    return source.read(lambda connection: int(connection.exec_driver_sql(query.sql, query.parameters).scalar_one()))
