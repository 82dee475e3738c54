"""Columns whose type the configuration names arrive exact, or wait in quarantine."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from tests.workbench import Workbench

NUMERIC_MAX = "99999999999999999999999999999.999999999"

EXACT: dict[str, list[tuple[object, Any]]] = {
    "NUMERIC": [
        (0.1, Decimal("0.1")), (12.34, Decimal("12.34")), ("0.000000001", Decimal("0.000000001")), (0, Decimal(0)),
        (2**63 - 1, Decimal(2**63 - 1)), (NUMERIC_MAX, Decimal(NUMERIC_MAX)),
        ("-" + NUMERIC_MAX, Decimal("-" + NUMERIC_MAX)),
        ("1.50", Decimal("1.5")), ("1e3", Decimal(1000)), (-0.5, Decimal("-0.5")),
    ],
    "DATE": [
        ("2024-02-29", date(2024, 2, 29)), ("0001-01-01", date.min), ("9999-12-31", date.max),
        ("1970-01-01", date(1970, 1, 1)), ("1969-12-31", date(1969, 12, 31)),
    ],
    "DATETIME": [
        ("2024-02-29 12:34:56.123456", datetime(2024, 2, 29, 12, 34, 56, 123456)),  # noqa: DTZ001 - a DATETIME has no zone
        ("2024-02-29T00:00:00", datetime(2024, 2, 29)), ("0001-01-01 00:00", datetime.min),  # noqa: DTZ001, DTZ901 - civil
        ("9999-12-31 23:59:59.999999", datetime.max), ("2024-01-01", datetime(2024, 1, 1)),  # noqa: DTZ001, DTZ901 - civil
    ],
    "TIME": [
        ("00:00:00", time.min), ("23:59:59.999999", time.max), ("12:34", time(12, 34)),
        ("01:02:03.5", time(1, 2, 3, 500_000)),
    ],
    "JSON": [(text, json.loads(text)) for text in (
        '{"a": [1, 2.5, null, true, "ü\\u0000"], "b": {}}', "[]", '"text"', "0", "null", "9007199254740993",
        '{"z": 1, "a": 2}', "-0.1",
    )],
    "BYTES": [(b"", b""), (b"\0\x01\xfe\xff", b"\0\x01\xfe\xff"), (bytes(range(256)) * 40, bytes(range(256)) * 40)],
    "BOOL": [(0, False), (1, True), (1.0, True)],
    "TIMESTAMP": [("2024-02-29T12:00:00+02:00", datetime.fromisoformat("2024-02-29T10:00:00+00:00"))],
}

REFUSED: dict[str, list[object]] = {
    "NUMERIC": ["0.0000000001", "1e30", float("inf"), "one", b"1", 1e-10],
    "DATE": ["2024-02-30", "2024-1-1", "0000-01-01", 5, "2024-02-29 00:00"],
    "DATETIME": ["2024-02-30 00:00", "2024-01-01 24:01", "noon", "2024-01-01T00:00:00Z", 1_700_000_000],
    "TIME": ["24:00:01", "12:60", "noon", 12],
    "JSON": ["{", "", "NaN", "1e400", "18446744073709551616", b"{}", 5],
    "BYTES": ["text", 5, 0.5],
    "BOOL": [2, -1, "true", 0.5, b"\x01"],
    "TIMESTAMP": ["2024-02-30", "yesterday", 5],
}


def fill(bench: Workbench, target_type: str, values: list[object]) -> None:
    # A column without a declared type converts nothing: SQLite keeps each value as it is given.
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
               ("INSERT INTO t VALUES (?, ?)", [*enumerate(values), (1000, None)]))
    unit = 'timestamps = { v = "iso8601" }' if target_type == "TIMESTAMP" else ""
    bench.configure(f'[[tables]]\nname = "t"\ntypes = {{ v = "{target_type}" }}\n{unit}')


@pytest.mark.parametrize("target_type", EXACT)
def test_values_of_an_override_arrive_exact(workbench: Workbench, target_type: str) -> None:
    fill(workbench, target_type, [value for value, _ in EXACT[target_type]])
    outcome = workbench.sync()["t"]
    assert (outcome.error, outcome.quarantine_total) == (None, 0)
    actual = {row["id"]: row["v"] for row in workbench.rows("t", "id")}
    expected = {**dict(enumerate(value for _, value in EXACT[target_type])), 1000: None}
    assert actual == expected
    assert [type(actual[n]) for n in actual] == [type(expected[n]) for n in actual]
    assert workbench.verify("t").rows_different == 0
    assert workbench.sync()["t"].merges == 0


@pytest.mark.parametrize("target_type", REFUSED)
def test_values_that_an_override_can_not_hold_wait_in_quarantine(workbench: Workbench, target_type: str) -> None:
    fill(workbench, target_type, REFUSED[target_type])
    outcome = workbench.sync()["t"]
    assert (outcome.error, outcome.rows_quarantined) == (None, len(REFUSED[target_type]))
    assert [tuple(row.values()) for row in workbench.rows("t", "id")] == [(1000, None)]
