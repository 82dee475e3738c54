"""A watermark column is taken where name, values and an index speak for it; the others are told with their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.init.databases import findings_of, make, proposed, table_of

if TYPE_CHECKING:
    from pathlib import Path

    from bqsync.engine.proposal.facts import WatermarkProposal

ROWS = "INSERT INTO t VALUES (1, 1700000000, 1700000000), (2, 1700000000, 1700000005), (3, 1700000000, 1700000009);"


def judged(folder: Path, script: str) -> dict[str, WatermarkProposal]:
    return {item.column: item for item in table_of(make(folder / "app.db", script)).watermarks}


def test_an_indexed_column_that_moves_is_taken(tmp_path: Path) -> None:
    found = judged(tmp_path, "CREATE TABLE t (k INTEGER PRIMARY KEY, created_at INT, updated_at INT);"
                   f"CREATE INDEX i ON t (updated_at); {ROWS}")
    assert found["updated_at"].chosen
    assert "indexed; no NULL" in found["updated_at"].evidence
    assert "differs from created_at in 2 of 3 rows" in found["updated_at"].evidence


def test_a_column_that_is_set_once_is_not_taken_and_says_so(tmp_path: Path) -> None:
    found = judged(tmp_path, "CREATE TABLE t (k INTEGER PRIMARY KEY, created_at INT, updated_at INT);"
                   f"CREATE INDEX i ON t (created_at); {ROWS}")
    assert not found["created_at"].chosen
    assert found["created_at"].usable
    assert "finds inserts alone, and updates wait for the sweep" in found["created_at"].evidence


def test_a_column_without_an_index_is_not_taken_and_says_so(tmp_path: Path) -> None:
    found = judged(tmp_path, f"CREATE TABLE t (k INTEGER PRIMARY KEY, created_at INT, updated_at INT); {ROWS}")
    assert not any(item.chosen for item in found.values())
    assert "not indexed" in found["updated_at"].evidence


def test_a_column_that_never_differs_from_the_first_time_says_so(tmp_path: Path) -> None:
    found = judged(tmp_path, "CREATE TABLE t (k INTEGER PRIMARY KEY, created_at INT, updated_at INT);"
                   "CREATE INDEX i ON t (updated_at); INSERT INTO t VALUES (1, 1700000000, 1700000000)")
    assert "is created_at in every row" in found["updated_at"].evidence


def test_a_trigger_is_evidence(tmp_path: Path) -> None:
    found = judged(tmp_path, "CREATE TABLE t (k INTEGER PRIMARY KEY, v, modified INT); CREATE INDEX i ON t (modified);"
                   "CREATE TRIGGER g AFTER UPDATE OF v ON t BEGIN UPDATE t SET modified = unixepoch() WHERE k = new.k;"
                   "END; INSERT INTO t VALUES (1, 1, 1700000000)")
    assert found["modified"].chosen
    assert "a trigger of the table sets it" in found["modified"].evidence


def test_nulls_are_counted(tmp_path: Path) -> None:
    found = judged(tmp_path, "CREATE TABLE t (k INTEGER PRIMARY KEY, updated_at INT); CREATE INDEX i ON t (updated_at);"
                   "INSERT INTO t VALUES (1, 1700000000), (2, NULL), (3, NULL)")
    assert "2 NULLs of 3" in found["updated_at"].evidence


@pytest.mark.parametrize(("texts", "usable"), [
    ("('2024-01-01 00:00:00'), ('2024-01-02 00:00:00')", True),
    ("('2024-01-01 00:00:00'), ('2024-01-02T00:00:00')", False),
    ("('2024-01-01T00:00:00Z'), ('2024-01-02T00:00:00.5Z')", False),
])
def test_texts_have_to_sort_as_their_instants_do(tmp_path: Path, texts: str, *, usable: bool) -> None:
    found = judged(tmp_path, f"CREATE TABLE t (updated_at TEXT PRIMARY KEY); INSERT INTO t VALUES {texts}")
    item = found["updated_at"]
    assert (item.usable, item.chosen) == (usable, usable)
    assert ("forms" in item.evidence) is not usable


def test_what_are_no_instants_is_no_candidate(tmp_path: Path) -> None:
    assert judged(tmp_path, "CREATE TABLE t (k INTEGER PRIMARY KEY, updated_at INT, changed_by TEXT, created DATE);"
                  "INSERT INTO t VALUES (1, 12, 'Ada', 'yesterday')") == {}


def test_the_next_check_agrees_with_the_proposed_watermarks(tmp_path: Path) -> None:
    db = make(tmp_path / "app.db", "CREATE TABLE t (k INTEGER PRIMARY KEY, created_at INT, updated_at INT);"
              f"CREATE INDEX i ON t (updated_at); {ROWS}")
    assert findings_of(proposed(db), tmp_path, levels=("error", "warning")) == []
    assert 'watermark = ["updated_at"]' in (tmp_path / "config.toml").read_text(encoding="utf-8")
