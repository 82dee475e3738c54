"""What `explain` prints, and what it keeps to itself."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner, Result
from tests.workbench import Workbench

from bqsync.cli import commands
from bqsync.engine.opening import locked_state
from bqsync.errors import ExitCode


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """A row that differs in BigQuery, and one in quarantine."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(1, 1, "CELLSENTINEL"), (2, "CELLSENTINEL", "x")]))
    workbench.configure('[[tables]]\nname = "t"\n')
    workbench.sync()
    workbench.query("UPDATE {d}.t SET v = 'CELLSENTINEL of theirs' WHERE id = 1")
    return workbench


def explain(bench: Workbench, *arguments: str) -> Result:
    # A daemon has the state: whoever only looks does not ask for its lock.
    with locked_state(bench.config):
        return CliRunner().invoke(commands, ["explain", "-c", str(bench.config_path), *arguments],
                                  standalone_mode=False)


def test_every_part_is_shown_and_no_cell_unless_asked(bench: Workbench) -> None:
    told = explain(bench, "t", "1", "--log-level", "debug")
    assert told.return_value == ExitCode.OK, told.output
    lines = told.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [
        "source", "ledger", "BigQuery", "sweep", "quarantine", "last", "intent", "table"]
    assert "differs from the source: v" in told.stdout
    assert "_bqsync" not in lines[-1]
    assert lines[-1].endswith("bqsync verify --repair t.")
    waiting = explain(bench, "t", "2")
    assert "wrong_type in column n, since" in waiting.stdout
    as_json = explain(bench, "t", "1", "--json")
    assert "CELLSENTINEL" not in told.output + waiting.output + as_json.output
    found = json.loads(as_json.stdout)
    assert (found["sentence"], found["ledger"], found["target"], found["differing"], found["intent"]) == (
        "altered_in_bigquery", "same", "different", ["v"], None)
    assert found["last_job"]["job_id"].startswith("bqsync_staging_")
    assert found["columns"] == [
        {"name": name, "source_name": name, "is_equal": name != "v"} for name in ("id", "n", "v")]


def test_cells_are_shown_on_request(bench: Workbench) -> None:
    assert "CELLSENTINEL of theirs" in explain(bench, "t", "1", "--values").stdout
    columns = json.loads(explain(bench, "t", "1", "--values", "--json").stdout)["columns"]
    assert columns[2] == {"name": "v", "source_name": "v", "is_equal": False, "source": "CELLSENTINEL",
                          "target": "CELLSENTINEL of theirs"}


def test_a_key_that_is_none_is_a_matter_of_usage(bench: Workbench) -> None:
    told = explain(bench, "t", "1", "2")
    assert isinstance(told.exception, click.UsageError)
    assert str(told.exception) == "the key of table t is (id): it takes 1 value, and 2 were given"
    assert explain(bench, "t", "--", "-7").return_value == ExitCode.OK


def test_without_bigquery_the_rest_is_told(bench: Workbench) -> None:
    text = bench.config_path.read_text(encoding="utf-8")
    bench.config_path.write_text(text.replace(bench.endpoints.rest, "http://127.0.0.1:9"), encoding="utf-8")
    told = explain(bench, "t", "1")
    assert told.return_value == ExitCode.UNAVAILABLE
    assert "the ledger's word is: delivered as it stands." in told.stdout
    assert "error[E301]" in told.stderr
