"""What the values of a column are is told only where all of them agree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.capture.files import keyed

from bqsync.capture.probe import UNIT_RANGES, judge, kind_of, odd_places, probe_instants, rounded_rows
from bqsync.model import SqlValue, TimestampFormat

if TYPE_CHECKING:
    from pathlib import Path

S, MS, US, NS = (TimestampFormat.UNIX_SECONDS, TimestampFormat.UNIX_MILLIS, TimestampFormat.UNIX_MICROS,
                 TimestampFormat.UNIX_NANOS)
JULIAN, ISO = TimestampFormat.JULIAN_DAYS, TimestampFormat.ISO8601
NOW = 1_700_000_000


@pytest.mark.parametrize(("values", "expected"), [
    ([NOW], S), ([315_532_800, 4_102_444_799], S), ([NOW + 0.5, 1], None), ([NOW, NOW + 0.25], S), ([NOW + 0.5], S),
    ([NOW * 10**3], MS), ([NOW * 10**6], US), ([NOW * 10**9], NS), ([2460310.5], JULIAN),
    ([2460310, 2460310.25], JULIAN), ([NOW, NOW * 1000], None), ([NOW, 0], None), ([0], None), ([-1], None),
    ([NOW, None], S), ([None], None), ([], None), ([315_532_799], None), ([4_102_444_800], None), ([12, 40], None),
    ([float("inf")], None), ([NOW, float("inf")], None),
    (["2024-01-01"], ISO), (["2024-01-01T00:00:00Z", "1999-12-31 23:59"], ISO), (["2024-01-01", "soon"], None),
    (["2024-01-01", NOW], None), ([b"2024-01-01"], None), ([NOW, b""], None), ([""], None), ([str(NOW)], None),
])
def test_a_column_has_the_format_that_all_its_values_have(
    tmp_path: Path, values: list[SqlValue], expected: TimestampFormat | None,
) -> None:
    reader = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, x)", ["k"], list(enumerate(values)))
    result = probe_instants(reader._source, "t", "x")
    assert result.timestamp_format is expected
    assert result.rows == sum(value is not None for value in values)


def test_what_was_found_is_told_in_counts_and_never_in_values(tmp_path: Path) -> None:
    values: list[SqlValue] = [NOW, NOW + 1, 0.5, "secret", b"secret", None]
    reader = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, x)", ["k"], list(enumerate(values)))
    result = probe_instants(reader._source, "t", "x")
    assert result.found == "2 unix_seconds, 1 blob, 1 real, 1 text"
    assert judge({}).found == "no values"


def test_the_rows_that_stand_out_are_shown_by_a_query_for_the_operator(tmp_path: Path) -> None:
    values: list[SqlValue] = [NOW, NOW + 1, NOW * 1000, "soon", None]
    reader = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, x)", ["k"], list(enumerate(values)))
    result = probe_instants(reader._source, "t", "x")
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        places = connection.execute(odd_places("t", "x", result)).fetchall()
    assert places == [("unix_millis", 2, NOW * 1000), ("text", 3, "soon")]


def test_texts_that_are_no_utf8_are_looked_at_all_the_same(tmp_path: Path) -> None:
    reader = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, x)", ["k"], [(1, "2024-01-01"), (2, "\udcff")])
    assert probe_instants(reader._source, "t", "x").timestamp_format is None


def test_a_table_with_a_column_of_the_name_kind_is_judged_as_any_other(tmp_path: Path) -> None:
    rows: list[tuple[SqlValue, ...]] = [(1, NOW, "one"), (2, NOW, "other"), (3, "soon", "one"), (4, "late", "other")]
    reader = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, x, kind TEXT)", ["k"], rows)
    result = probe_instants(reader._source, "t", "x")
    assert result.counts == {"text": 2, "unix_seconds": 2}
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        places = connection.execute(odd_places("t", "x", result)).fetchall()
    assert [row[1] for row in places] == [1, 2]


def test_the_ranges_of_the_units_do_not_meet() -> None:
    ranges = sorted(UNIT_RANGES.values())
    assert all(high <= low for (_, high), (low, _) in pairwise(ranges))


@pytest.mark.parametrize(("fmt", "values", "rounded"), [
    (NS, [NOW * 10**9, NOW * 10**9 + 1000, NOW * 10**9 + 1, NOW * 10**9 + 999, None], 2),
    (ISO, ["2024-01-01T00:00:00.123456Z", "2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00.123456+01:00", None], 1),
    (S, [NOW + 0.1], 0),
])
def test_instants_finer_than_a_microsecond_are_counted(
    tmp_path: Path, fmt: TimestampFormat, values: list[SqlValue], rounded: int,
) -> None:
    reader = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, x)", ["k"], list(enumerate(values)))
    assert rounded_rows(reader._source, "t", "x", fmt) == rounded


def test_a_value_at_hand_is_counted_as_sqlite_counts_it(tmp_path: Path) -> None:
    edges = [edge for bounds in UNIT_RANGES.values() for edge in bounds]
    values: list[SqlValue] = [*edges, *(edge - 1 for edge in edges), 0, -1, 0.5, float("inf"), "", "2024-01-01",
                              "2024-01-01T00:00:00Z", "2024-1-1", "x2024-01-01", b"2024-01-01", b""]
    for value in values:
        reader = keyed(tmp_path / "app.db", "(k INTEGER PRIMARY KEY, x)", ["k"], [(1, value)])
        assert dict(probe_instants(reader._source, "t", "x").counts) == {kind_of(value): 1}, value
