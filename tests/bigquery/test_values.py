"""The contract of values: what is on the wire, in the form that `docs/types.md` lets through, is what is read."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError

from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground
from tests.bigquery.stream import NUMBER, OCTETS, TEXT, Kind

pytestmark = pytest.mark.service

LARGEST, SMALLEST = 2**63 - 1, -(2**63)
NUMERIC = "99999999999999999999999999999.999999999"
# Source: https://docs.cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types
BIGNUMERIC = "578960446186580977117854925043439539266.34992332820282019728792003956564819967"

VALUES: dict[str, tuple[Any, list[tuple[Any, Any]]]] = {
    "INT64": (NUMBER, [(value, value) for value in (0, -1, LARGEST, SMALLEST)]),
    "FLOAT64": (Kind.TYPE_DOUBLE, [(value, value) for value in (
        0.0, -0.0, 0.1, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.inf, -math.inf)]),
    "BOOL": (Kind.TYPE_BOOL, [(False, False), (True, True)]),
    "STRING": (TEXT, [(text, text) for text in (
        "", "a\0b", "👩🏽‍🚀", "\ufeffbom \ufffd \U0010ffff", "it's \"quoted\"\t`x`\r\n\\", "e\u0301 \u00e9", " pad ")]),
    "BYTES": (OCTETS, [(octets, octets) for octets in (b"", b"\0\xff", bytes(range(256)))]),
    "NUMERIC": (TEXT, [(text, Decimal(text)) for text in ("0", "0.1", "-0.000000001", NUMERIC, f"-{NUMERIC}")]),
    "BIGNUMERIC": (TEXT, [(text, Decimal(text)) for text in (
        "0", "0.1", "0.00000000000000000000000000000000000001", BIGNUMERIC, f"-{BIGNUMERIC}")]),
    "DATE": (Kind.TYPE_INT32, [(day.toordinal() - date(1970, 1, 1).toordinal(), day) for day in (
        date.min, date(1969, 12, 31), date(2024, 2, 29), date.max)]),
    "DATETIME": (TEXT, [(text, datetime.fromisoformat(text)) for text in (
        "0001-01-01T00:00:00", "2024-02-29T12:34:56.123456", "9999-12-31T23:59:59.999999")]),
    "TIME": (TEXT, [(text, time.fromisoformat(text)) for text in ("00:00:00", "12:34:56.000001", "23:59:59.999999")]),
    "TIMESTAMP": (NUMBER, [(micros, datetime.fromisoformat(text)) for micros, text in (
        (-62_135_596_800_000_000, "0001-01-01T00:00:00+00:00"), (-1, "1969-12-31T23:59:59.999999+00:00"),
        (0, "1970-01-01T00:00:00+00:00"), (253_402_300_799_999_999, "9999-12-31T23:59:59.999999+00:00"))]),
    "JSON": (TEXT, [(text, json.loads(text)) for text in (
        '{"a": [1, 2.5, null, true, "ü"], "b": {}}', "[]", '"text"', "0", "9007199254740993", "-0.1")]),
}
"""By type: how it travels, and pairs of what is sent and what Google's client reads."""


@pytest.mark.parametrize("kind", VALUES)
def test_values_arrive_exactly(ground: Ground, compare: Compare, kind: str) -> None:
    wire, pairs = VALUES[kind]
    expected = {"status": "OK", **{str(number): shown(value) for number, (_, value) in enumerate(pairs)}}
    try:
        table = ground.table({"id": "INT64", "v": kind}, once=True)
    except GoogleAPICallError as error:
        compare({"no such table": error.code}, expected=expected)
        return
    rows = [{"id": number, "v": value} for number, (value, _) in enumerate(pairs)]
    answer = ground.stream(table, {"id": NUMBER, "v": wire}).append(rows, offset=0)
    read = ground.rows(f"SELECT id, v FROM `{table}`")
    compare({"status": answer.status, **{str(row["id"]): shown(row["v"]) for row in read}}, expected=expected)


def test_a_nan(ground: Ground, compare: Compare) -> None:
    """SQLite has none, so nothing relies on it."""
    table = ground.table({"id": "INT64", "v": "FLOAT64"})
    answer = ground.stream(table, {"id": NUMBER, "v": Kind.TYPE_DOUBLE}).append([{"id": 1, "v": math.nan}], offset=0)
    compare({"status": answer.status, "read": [shown(row["v"]) for row in ground.rows(f"SELECT v FROM `{table}`")]},
            expected=None)


@pytest.mark.parametrize(("kind", "wire", "value"), [
    ("TIMESTAMP", NUMBER, 253_402_300_800_000_000), ("DATE", Kind.TYPE_INT32, 2_932_897), ("JSON", TEXT, "{"),
], ids=["TIMESTAMP", "DATE", "JSON"])
def test_what_a_type_does_not_hold_is_refused_as_a_row(
    ground: Ground, compare: Compare, kind: str, wire: Any, value: Any,
) -> None:
    """bqsync holds such rows back itself; were one to slip through, its request would name it."""
    table = ground.table({"id": "INT64", "v": kind})
    answer = ground.stream(table, {"id": NUMBER, "v": wire}).append([{"id": 1}, {"id": 2, "v": value}], offset=0)
    compare({"status": answer.status, "refused": answer.refused_rows},
            expected={"status": "INVALID_ARGUMENT", "refused": [1]})


def shown(value: object) -> object:
    """As JSON can hold it, with every bit of it."""
    match value:
        case Decimal():
            return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
        case bytes():
            return value.hex()
        case float():
            return repr(value)
        case datetime() | date() | time():
            return value.isoformat()
        case list() | dict():
            return json.dumps(value, sort_keys=True)
        case _:
            return value
