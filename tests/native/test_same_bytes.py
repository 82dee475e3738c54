"""What compiled code makes of a page are the very bytes that rows become, or it leaves the page to be read by rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.native.tables import Table, column, specification, unframed
from tests.properties import MODEST

from bqsync.model import ColumnSpec, EncodedRow, FramedRows, SqlValue, TargetType, TimestampFormat
from bqsync.native.offer import UnfitError

T, F = TargetType, TimestampFormat
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NO_UTF8 = ("\udcff", "a\udcc3", "\udce2\udc82", "\udcf0\udc9f\udc98", "\udcc0\udc80", "\udced\udca0\udc80",
           "\udcf4\udc90\udc80\udc80", "\udce0\udc80\udc80", "\udcf0\udc80\udc80\udc80")
"""Bytes that are none, cut off, longer than need be, a surrogate, or beyond the last character."""
ANY = (st.none() | INT64 | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from((0.0, -0.0, 1.0, 2.0**53))
       | TEXTS | st.sampled_from(("5", "-1.5", "", "a\0b")) | st.sampled_from(NO_UTF8) | st.binary(max_size=9))
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
    "keys_of_any_type": (
        "CREATE TABLE t (id PRIMARY KEY, s) WITHOUT ROWID",
        specification([column("id", T.STRING, 4), column("s", T.STRING, 5)]),
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
    "keys_of_any_type": TEXTS, "zeros_and_required": st.tuples(TEXTS, INT64),
}


@pytest.fixture(params=SCHEMAS, scope="module")
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Table]:
    schema, spec = SCHEMAS[request.param]
    return request.param, Table(tmp_path_factory.mktemp("native"), schema, spec)


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


def test_rows_and_compiled_code_make_the_same_bytes(both: tuple[str, Table]) -> None:
    name, table = both
    by_compiled_code = 0

    @MODEST
    @given(_rows_of(name))
    def holds(rows: list[tuple[SqlValue, ...]]) -> None:
        nonlocal by_compiled_code
        table.fill(rows)
        by_compiled_code += _require_the_same(table)

    holds()
    assert by_compiled_code >= 10, "hardly anything was read by compiled code"


def _require_the_same(table: Table) -> bool:
    """Whether it was read by compiled code; if so, with the outcome of rows."""
    rows = table.by_rows()
    try:
        page = table.by_compiled_code(first_sequence=77)
    except UnfitError:
        return False
    if page is None:
        assert not rows
        return True
    deliverable = [row for row in rows if isinstance(row, EncodedRow)]
    assert len(deliverable) == len(rows), "a row that can't be delivered was taken for one that can"
    assert page.rows(range(len(page))) == [row._replace(source_key=None) for row in deliverable]
    assert all(row.source_key is None for row in deliverable)
    (request,) = page.requests(len(page), len(page.body))
    assert unframed(request) == table.staged(deliverable, 77)
    bare = table.by_compiled_code(first_sequence=None)
    assert bare is not None
    assert (bare.rows(range(len(page))), bare.ends) == (deliverable, b"")
    for most in (1, 3):
        parts = list(page.requests(most, 1 << 20))
        assert [row for part in parts for row in unframed(part)] == unframed(FramedRows(page.body, len(page)))
        assert max(map(len, parts)) <= most
    return True


@pytest.mark.parametrize("text", [*NO_UTF8, "é", "€", "\U0001f600", "\uffff", "\U0010ffff", "\ud7ff",
                                  "aaaaaaaaé", "aaaaaaa\0é"])
def test_what_is_utf8_is_what_python_takes_for_it(tmp_path: Path, text: str) -> None:
    """At the end of the page's memory, and between rows that are beyond doubt: the outer ones are proved by rows."""
    schema, spec = SCHEMAS["affinities"]
    table = Table(tmp_path, schema, spec)
    for texts in ([text], ["before", text, "behind"]):
        table.fill([(n, 1, 1.0, 1, one, b"", 1, 1.0) for n, one in enumerate(texts)])
        assert _require_the_same(table) is (text not in NO_UTF8)


EDGES: tuple[SqlValue, ...] = (
    None, 0, 1, -1, 2, 1 << 31, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1, (1 << 63) - 1, -(1 << 63), 253_402_300_799,
    253_402_300_800, -62_135_596_800, -62_135_596_801, 0.0, -0.0, 0.1, 0.5, 1.0, 2.0, 2.0**53, 2.0**63, -(2.0**63),
    1e308, -1e308, 5e-324, 1e-9, float("inf"), float("-inf"), 1 / 128, 3 / 128, -1 / 128, 1 / 16, 3 / 16,
    1_700_000_000 + 1 / 128, 1_700_000_000.123_456_7, 253_402_300_799.999_97, -62_135_596_800.5, 1e15, 1e18,
    "", "5", "1.0", "x", "a\0b", "2026-11-30", b"", b"x", "é" * 200, b"\xff" * 300,
)
"""Just within what a type holds, and just beyond; halves of a microsecond, which round to the even one."""
PLAIN: dict[str, SqlValue] = {
    "id": 1, "i": 7, "r": 0.5, "n": 5, "s": "text", "b": b"blob", "f": 1, "g": 2.5, "j": "[]", "d": "2026-11-30",
    "m": 5, "t": "2026-11-30", "k": "key", "q": 1,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_value_at_the_edge_becomes_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Between two rows that are beyond doubt: the outer ones are proved by rows."""
    schema, spec = SCHEMAS[name]
    table = Table(tmp_path, schema, spec)
    names = [one.source_name for one in spec.columns]
    plain = dict(PLAIN)
    if name == "instants":
        plain |= {"s": 1_700_000_000, "n": 1_700_000_000, "j": 2_460_000}
    by_compiled_code = 0
    for edged in names:
        for edge in EDGES:
            if edged in spec.key and edge is None:
                continue
            rows = [[plain[one] for one in names] for _ in range(3)]
            rows[1][names.index(edged)] = edge
            is_text = spec.columns[names.index("id")].target_type is T.STRING
            keys: Sequence[SqlValue] = ("a", "b", "c") if is_text else (10, 11, 12)
            for key, row in zip(keys, rows, strict=True):
                if edged != "id" or row is not rows[1]:
                    row[names.index("id")] = key
            try:
                table.fill(rows)
            except sqlite3.IntegrityError:
                continue  # SQLite itself has nothing but integers there
            by_compiled_code += _require_the_same(table)
    assert by_compiled_code > len(EDGES) // 3, "hardly anything was read by compiled code"
