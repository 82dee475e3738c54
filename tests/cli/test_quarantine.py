"""The quarantine is listed with reasons and remedies, and forgotten on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from bqsync.cli import commands
from bqsync.encode.rejection import EXPLANATIONS
from bqsync.model import Reason

if TYPE_CHECKING:
    from tests.workbench import Workbench

TABLE = '[[tables]]\nname = "t"\n'
SCHEMA = "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, raw BLOB)"


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    rows = [("good", 1, None), ("bad", "CELLSENTINEL", None), (None, 1, None), (None, 1, None), (None, 2, None)]
    workbench.fill(SCHEMA, ("INSERT INTO t VALUES (?, ?, ?)", rows))
    workbench.configure(TABLE)
    workbench.sync()
    return workbench


def quarantine(bench: Workbench, *options: str) -> str:
    result = CliRunner().invoke(commands, ["quarantine", "-c", str(bench.config_path), *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def listed(bench: Workbench, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(quarantine(bench, "--json", *options))
    return found


def test_each_row_is_listed_with_key_column_reason_and_remedy(bench: Workbench) -> None:
    rows = listed(bench)["rows"]
    assert sorted((row["key"], row["column"], row["reason"]) for row in rows) == [
        (["NULL"], "id", "null_key"), (["NULL"], "id", "null_key"), (["bad"], "n", "wrong_type"),
    ]
    for row in rows:
        assert (row["why"], row["fix"]) == EXPLANATIONS[Reason(row["reason"])]
        assert row["delivered"] is False


def test_no_value_but_the_key_is_shown(bench: Workbench) -> None:
    text = quarantine(bench)
    assert "wrong_type" in text
    assert "fix" in text
    assert "CELLSENTINEL" not in text + quarantine(bench, "--json")


def test_a_row_whose_earlier_version_was_delivered_says_so(bench: Workbench) -> None:
    bench.db.execute("UPDATE t SET n = 'x' WHERE id = 'good'")
    bench.sync()
    assert [row["delivered"] for row in listed(bench)["rows"] if row["key"] == ["good"]] == [True]


def test_the_list_is_cut_where_asked_and_says_so(bench: Workbench) -> None:
    found = listed(bench, "--limit", "1")
    assert (len(found["rows"]), found["rows_total"]) == (1, 3)
    assert "and 2 more" in quarantine(bench, "--limit", "1")


def test_retry_forgets_the_verdicts_and_the_next_sync_judges_anew(bench: Workbench) -> None:
    assert listed(bench, "--retry")["forgotten"] == 3
    assert listed(bench)["rows_total"] == 0
    assert "no row is in quarantine" in quarantine(bench)
    assert bench.sync()["t"].rows_quarantined == 3
    assert listed(bench)["rows_total"] == 3


def test_every_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Reason)
    assert all(why and fix for why, fix in EXPLANATIONS.values())
