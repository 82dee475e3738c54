"""The quarantine is listed with reasons and remedies, and forgotten on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from bqsync.cli import commands
from bqsync.encode.rejection import EXPLANATIONS
from bqsync.engine.schedule import SweepMode
from bqsync.model import Reason

if TYPE_CHECKING:
    from tests.workbench import Workbench

TABLE = '[[tables]]\nname = "t"\n'
SCHEMA = "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, raw BLOB)"


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    rows = [("good", 1, None), ("bad", "CELLSENTINEL", None), (None, 1, None), (None, 1, None), (None, 2, None)]
    workbench.fill(SCHEMA, ("INSERT INTO t VALUES (?, ?, ?)", rows))
    workbench.configure(TABLE, sync="sweep_duty = 1.0")  # a sweep that took long asks for no rest
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
    assert "2 rows more" in quarantine(bench, "--limit", "1")
    assert listed(bench, "--limit", "0")["by_table"] == {"t": {"null_key": 2, "wrong_type": 1}}
    assert "wrong_type: 1 row" in quarantine(bench, "--limit", "0")


def test_one_reason_can_be_asked_for(bench: Workbench) -> None:
    found = listed(bench, "--reason", "null_key")
    assert (found["rows_total"], found["by_reason"]) == (2, {"null_key": 2})
    assert {row["reason"] for row in found["rows"]} == {"null_key"}
    assert "wrong_type" not in quarantine(bench, "--reason", "null_key")
    assert "no row is in quarantine" in quarantine(bench, "--reason", "not_finite")


def test_rows_are_tried_again_where_asked_and_stay_listed_until_then(bench: Workbench) -> None:
    assert bench.sync()["t"].rows_quarantined == 0, "a verdict that is known is no news"
    assert listed(bench, "--retry", "--reason", "wrong_type")["retried"] == 1
    assert {row["reason"] for row in listed(bench)["rows"] if row["awaits_retry"]} == {"wrong_type"}
    assert "to be tried again" in quarantine(bench)
    assert bench.sync()["t"].rows_quarantined == 1
    assert listed(bench, "--retry")["retried"] == 3
    assert bench.sync(sweep=SweepMode.DUE)["t"].rows_quarantined == 3, "a sweep is due, whatever the file is"
    found = listed(bench)
    assert (found["rows_total"], [row["awaits_retry"] for row in found["rows"]]) == (3, [False] * 3)


def test_every_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Reason)
    assert all(why and fix for why, fix in EXPLANATIONS.values())
