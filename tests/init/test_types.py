"""The type of each column suits its declaration and takes every value, or says how many it does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.init.databases import column_of, findings_of, make, proposed, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DAY_TEXTS = ["2024-02-29", "1969-12-31"]
MOMENTS = ["2024-02-29 12:00:00", "1969-12-31 00:00:00.5"]
SECONDS = [1_700_000_000, 1_700_000_001]


@pytest.mark.parametrize(("declared", "values", "chosen"), [
    ("NVARCHAR(160)", ["a", "ß"], "STRING"),
    ("NUMERIC(10,2)", [12.5, 3, -0.25], "NUMERIC"),
    ("DECIMAL", [0.1, 10**18], "NUMERIC"),
    ("DECIMAL(10,2)", [0.1 + 0.2, 1], "FLOAT64"),
    ("MONEY", [1 / 3], "FLOAT64"),
    ("NUMERIC", [1, "n/a"], "STRING"),
    ("DATE", DAY_TEXTS, "DATE"),
    ("DATE", MOMENTS, "DATETIME"),
    ("DATE", [*DAY_TEXTS, "29.02.2024"], "STRING"),
    ("DATE", [20240229], "STRING"),
    ("DATETIME", MOMENTS, "DATETIME"),
    ("DATETIME", [*MOMENTS, "never"], "STRING"),
    ("DATETIME", ["2024-02-29T12:00:00Z"], "TIMESTAMP (iso8601)"),
    ("DATETIME", SECONDS, "TIMESTAMP (unix_seconds)"),
    ("DATETIME", [second * 1000 for second in SECONDS], "TIMESTAMP (unix_millis)"),
    ("DATETIME", [1_700_000_000, 1_700_000_000_000], "STRING"),
    ("TIMESTAMP", MOMENTS, "TIMESTAMP (iso8601)"),
    ("TIMESTAMP", [2_460_000.5], "TIMESTAMP (julian_days)"),
    ("TIME", ["12:30", "23:59:59.5"], "TIME"),
    ("TIME", ["24:00"], "STRING"),
    ("YEAR", [1999, 2024], "INT64"),
    ("FLOAT", [1.5, 2], "FLOAT64"),
    ("DOUBLE", [1.5, "n/a"], "STRING"),
    ("INTEGER_OR_TEXT", [1, "a"], "STRING"),
    ("INTEGER", [1, 2.5], "FLOAT64"),
    ("INTEGER", [2**60 + 1, 2.5], "STRING"),
    ("BOOLEAN", [0, 1, None], "BOOL"),
    ("BOOLEAN", [0, 1, 2], "INT64"),
    ("BOOLEAN", ["true", "false"], "STRING"),
    ("JSON", ['{"a": [1]}', "[]"], "JSON"),
    ("JSON", ['{"a": 1', "[]"], "STRING"),
    ("JSON", [b"\x00{}"], "BYTES"),
    ("UUID", ["0b9c-1", "12"], "STRING"),
    ("TEXT", [b"\x00", b"\xff"], "BYTES"),
    ("BLOB SUB_TYPE TEXT", ["a", "b"], "STRING"),
    ("BLOB", ["a", "b"], "STRING"),
    ("BLOB", [b"a", None], "BYTES"),
    ("", [1, "a", 2.5], "STRING"),
    ("", [b"a"], "BYTES"),
    ("", [1, 2], "STRING"),
])
def test_a_type_takes_every_value(tmp_path: Path, declared: str, values: Sequence[object], chosen: str) -> None:
    column = column_of(tmp_path, declared, values)
    assert (str(column.choice), column.misfits) == (chosen, 0)


@pytest.mark.parametrize(("name", "declared", "values", "chosen"), [
    ("updated_at", "INTEGER", SECONDS, "TIMESTAMP (unix_seconds)"),
    ("updatedAt", "INTEGER", [second * 1000 for second in SECONDS], "TIMESTAMP (unix_millis)"),
    ("last_change", "REAL", [second + 0.5 for second in SECONDS], "TIMESTAMP (unix_seconds)"),
    ("created_at", "TEXT", ["2024-02-29T12:00:00+01:00", "2024-02-29"], "TIMESTAMP (iso8601)"),
    ("created_at", "TEXT", ["2024-02-29T12:00:00+01:00", "soon"], "STRING"),
    ("created_at", "DATETIME", MOMENTS, "DATETIME"),
    ("page_start", "INTEGER", [12, 13], "INT64"),
    ("page_end", "REAL", [0.5, 1_700_000_000], "FLOAT64"),
    ("seen_at", "INTEGER", [1_700_000_000, None], "TIMESTAMP (unix_seconds)"),
    ("seen_at", "INTEGER", [0, 1_700_000_000], "INT64"),
])
def test_a_name_that_speaks_of_a_moment_is_believed_where_the_values_agree(
    tmp_path: Path, name: str, declared: str, values: Sequence[object], chosen: str
) -> None:
    column = column_of(tmp_path, declared, values, name=name)
    assert str(column.choice) == chosen
    # Whatever the ending would make of the column, E105 included, is settled by the configuration.
    assert column.configured


@pytest.mark.parametrize(("declared", "values", "chosen", "misfits"), [
    ("TEXT", ["a", "b", b"\x00"], "STRING", 1),
    ("TEXT", ["a", b"\x00", b"\x01"], "BYTES", 1),
    ("BLOB", [b"\x00", "a", "b"], "STRING", 1),
    ("INTEGER", [1, 2, "a", b"\x00"], "STRING", 1),
])
def test_what_no_type_takes_is_counted(
    tmp_path: Path, declared: str, values: Sequence[object], chosen: str, misfits: int
) -> None:
    column = column_of(tmp_path, declared, values)
    assert (str(column.choice), column.misfits) == (chosen, misfits)
    assert f"{chosen} refuses {misfits} of {len(values)} values (wrong_type {misfits})" in column.remark


def test_texts_that_are_no_utf8_are_counted(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k INTEGER PRIMARY KEY, c TEXT);"
              "INSERT INTO t (c) VALUES ('a'), ('b'), (CAST(x'ff' AS TEXT))")
    column = table_of(db).columns[1]
    assert (str(column.choice), column.misfits) == ("STRING", 1)
    assert "invalid_text 1" in column.remark


@pytest.mark.parametrize(("declared", "name", "chosen", "undecided"), [
    ("DATETIME", "c", "STRING", False),
    ("DATE", "c", "STRING", False),
    ("UUID", "c", "STRING", False),
    ("YEAR", "c", "INT64", False),
    ("BOOLEAN", "c", "BOOL", False),
    ("DECIMAL(10,2)", "c", "FLOAT64", False),
    ("INTEGER", "updated_at", "TIMESTAMP", True),
])
def test_a_column_without_values_gets_what_takes_most(
    tmp_path: Path, declared: str, name: str, chosen: str, *, undecided: bool
) -> None:
    column = column_of(tmp_path, declared, [None], name=name)
    assert (str(column.choice), column.undecided) == (chosen, undecided)


def test_no_remark_holds_a_cell(tmp_path: Path) -> None:
    secret = "hunter2"  # noqa: S105 - what must not be told
    db = make(tmp_path / "app.db", "CREATE TABLE t (k TEXT PRIMARY KEY, a INTEGER, b DATE, created_at TEXT, d DECIMAL)",
              ("INSERT INTO t VALUES (?, ?, ?, ?, ?)", [(secret, secret, secret, secret, secret)]))
    findings_of(proposed(db), tmp_path / "out")
    for file in (tmp_path / "out").rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


def test_a_judgement_does_not_depend_on_the_page_that_a_value_stands_on(tmp_path: Path) -> None:
    """One value that does not fit, far behind the first page."""
    column = column_of(tmp_path, "INTEGER", [*range(12_000), "a", *range(10)])
    assert str(column.choice) == "STRING"
    assert "INT64 refuses 1 of 12,011 values" in column.remark
