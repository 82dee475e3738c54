"""
What is read by columns becomes the very bytes that rows become, or is left to be read by rows.

Each schema has one process, a real one; the rows that it is given are drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.columnar.tables import Table, column, specification, unframed
from tests.properties import MODEST

from bqsync.columnar.child import ColumnarReader
from bqsync.columnar.messages import PageRead, Unfit
from bqsync.model import ColumnSpec, EncodedRow, FramedRows, SqlValue, TargetType, TimestampFormat

T, F = TargetType, TimestampFormat
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PATIENCE_S = 60.0
ANY = (st.none() | INT64 | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from((0.0, -0.0, 1.0, 2.0**53))
       | TEXTS | st.sampled_from(("5", "-1.5", "", "a\0b", "\udcff")) | st.binary(max_size=9))
SCHEMAS = {
    "affinities": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, n NUMERIC, s TEXT, b BLOB, f BOOLEAN, g)",
        specification([
            column("id", T.INT64, 9), column("i", T.INT64, 4), column("r", T.FLOAT64, 5), column("n", T.NUMERIC, 6),
            column("s", T.STRING, 300), column("b", T.BYTES, 7), column("f", T.BOOL, 8), column("g", T.FLOAT64, 20)]),
    ),
    "other_types_than_declared": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, i, r NUMERIC, s, b, f, j TEXT, d DATE)",
        specification([
            column("id", T.INT64, 4), column("i", T.INT64, 5), column("r", T.BIGNUMERIC, 6), column("s", T.STRING, 7),
            column("b", T.BYTES, 8), column("f", T.BOOL, 9), column("j", T.JSON, 10), column("d", T.DATE, 11)]),
    ),
    "instants": (
        "CREATE TABLE t (id TEXT PRIMARY KEY, s INTEGER, m REAL, n INTEGER, j REAL, t TEXT, d DATETIME)",
        specification([
            column("id", T.STRING, 4), column("s", T.TIMESTAMP, 5, timestamp_format=F.UNIX_SECONDS),
            column("m", T.TIMESTAMP, 6, timestamp_format=F.UNIX_MILLIS),
            column("n", T.TIMESTAMP, 7, timestamp_format=F.UNIX_NANOS),
            column("j", T.TIMESTAMP, 8, timestamp_format=F.JULIAN_DAYS),
            column("t", T.TIMESTAMP, 9, timestamp_format=F.ISO8601), column("d", T.DATETIME, 10)]),
    ),
    "zeros_and_required": (
        "CREATE TABLE t (k TEXT, id INT, i INT, r REAL, s TEXT, f BOOLEAN, q INT, PRIMARY KEY (k, id)) WITHOUT ROWID",
        specification([
            column("k", T.STRING, 4), column("id", T.INT64, 5), column("i", T.INT64, 6, zero_for_null=True),
            column("r", T.FLOAT64, 7, zero_for_null=True), column("s", T.STRING, 8, zero_for_null=True),
            column("f", T.BOOL, 9, zero_for_null=True), column("q", T.INT64, 10, required=True)], key=("k", "id")),
    ),
}
FITTING: dict[TargetType, st.SearchStrategy[SqlValue]] = {
    T.INT64: INT64, T.FLOAT64: st.floats(-1e12, 1e12) | st.integers(-9, 9), T.STRING: TEXTS,
    T.BYTES: st.binary(max_size=9), T.BOOL: st.integers(0, 1), T.BIGNUMERIC: st.integers(-9, 9),
    T.NUMERIC: st.integers(-9, 9) | st.sampled_from((0.5, 10.25, -3.0)),
    T.JSON: st.sampled_from(('{"a": [1, 2.5]}', "null", '"x"')),
    T.DATE: st.sampled_from(("2026-11-30", "0001-01-01")),
    T.DATETIME: st.sampled_from(("2026-11-30 10:00", "2026-01-01")),
}
ISO = st.sampled_from(("2026-11-30", "2026-11-30T10:00:00.5", "1999-01-01 00:00:00Z", "2026-11-30T10:00+02:00"))
Key = str | int | tuple[str, int]
KEYS: dict[str, st.SearchStrategy[Key]] = {
    "affinities": INT64, "other_types_than_declared": INT64, "instants": TEXTS | st.just("a\0b"),
    "zeros_and_required": st.tuples(TEXTS, INT64),
}


@pytest.fixture(params=SCHEMAS, scope="module")
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
         ) -> Iterator[tuple[str, Table, ColumnarReader]]:
    schema, spec = SCHEMAS[request.param]
    table = Table(tmp_path_factory.mktemp("columnar"), schema, spec)
    with ColumnarReader(table.assignment) as reader:
        assert reader.is_ready(PATIENCE_S)
        yield request.param, table, reader


def _fitting(one: ColumnSpec) -> st.SearchStrategy[SqlValue]:
    if one.target_type is T.TIMESTAMP:
        if one.timestamp_format is F.ISO8601:
            return ISO
        if one.timestamp_format is F.JULIAN_DAYS:
            return st.integers(2_400_000, 2_500_000) | st.floats(2.4e6, 2.5e6)
        return st.integers(-(1 << 31), 1 << 33) | st.floats(-1e9, 1e9)
    return FITTING[one.target_type]


@st.composite
def _rows_of(draw: st.DrawFn, spec_name: str) -> list[tuple[SqlValue, ...]]:
    _, spec = SCHEMAS[spec_name]
    found = draw(st.lists(KEYS[spec_name], min_size=1, max_size=30, unique=True))
    # Most columns hold what they should, as they do in the field; what is odd comes in between.
    others = [one for one in spec.columns if one.source_name not in spec.key]
    kinds = [_fitting(one) if draw(st.integers(0, 9)) else ANY for one in others]
    kinds = [kind | st.none() if draw(st.booleans()) else kind for kind in kinds]
    rows = []
    for key in found:
        parts: tuple[SqlValue, ...] = key if isinstance(key, tuple) else (key,)
        rows.append((*parts, *[draw(kind) for kind in kinds]))
    return rows


def test_rows_and_columns_make_the_same_bytes(both: tuple[str, Table, ColumnarReader]) -> None:
    name, table, reader = both
    by_columns = 0

    @MODEST
    @given(_rows_of(name))
    def holds(rows: list[tuple[SqlValue, ...]]) -> None:
        nonlocal by_columns
        table.fill(rows)
        by_columns += _require_the_same(table, reader)

    holds()
    assert by_columns >= 10, "hardly anything was read by columns"


def _require_the_same(table: Table, reader: ColumnarReader) -> bool:
    """Whether it was read by columns; if so, with the outcome of rows."""
    rows = table.by_rows()
    found = table.by_columns(reader, first_sequence=77)
    if isinstance(found, Unfit):
        return False
    page = found.page
    if page is None:
        assert not rows
        return True
    deliverable = [row for row in rows if isinstance(row, EncodedRow)]
    assert len(deliverable) == len(rows), "a row that can't be delivered was taken for one that can"
    assert page.rows(range(len(page))) == [row._replace(source_key=None) for row in deliverable]
    assert all(row.source_key is None for row in deliverable)
    (request,) = page.requests(len(page), len(page.body))
    assert unframed(request) == table.staged(deliverable, 77)
    bare = table.by_columns(reader, first_sequence=None)
    assert isinstance(bare, PageRead)
    assert bare.page is not None
    assert (bare.page.rows(range(len(page))), bare.page.ends) == (deliverable, b"")
    for most in (1, 3):
        parts = list(page.requests(most, 1 << 20))
        assert [row for part in parts for row in unframed(part)] == unframed(FramedRows(page.body, len(page)))
        assert max(map(len, parts)) <= most
    return True
