"""
What BigQuery has to hold, computed from the rows of SQLite alone.

Nothing of the project is used here: a mistake that it makes twice, once in encoding and once in comparing, is seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from tests.cells import is_same

Rows = dict[tuple[Any, ...], dict[str, Any]]
"""Rows by key, and there by column."""

KEYS: dict[str, tuple[str, ...]] = {
    "job_runs": ("job_run_id",),
    "job_details": ("job_id",),
    "document_store": ("document_id",),
    "run_findings": ("job_run_id", "job_id"),
    "llm_models": ("model_id",),
    "job_quarantine": ("job_quarantine_id",),
    "job_skills": ("job_skill_id",),
    "prompt": ("prompt_id",),
    "llm_runs_v2": ("llm_run_id",),
}
INSTANTS = frozenset({
    "job_run_timestamp", "job_applied_timestamp", "document_timestamp", "job_quarantine_timestamp",
    "prompt_created_at", "llm_run_start", "llm_run_end",
})
FLAGS = frozenset({"job_skills_match"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = Context(prec=1100)
"""Enough digits for any 64-bit float."""


def instant(seconds: float) -> datetime:
    """Unix seconds as BigQuery keeps them: exact, then rounded to a microsecond, half to even."""
    micros = _EXACT.multiply(Decimal(seconds), Decimal(1_000_000)).to_integral_value(ROUND_HALF_EVEN, _EXACT)
    return _EPOCH + timedelta(microseconds=int(micros))


def expected_rows(
    db: sqlite3.Connection, table: str, key: Iterable[str], conversions: Mapping[str, Callable[[Any], Any]],
) -> Rows:
    """All rows of a table. A column without a conversion holds what sqlite3 gives; NULL is always None."""
    cursor = db.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in cursor.description]
    rows = [
        {name: value if value is None or name not in conversions else conversions[name](value)
         for name, value in zip(names, row, strict=True)}
        for row in cursor
    ]
    return by_key(rows, key)


def expected_of_nine(db: sqlite3.Connection, table: str) -> Rows:
    """All rows of one of the nine tables."""
    conversions: dict[str, Callable[[Any], Any]] = {**dict.fromkeys(INSTANTS, instant), **dict.fromkeys(FLAGS, bool)}
    return expected_rows(db, table, KEYS[table], conversions)


def by_key(rows: Iterable[dict[str, Any]], key: Iterable[str]) -> Rows:
    """Rows by their key; a key that comes twice fails."""
    names = tuple(key)
    found: Rows = {}
    for row in rows:
        values = tuple(row[name] for name in names)
        assert values not in found, f"two rows with one key: {values}"
        found[values] = row
    return found


def assert_equal(expected: Rows, actual: Rows) -> None:
    """Every cell, by value and by type; of floats every bit."""
    assert set(actual) == set(expected)
    wrong = [
        (key, name, value, actual[key].get(name, "no such column"))
        for key, row in expected.items() for name, value in row.items()
        if name not in actual[key] or not is_same(value, actual[key][name])
    ]
    assert wrong == []
