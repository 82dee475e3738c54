"""The commands as a user types them, in a folder with the shipped configuration and a BigQuery of its own."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from tests.cli.json_page import differences, documented
from tests.end_to_end.processes import servers_of
from tests.fidelity.expected import KEYS
from tests.workbench import run_command

from bqsync.embedded import EmbeddedBigQuery


def run(home: Path, *arguments: str, code: int = 0) -> Any:
    done = run_command(*arguments, "--json", folder=home)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return json.loads(done.stdout)


def row_counts(home: Path) -> dict[str, int]:
    with closing(sqlite3.connect(home / "job_tracker.db")) as db:
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in KEYS}


def test_after_a_sync_verify_finds_every_cell_equal_and_names_what_was_edited_by_hand(home: Path) -> None:
    rows = row_counts(home)
    synced = run(home, "sync")
    assert {o["table"]: (o["rows_upserted"], o["error"]) for o in synced["tables"]} == {
        table: (count, None) for table, count in rows.items()}
    assert servers_of(home) == [], "the embedded BigQuery ends with the command"

    status = run(home, "status")
    assert {t["name"]: (t["rows"], t["quarantined"], t["last_error"]) for t in status["tables"]} == {
        table: (count, 0, None) for table, count in rows.items()}

    with EmbeddedBigQuery(home / ".bqsync" / "bigquery", "demo-project") as server:
        verified = run(home, "verify")
        assert (verified["equal"], verified["rows_different"]) == (True, 0)
        assert {v["table"]: (v["rows_source"], v["rows_target"], v["differences"]) for v in verified["tables"]} == {
            table: (count, count, []) for table, count in rows.items()}

        with bigquery.Client(
            project="demo-project", credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=server.start().rest),
        ) as client:
            client.query("UPDATE job_tracker.llm_models SET model_cpmt_prompt = 0.10000000149 WHERE TRUE").result()
        found = run(home, "verify", "llm_models", code=1)
    (table,) = found["tables"]
    assert {(d["kind"], *d["columns"]) for d in table["differences"]} == {("different", "model_cpmt_prompt")}
    assert found["rows_different"] == rows["llm_models"]


def test_what_needs_a_state_says_what_to_do_before_the_first_sync_and_status_names_the_tables(home: Path) -> None:
    error = run(home, "state", "show", code=74)["error"]
    assert (error["kind"], error["fix"]) == ("state_missing", "run `bqsync sync`")
    status = run(home, "status")
    assert {(table["name"], table["health"]) for table in status["tables"]} == {(table, "new") for table in KEYS}
    assert (status["has_state"], status["daemon"]) == (False, None)


def test_check_finds_the_shipped_configuration_in_order(home: Path) -> None:
    offline = run(home, "check", "--offline")
    assert {finding["level"] for finding in offline["findings"]} <= {"ok", "warning"}
    assert servers_of(home) == []
    online = run(home, "check")
    assert any("embedded BigQuery" in finding["subject"] for finding in online["findings"])
    assert not (home / ".bqsync" / "state.db").exists(), "a check writes no state"


def test_check_names_a_missing_database_with_its_fix(home: Path) -> None:
    (home / "job_tracker.db").unlink()
    findings = run(home, "check", "--offline", code=74)["findings"]
    (error,) = [finding for finding in findings if finding["level"] == "error"]
    assert "does not exist" in error["what"]
    assert "source.db" in error["fix"]


def test_the_demo_ends_with_equal_tables(tmp_path: Path) -> None:
    changes: list[int] = []
    for attempt in range(3):
        # Where the machine stands still for those seconds, the application writes next to nothing.
        if not changes or not all(changes):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            result = run(folder, "demo", "--seconds", "3", "--jobs", "20")
            assert differences(documented("demo"), [result]) == [
                "tables[].differences is said to be objects, and never was"]
            assert result["rows_different"] == 0
            assert {table["table"] for table in result["tables"]} == set(KEYS)
            changes = [sum(counts[kind] for counts in result["writes"].values())
                       for kind in ("inserts", "updates", "deletes")]
    assert all(changes), "the application has inserted, updated and deleted"


def test_the_demo_ends_though_a_table_fails(tmp_path: Path) -> None:
    shipped = (resources.files("bqsync.demo") / "config.toml").read_text(encoding="utf-8")
    (tmp_path / "config.toml").write_text(f'{shipped}\n[[tables]]\nname = "nowhere"\n', encoding="utf-8")
    result = run(tmp_path, "demo", "--dir", ".", "--seconds", "1", "--jobs", "5", code=78)
    assert result["error"]["code"] == "E104"
