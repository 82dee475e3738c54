"""Neither log nor error ever holds a cell: each run below looks for the sentinel, at the most talkative level."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from tests.bad_input.command import SENTINEL, Done, run
from tests.hostile.actions import Method, RefuseRows, RestFailure
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

COMMANDS = (["sync"], ["sync", "--json"], ["plan", "--sql"], ["check", "--offline"], ["verify"], ["quarantine"],
            ["status"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A table whose cells make trouble."""

    columns: str
    """Beside the key `id`."""
    rows: str
    entry: str = ""
    """More lines of its [[tables]] entry."""
    later: str = ""
    """A column that is added when the rows are there."""
    code: str | None = None
    """Of the error that it fails with."""
    quarantined: int = 0


CASES = {
    "numbers": Case(
        columns="n INTEGER, r REAL, b BOOLEAN",
        rows=f"(1, '{SENTINEL}', 1, 1), (2, 1, '{SENTINEL}', 1), (3, 1, 1, '{SENTINEL}')", quarantined=3),
    "texts": Case(
        columns="name TEXT",
        rows=f"(1, CAST('{SENTINEL}' AS BLOB)), (2, CAST(CAST('{SENTINEL}' AS BLOB) || x'ff' AS TEXT)),"
             f" (3, '{SENTINEL}' || char(0) || 'x')", quarantined=2),
    "chosen_types": Case(
        columns="a TEXT, b TEXT, c TEXT, d TEXT, e TEXT",
        rows=f"(1, '{SENTINEL}', NULL, NULL, NULL, NULL), (2, NULL, '{SENTINEL}', NULL, NULL, NULL),"
             f" (3, NULL, NULL, '{SENTINEL}', NULL, NULL), (4, NULL, NULL, NULL, '{SENTINEL}', NULL),"
             f" (5, NULL, NULL, NULL, NULL, '{SENTINEL}')",
        entry='types = { a = "NUMERIC", b = "DATE", c = "JSON", d = "DATETIME", e = "TIME" }', quarantined=5),
    "unclear_instants": Case(
        columns="made_at TEXT", rows=f"(1, '{SENTINEL}'), (2, '2026-01-01T00:00:00Z')",
        entry='types = { made_at = "TIMESTAMP" }', code="E105"),
    "wrong_instants": Case(
        columns="made_at TEXT", rows=f"(1, '{SENTINEL}'), (2, '2026-02-30 {SENTINEL}')",
        entry='timestamps = { made_at = "iso8601" }', quarantined=2),
    "not_computable": Case(
        columns="doc TEXT", rows=f"(1, '{{{SENTINEL}')", later="x TEXT AS (json_extract(doc, '$.x'))", code="E207"),
}


def talk(bench: Workbench) -> list[Done]:
    """Every command that looks at rows; what they print is judged as they end."""
    return [run(bench.folder, *command, "--log-level", "debug") for command in COMMANDS]


def test_no_command_prints_a_cell_that_makes_trouble(workbench: Workbench) -> None:
    for name, case in CASES.items():
        workbench.db.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {case.columns})")
        workbench.db.execute(f"INSERT INTO {name} VALUES {case.rows}")
        if case.later:
            workbench.db.execute(f"ALTER TABLE {name} ADD COLUMN {case.later}")
    workbench.configure("\n\n".join(f'[[tables]]\nname = "{name}"\n{case.entry}' for name, case in CASES.items()))
    synced, as_json, *_ = talk(workbench)
    tables = json.loads(as_json.output)["tables"]
    failed = {table["table"]: table["error"]["code"] for table in tables if table["error"]}
    assert failed == {name: case.code for name, case in CASES.items() if case.code}
    assert synced.codes == set(failed.values())
    assert Counter(table for table, _, _ in workbench.quarantine()) == {
        name: case.quarantined for name, case in CASES.items() if case.quarantined}


def test_no_command_that_syncs_prints_a_key(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE things (id TEXT PRIMARY KEY, n INTEGER);", (
        "INSERT INTO things VALUES (?, ?)",
        [(f"{SENTINEL} 1", "bad"), (None, 1), (f"{SENTINEL} 2", 2), (f"{SENTINEL}\0a", 3), (b"\xff", 4)]))
    workbench.configure('[[tables]]\nname = "things"')
    for command in (["sync"], ["check", "--offline"], ["status"], ["sync", "--full", "--json"]):
        assert run(workbench.folder, *command, "--log-level", "debug").code == 0
    assert len(workbench.quarantine()) >= 3


def test_a_cell_that_bigquery_quotes_in_a_refusal_is_not_passed_on(
    hostile_bench: Workbench, hostile: HostileBigQuery,
) -> None:
    hostile_bench.fill("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT);", (
        "INSERT INTO things VALUES (?, ?)", [(1, f"{SENTINEL} refused"), (2, "fine")]))
    hostile_bench.configure('[[tables]]\nname = "things"')
    rule = hostile.rule(Method.APPEND_ROWS, RefuseRows(f"{SENTINEL} refused".encode()))
    run(hostile_bench.folder, "sync", "--log-level", "debug")
    run(hostile_bench.folder, "quarantine")
    assert rule.fired
    assert [row["id"] for row in hostile_bench.rows("things", "id")] == [2]


def test_a_cell_that_a_failed_merge_quotes_is_not_passed_on(relayed: Workbench, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.JOBS_INSERT, RestFailure(
        status=400, reason="invalidQuery", message=(
            f"Bad int64 value: {SENTINEL} 1; field `name` is '{SENTINEL}'")), holding="MERGE", times=1)
    hostile.rule(Method.JOBS_INSERT, RestFailure(status=400, reason="invalidQuery", message=(
            f'Could not cast "{SENTINEL}" in column `name`')), holding="MERGE")
    run(relayed.folder, "sync", "things", "--log-level", "debug").told(1, "E312", "Bad int64 value: …")
    run(relayed.folder, "sync", "things").told(1, "E312", "Could not cast '…' in column `name`")


def test_differences_are_told_by_key_and_column(bench: Workbench) -> None:
    assert run(bench.folder, "sync").code == 0
    bench.query(f"UPDATE {{d}}.things SET name = '{SENTINEL} edited' WHERE id = 1")
    done = run(bench.folder, "verify", "--log-level", "debug")
    assert done.code == 1
    assert "things different (1): name" in done.output
