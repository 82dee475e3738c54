"""A value is delivered as it is, or not at all; and the reason of a refusal is the right one."""

from __future__ import annotations

import json
from decimal import Decimal
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.encode.specs import column
from tests.properties import MODEST

from bqsync.encode.rejection import Rejected
from bqsync.encode.values import BIGNUMERIC_LIMIT, NUMERIC_LIMIT, ZERO_VALUES, canonical_json, converter, rereader
from bqsync.model import Reason, SqlValue, TargetType, WireValue

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
NINES, NINE_NINES = "9" * 29, "9" * 9
BIG = str(BIGNUMERIC_LIMIT)
INFINITY = float("inf")
WRONG, RANGE, CHANGE = Reason.WRONG_TYPE, Reason.OUT_OF_RANGE, Reason.WOULD_CHANGE
TEXT, FINITE = Reason.INVALID_TEXT, Reason.NOT_FINITE

ACCEPTED: dict[TargetType, list[tuple[SqlValue, WireValue]]] = {
    TargetType.INT64: [
        (0, 0), (MIN_INT64, MIN_INT64), (MAX_INT64, MAX_INT64), (3.0, 3), (-0.0, 0), (-(2.0**63), MIN_INT64),
        (2.0**53, 2**53),
    ],
    TargetType.FLOAT64: [
        (0.1, 0.1), (5, 5.0), (2**53 - 1, 9007199254740991.0), (2**53, 9007199254740992.0),
        (2**53 + 2, 9007199254740994.0), (-(2**53), -9007199254740992.0), (MIN_INT64, -(2.0**63)),
        (INFINITY, INFINITY), (5e-324, 5e-324), (1.7976931348623157e308, 1.7976931348623157e308),
    ],
    TargetType.BOOL: [(0, False), (1, True), (0.0, False), (1.0, True), (-0.0, False)],
    TargetType.STRING: [
        ("", ""), ("a\0b", "a\0b"), ("Zürich 🚆", "Zürich 🚆"), (7, "7"), (MIN_INT64, str(MIN_INT64)), (0.1, "0.1"),
        (1e22, "1e+22"), (-0.0, "-0.0"), (INFINITY, "inf"),
    ],
    TargetType.BYTES: [(b"", b""), (b"\0\xff", b"\0\xff")],
    TargetType.NUMERIC: [
        (0, "0"), (5, "5"), (MIN_INT64, str(MIN_INT64)), (0.1, "0.1"), (-0.0, "0"), (1e22, "10000000000000000000000"),
        (f"{NINES}.{NINE_NINES}", f"{NINES}.{NINE_NINES}"), (f"-{NINES}.{NINE_NINES}", f"-{NINES}.{NINE_NINES}"),
        (NINES, NINES), (f"000{NINES}.{NINE_NINES}000", f"{NINES}.{NINE_NINES}"), ("0.000000001", "0.000000001"),
        ("0.1000000000", "0.1"), ("00012.5000", "12.5"), ("1000", "1000"), ("+5", "5"), (".5", "0.5"), ("5.", "5"),
        ("-0.0", "0"), ("1e5", "100000"), ("1.5E-8", "0.000000015"), ("1e28", "1" + "0" * 28), ("0e9999", "0"),
        ("1000000000e-9", "1"), ("123e-9", "0.000000123"),
    ],
    TargetType.BIGNUMERIC: [
        (BIG, BIG), (f"-{BIG}", f"-{BIG}"), (f"0.{'0' * 37}1", f"0.{'0' * 37}1"), ("1e38", "1" + "0" * 38),
        (0.1, "0.1"), (f"1.{'0' * 60}", "1"),
    ],
    TargetType.DATE: [
        ("1970-01-01", 0), ("0001-01-01", -719162), ("9999-12-31", 2932896), ("2024-02-29", 19782),
        ("1969-12-31", -1),
    ],
    TargetType.DATETIME: [
        ("2024-02-29T12:34:56.789012", "2024-02-29T12:34:56.789012"), ("2024-02-29 12:34", "2024-02-29T12:34:00"),
        ("2024-02-29", "2024-02-29T00:00:00"), ("0001-01-01 00:00:00", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"),
        ("2024-01-01 00:00:00.5", "2024-01-01T00:00:00.500000"),
    ],
    TargetType.TIME: [
        ("00:00", "00:00:00"), ("23:59:59.999999", "23:59:59.999999"), ("12:34:56", "12:34:56"),
        ("12:34:56.1", "12:34:56.100000"),
    ],
    TargetType.JSON: [(text, text) for text in (
        "null", "true", ' {"b": [1, 2.5, {}], "a": "é\\u00e9"} ', '""', "18446744073709551615", str(MIN_INT64),
        "0.1", "1E2", "2.50", "-0.0", '{"a": {"x": 1}, "b": {"x": 2}}', "5e-324",
    )],
}

REFUSED: dict[TargetType, list[tuple[SqlValue, Reason]]] = {
    TargetType.INT64: [
        ("5", WRONG), ("", WRONG), (b"5", WRONG), (1.5, CHANGE), (5e-324, CHANGE), (2.0**63, RANGE), (1e300, RANGE),
        (-9223372036854777856.0, RANGE), (INFINITY, FINITE), (-INFINITY, FINITE),
    ],
    TargetType.FLOAT64: [
        ("0.5", WRONG), (b"", WRONG), (2**53 + 1, CHANGE), (-(2**53) - 1, CHANGE), (MAX_INT64, CHANGE),
    ],
    TargetType.BOOL: [(2, CHANGE), (-1, CHANGE), (0.5, CHANGE), (INFINITY, CHANGE), ("true", WRONG), (b"\1", WRONG)],
    TargetType.STRING: [(b"text", WRONG), ("a\udcff", TEXT), ("\ud800", TEXT)],
    TargetType.BYTES: [("text", WRONG), (5, WRONG), (0.5, WRONG)],
    TargetType.NUMERIC: [
        (f"1{'0' * 29}", RANGE), (f"-1{'0' * 29}", RANGE), ("1e29", RANGE), ("1e9999", RANGE), (1e300, RANGE),
        (f"{NINES}.{NINE_NINES}9", RANGE), (f"{NINES[1:]}.{NINE_NINES}9", CHANGE), ("0.1234567891", CHANGE),
        ("1e-10", CHANGE), ("1e-9999", CHANGE), (0.1 + 0.2, CHANGE), (5e-324, CHANGE), (INFINITY, FINITE),
        ("", WRONG), (" 1", WRONG), ("1_000", WRONG), ("1,5", WRONG), ("0x10", WRONG), ("NaN", WRONG),
        ("Infinity", WRONG), ("٣", WRONG), ("1e99999", WRONG), (".", WRONG), ("-", WRONG), ("1\n", WRONG),
        (b"1", WRONG),
    ],
    TargetType.BIGNUMERIC: [
        (BIG[:-1] + "8", RANGE), (BIG.replace("266.", "267."), RANGE), ("5.8e38", RANGE), (BIG + "1", RANGE),
        (f"0.{'0' * 38}1", CHANGE), ("one", WRONG),
    ],
    TargetType.DATE: [
        ("2024-02-30", RANGE), ("2023-02-29", RANGE), ("0000-01-01", RANGE), ("2024-13-01", RANGE), ("24-1-1", WRONG),
        ("20240101", WRONG), ("2024-W01-1", WRONG), ("2024-01-01 ", WRONG), ("2024-01-01T00:00", WRONG), (19782, WRONG),
        ("-001-01-01", WRONG), ("10000-01-01", WRONG), ("٢٠٢٤-01-01", WRONG),
    ],
    TargetType.DATETIME: [
        ("2024-01-01T00:00:00.1234567", WRONG), ("2024-01-01T00:00:00Z", WRONG), ("2024-01-01t00:00", WRONG),
        ("2024-01-01T24:00:00", RANGE), ("2024-02-30 00:00:00", RANGE), ("0000-01-01 00:00:00", RANGE),
        ("2024-01-01 23:59:60", RANGE), ("2024-01-01T00", WRONG), ("2024-01-01T00:00:00.", WRONG), (0, WRONG),
    ],
    TargetType.TIME: [
        ("24:00", RANGE), ("12:60", RANGE), ("23:59:60", RANGE), ("12:34:56.1234567", WRONG), ("1:00", WRONG),
        ("T12:00", WRONG), ("12:00Z", WRONG), ("12", WRONG), (1200, WRONG),
    ],
    TargetType.JSON: [
        ("", WRONG), ("{", WRONG), ("NaN", WRONG), ("[Infinity]", WRONG), ("{'a': 1}", WRONG), ("[1,]", WRONG),
        (5, WRONG), (b"{}", WRONG), ("[" * 5000 + "]" * 5000, WRONG), ('"\udcff"', TEXT),
        ("18446744073709551616", CHANGE),
        ("-9223372036854775809", CHANGE), ("[" + "9" * 5000 + "]", CHANGE), ("1e400", CHANGE), ("1e-400", CHANGE),
        ("0.1000000000000000055", CHANGE), ("1e-99999999999999999999", CHANGE), ('{"a": 1, "a": 2}', CHANGE),
        ('[{"b": {"a": 1, "\\u0061": 1}}]', CHANGE),
    ],
}


@pytest.mark.parametrize(("target_type", "value", "wire"),
                         [(kind, *case) for kind, cases in ACCEPTED.items() for case in cases])
def test_a_value_that_fits_becomes_its_wire_value(target_type: TargetType, value: SqlValue, wire: WireValue) -> None:
    found = converter(column("x", target_type))(value)
    assert found == wire
    assert type(found) is type(wire)


@pytest.mark.parametrize(("target_type", "value", "reason"),
                         [(kind, *case) for kind, cases in REFUSED.items() for case in cases])
def test_a_value_that_does_not_fit_is_refused_with_its_reason(
    target_type: TargetType, value: SqlValue, reason: Reason,
) -> None:
    with pytest.raises(Rejected) as caught:
        converter(column("x", target_type))(value)
    assert caught.value.reason is reason


def test_every_type_is_tried_both_ways() -> None:
    assert set(ACCEPTED) == set(REFUSED) == set(TargetType) - {TargetType.TIMESTAMP}


@MODEST
@given(st.sampled_from([TargetType.NUMERIC, TargetType.BIGNUMERIC]), st.integers(-(10**77), 10**77), st.integers(0, 40))
def test_a_decimal_is_the_same_number_or_refused(target_type: TargetType, digits: int, scale: int) -> None:
    number = Decimal(digits).scaleb(-scale) if digits.bit_length() < 90 else Decimal(f"{digits}e-{scale}")
    limit, most = (NUMERIC_LIMIT, 9) if target_type is TargetType.NUMERIC else (BIGNUMERIC_LIMIT, 38)
    fits = number.copy_abs() <= limit and (digits * 10**most) % 10**scale == 0
    try:
        wire = converter(column("x", target_type))(str(number))
    except Rejected:
        assert not fits
    else:
        assert fits
        assert Decimal(str(wire)) == number
        assert "E" not in str(wire)


@MODEST
@given(st.one_of(st.integers(MIN_INT64, MAX_INT64), st.floats(allow_nan=False), st.text(max_size=20),
                 st.binary(max_size=20)), st.sampled_from(sorted(set(TargetType) - {TargetType.TIMESTAMP})))
def test_whatever_a_cell_holds_it_is_converted_or_refused_and_nothing_else(
    value: SqlValue, target_type: TargetType,
) -> None:
    try:
        wire = converter(column("x", target_type))(value)
    except Rejected:
        return
    if type(value) in (int, float) and type(wire) in (int, float):
        assert wire == value, "a number is never changed"


@MODEST
@given(st.recursive(
    st.none() | st.booleans() | st.integers(MIN_INT64, 2**64 - 1) | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
))
def test_json_that_bigquery_keeps_is_sent_as_its_own_text(value: object) -> None:
    text = json.dumps(value)
    assert converter(column("x", TargetType.JSON))(text) == text
    assert canonical_json(text) == canonical_json(json.dumps(value, indent=2, ensure_ascii=False))


@pytest.mark.parametrize(("target_type", "printed", "sent"), [
    (TargetType.NUMERIC, "1.500", "1.5"), (TargetType.BIGNUMERIC, "10", "10"), (TargetType.TIME, "12:00:00.5",
     "12:00:00.500000"), (TargetType.DATETIME, "2024-01-01 00:00:00", "2024-01-01T00:00:00"),
    (TargetType.JSON, '{"b":1,"a":2}', '{"a":2,"b":1}'), (TargetType.STRING, "1.500", "1.500"), (TargetType.DATE, 5, 5),
])
def test_what_bigquery_prints_is_read_as_what_was_sent(
    target_type: TargetType, printed: WireValue, sent: WireValue,
) -> None:
    assert rereader(column("x", target_type))(printed) == sent


def test_a_long_row_of_zeros_costs_no_time() -> None:
    started = monotonic()
    assert converter(column("x", TargetType.NUMERIC))("1." + "0" * 200_000) == "1"
    assert monotonic() - started < 2


def test_the_zeros_of_the_reference_script_are_values_of_their_types() -> None:
    for target_type, zero in ZERO_VALUES.items():
        assert converter(column("x", target_type))(int(zero) if type(zero) is bool else zero) == zero
