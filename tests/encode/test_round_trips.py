"""Whatever a cell holds, up to every limit of every type: what a protobuf reader finds is what SQLite had."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.encode.specs import column, parsed, table
from tests.properties import MODEST

from bqsync.encode.keys import decode_key
from bqsync.encode.rows import _MAX_SHAPES, RowEncoder
from bqsync.model import EncodedRow, SqlValue, TargetType, TimestampFormat

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EDGES = [-(2**63), -(2**63) + 1, -1, 0, 1, 127, 128, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 2, 2**63 - 1]
NINES = Decimal("99999999999999999999999999999.999999999")
ODD_TEXTS = ["", "\0", "a\0", "\uffff", "\U0010ffff", "é", "NULL", "\ufeff", "x" * 70000]


def same_float(wire: object, value: SqlValue) -> bool:
    return isinstance(wire, float) and isinstance(value, float) and (
        wire == value and math.copysign(1, wire) == math.copysign(1, value)
    )


def equal(wire: object, value: SqlValue) -> bool:
    return wire == value and type(wire) is type(value)


def same_decimal(wire: object, value: SqlValue) -> bool:
    return Decimal(str(wire)) == Decimal(str(value))


def decimals(places: int, limit: int) -> st.SearchStrategy[str]:
    return st.integers(-limit, limit).map(lambda number: str(Decimal(f"{number}e-{places}")))


CELLS: dict[TargetType, tuple[st.SearchStrategy[SqlValue], Callable[[object, SqlValue], bool]]] = {
    TargetType.INT64: (st.integers(-(2**63), 2**63 - 1) | st.sampled_from(EDGES), equal),
    TargetType.FLOAT64: (
        st.floats(allow_nan=False) | st.sampled_from([-0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308]),
        same_float,
    ),
    TargetType.BOOL: (st.sampled_from([0, 1]), lambda wire, value: wire is (value == 1)),
    TargetType.STRING: (st.text(max_size=30) | st.sampled_from(ODD_TEXTS), equal),
    TargetType.BYTES: (st.binary(max_size=40) | st.sampled_from([b"", b"\0", b"\xff" * 70000]), equal),
    TargetType.NUMERIC: (
        decimals(9, 10**38 - 1) | st.sampled_from([str(NINES), f"-{NINES}", "0.000000001"]),
        same_decimal,
    ),
    TargetType.BIGNUMERIC: (decimals(38, 5 * 10**76) | decimals(0, 5 * 10**38), same_decimal),
    TargetType.DATE: (
        st.dates().map(str) | st.sampled_from(["0001-01-01", "9999-12-31"]),
        lambda wire, value: isinstance(wire, int) and str(date(1970, 1, 1) + timedelta(days=wire)) == value,
    ),
    TargetType.DATETIME: (
        st.datetimes().map(str) | st.sampled_from([str(datetime.min), str(datetime.max)]),  # noqa: DTZ901 - a local time
        lambda wire, value: datetime.fromisoformat(str(wire)) == datetime.fromisoformat(str(value)),
    ),
    TargetType.TIME: (
        st.times().map(str) | st.sampled_from([str(time.min), str(time.max)]),
        lambda wire, value: time.fromisoformat(str(wire)) == time.fromisoformat(str(value)),
    ),
    TargetType.JSON: (
        st.recursive(st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
                     lambda inner: st.lists(inner, max_size=3)).map(json.dumps),
        equal,
    ),
    TargetType.TIMESTAMP: (
        st.datetimes(timezones=st.just(UTC)).map(str),
        lambda wire, value: isinstance(wire, int) and EPOCH + wire * MICROSECOND == datetime.fromisoformat(str(value)),
    ),
}
CASES = st.sampled_from(list(TargetType)).flatmap(lambda kind: st.tuples(st.just(kind), CELLS[kind][0]))
ENCODERS = {
    kind: RowEncoder(table(column("id", TargetType.INT64),
                           column("x", kind, timestamp_format=TimestampFormat.ISO8601))) for kind in TargetType
}
KEYED = {
    kind: RowEncoder(table(column("id", kind, timestamp_format=TimestampFormat.ISO8601)))
    for kind in set(TargetType) - {TargetType.JSON}
}


def test_every_type_has_its_cells() -> None:
    assert set(CELLS) == set(TargetType)


@pytest.mark.parametrize("kind", list(TargetType))
def test_a_cell_arrives_as_it_was(kind: TargetType) -> None:
    cells, holds = CELLS[kind]

    @MODEST
    @given(cells)
    def arrives(value: SqlValue) -> None:
        encoder = ENCODERS[kind]
        row = encoder.encode((1, value))
        assert isinstance(row, EncodedRow)
        fields = parsed(encoder, row.row)
        assert set(fields) == {"id", "x"}, "whatever its value, the field is present"
        assert holds(fields["x"], value)

    arrives()


@MODEST
@given(CASES)
def test_a_key_of_any_type_leads_back_to_its_wire_value(case: tuple[TargetType, SqlValue]) -> None:
    kind, value = case
    if kind is TargetType.JSON or (kind is TargetType.STRING and "\0" in str(value)):
        return
    encoder = KEYED[kind]
    row = encoder.encode((value,))
    assert isinstance(row, EncodedRow)
    wire = parsed(encoder, row.row)["id"]
    assert decode_key(row.key) == (wire,)
    assert parsed(encoder, encoder.stage_delete(row.key, 1))["id"] == wire


@MODEST
@given(st.lists(CASES, min_size=1, max_size=6), st.integers(0, 2**63 - 1))
def test_rows_of_any_types_survive_their_staging(cases: list[tuple[TargetType, SqlValue]], sequence: int) -> None:
    columns = [column(f"c{index}", kind, timestamp_format=TimestampFormat.ISO8601)
               for index, (kind, _) in enumerate(cases)]
    encoder = RowEncoder(table(column("id", TargetType.INT64), *columns))
    row = encoder.encode((sequence, *(value for _, value in cases)))
    assert isinstance(row, EncodedRow)
    data, staged = parsed(encoder, row.row), parsed(encoder, encoder.stage_upsert(row, sequence))
    assert staged == data | {"_bqsync_key": row.key, "_bqsync_operation": "U", "_bqsync_sequence": sequence}
    assert all(CELLS[kind][1](data[f"c{index}"], value) for index, (kind, value) in enumerate(cases))


ANYTHING = st.none() | st.sampled_from([0, 1, -5, 2.0, 0.5, "", "5", "a\0", "\udcff", b"", b"5", 2**53 + 1, math.inf])


@MODEST
@given(st.lists(st.tuples(ANYTHING, ANYTHING, ANYTHING, ANYTHING), max_size=12))
def test_what_becomes_of_a_row_does_not_depend_on_the_rows_before_it(rows: list[tuple[SqlValue, ...]]) -> None:
    spec = table(column("id"), column("n", TargetType.INT64, required=True), column("x", TargetType.FLOAT64),
                 column("z", TargetType.INT64, required=True, zero_for_null=True))
    encoder = RowEncoder(spec)
    assert [encoder.encode(row) for row in rows] == [RowEncoder(spec).encode(row) for row in rows]


def test_a_table_of_more_shapes_than_are_remembered_is_encoded_all_the_same() -> None:
    width = 13
    assert 2**width > _MAX_SHAPES
    spec = table(column("id", TargetType.INT64), *(column(f"c{index}") for index in range(width)))
    encoder, fresh = RowEncoder(spec), RowEncoder(spec)
    for number in range(2**width):
        row = (number, *("x" if number >> bit & 1 else None for bit in range(width)))
        outcome = encoder.encode(row)
        if number % 97 == 0:
            assert outcome == fresh.encode(row)
            assert isinstance(outcome, EncodedRow)
            assert len(parsed(encoder, outcome.row)) == 1 + number.bit_count()
