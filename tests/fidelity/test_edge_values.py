"""Values on which other tools stumble: each arrives exact, or its row waits in quarantine and nothing is altered."""

from __future__ import annotations

import pytest
from tests.fidelity.expected import assert_equal, by_key, expected_rows
from tests.workbench import Workbench

NOT_UTF8 = b"\xff\xfe caf\xe9"

EXACT: dict[str, list[object]] = {
    "INTEGER": [0, 2**63 - 1, -(2**63), 12.0, "12", -1],
    "REAL": [0.1, 0.3, -0.0, 1e308, 5e-324, float("inf"), float("-inf"), 3, "0.5", 2**53],
    "BLOB": [b"", b"\0\xff", NOT_UTF8, bytes(range(256))],
    "TEXT": ["", "\\N", "NULL", "null", "👩🏽‍🚀", "it's \"quoted\"\t`x`\r\n\\", "a\0b", "\ufeffbom \ufffd \U0010ffff",
             "2024-02-30", " pad ", "e\u0301 \u00e9", 5, 0.5],
    "DATE": ["2024-02-30", "2024-02-29", ""],
    "VARCHAR(2)": ["longer than two"],
    "NUMERIC": [0.5, 2.5],
}
"""By declared type: BigQuery holds what SQLite gives back."""

QUARANTINED: dict[str, list[tuple[object, str]]] = {
    "INTEGER": [(2.5, "would_change"), ("abc", "wrong_type"), (b"\x01", "wrong_type"), (float("inf"), "not_finite"),
                (float("-inf"), "not_finite"), (1e19, "out_of_range"), ("12x", "wrong_type"), ("", "wrong_type")],
    "REAL": [("abc", "wrong_type"), (b"\x01", "wrong_type")],
    "TEXT": [(b"blob", "wrong_type"), (b"", "wrong_type")],
    "BOOLEAN": [(2, "would_change"), (0.5, "would_change"), ("yes", "wrong_type")],
    "BLOB": [("text", "wrong_type"), (5, "wrong_type")],
    "NUMERIC": [(2**53 + 1, "would_change"), ("abc", "wrong_type")],
}


def fill(bench: Workbench, declared: str, values: list[object]) -> None:
    bench.fill(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})",
               ("INSERT INTO t VALUES (?, ?)", [*enumerate(values), (1000, None)]))
    bench.configure('[[tables]]\nname = "t"')


@pytest.mark.parametrize("declared", EXACT)
def test_odd_values_arrive_as_they_are(workbench: Workbench, declared: str) -> None:
    fill(workbench, declared, EXACT[declared])
    outcome = workbench.sync()["t"]
    assert (outcome.error, outcome.quarantine_total) == (None, 0)
    assert_equal(expected_rows(workbench.db, "t", ["id"], {}), by_key(workbench.rows("t", "id"), ["id"]))
    assert workbench.verify("t").rows_different == 0


@pytest.mark.parametrize("declared", QUARANTINED)
def test_values_that_would_be_altered_wait_in_quarantine(workbench: Workbench, declared: str) -> None:
    fill(workbench, declared, [value for value, _ in QUARANTINED[declared]])
    outcome = workbench.sync()["t"]
    assert (outcome.error, outcome.rows_quarantined) == (None, len(QUARANTINED[declared]))
    assert [reason for _, _, reason in workbench.quarantine()] == sorted(reason for _, reason in QUARANTINED[declared])
    assert [tuple(row.values()) for row in workbench.rows("t", "id")] == [(1000, None)]


@pytest.mark.parametrize("page_rows", [1, 5000])
def test_a_text_that_is_no_utf8_holds_back_its_row_alone(workbench: Workbench, page_rows: int) -> None:
    workbench.fill("CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)")
    rows = [(b"a", b"fine"), (b"b", NOT_UTF8), (b"c\xff", b"bad key"), (b"c\xfe", b"bad too"), (b"d", b"ok")]
    for key, value in rows:
        workbench.db.execute("INSERT INTO t VALUES (CAST(? AS TEXT), CAST(? AS TEXT))", (key, value))
    workbench.configure('[[tables]]\nname = "t"', sync=f"page_rows = {page_rows}")
    assert workbench.sync()["t"].rows_quarantined == 3
    assert workbench.quarantine() == [("t", "k", "invalid_text")] * 2 + [("t", "v", "invalid_text")]
    assert [tuple(row.values()) for row in workbench.rows("t", "k")] == [("a", "fine"), ("d", "ok")]
