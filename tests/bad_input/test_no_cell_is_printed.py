"""Neither log nor error ever holds a cell: each run below looks for the sentinel, at the most talkative level."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.bad_input.command import SENTINEL, Done, run
from tests.fakes.refusing_relay import RefusingRelay
from tests.fakes.rest_server import Failure, RestServer
from tests.workbench import Workbench

COMMANDS = (["sync"], ["sync", "--json"], ["check", "--offline"], ["verify"], ["quarantine"], ["status"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A table whose cells make trouble."""

    columns: str
    rows: str
    entry: str = ""
    codes: tuple[str, ...] = ()
    """Errors that the first sync shows."""
    quarantined: int = 0


CASES = {
    "text in a column of numbers": Case(
        columns="n INTEGER, r REAL, b BOOLEAN",
        rows=f"(1, '{SENTINEL}', 1, 1), (2, 1, '{SENTINEL}', 1), (3, 1, 1, '{SENTINEL}')", quarantined=3),
    "a blob, a NUL and broken UTF-8 in a column of texts": Case(
        columns="name TEXT",
        rows=f"(1, CAST('{SENTINEL}' AS BLOB)), (2, CAST(CAST('{SENTINEL}' AS BLOB) || x'ff' AS TEXT)),"
             f" (3, '{SENTINEL}' || char(0) || 'x')", quarantined=2),
    "texts that are not of the chosen types": Case(
        columns="a TEXT, b TEXT, c TEXT, d TEXT, e TEXT",
        rows=", ".join(f"({n}, '{SENTINEL}', '{SENTINEL}', '{SENTINEL}', '{SENTINEL}', '{SENTINEL}')" for n in (1, 2)),
        entry='types = { a = "NUMERIC", b = "DATE", c = "JSON", d = "DATETIME", e = "TIME" }', quarantined=2),
    "texts where instants have to be": Case(
        columns="made_at TEXT", rows=f"(1, '{SENTINEL}'), (2, '2026-01-01T00:00:00Z')",
        entry='types = { made_at = "TIMESTAMP" }', codes=("E105",)),
    "instants of a fixed form that are none": Case(
        columns="made_at TEXT", rows=f"(1, '{SENTINEL}'), (2, '2026-02-30 {SENTINEL}')",
        entry='timestamps = { made_at = "iso8601" }', quarantined=2),
    "a column that SQLite can't compute": Case(
        columns="doc TEXT, x TEXT AS (json_extract(doc, '$.x'))", rows=f"(1, '{{{SENTINEL}')", codes=("E207",)),
}


def talk(bench: Workbench) -> list[Done]:
    """Every command that looks at rows; what they print is judged as they end."""
    return [run(bench.folder, *command, "--log-level", "debug") for command in COMMANDS]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_no_command_prints_a_cell_that_makes_trouble(workbench: Workbench, case: Case) -> None:
    names = ", ".join(part.split()[0] for part in case.columns.split(", ") if " AS " not in part and ")" not in part)
    workbench.fill(f"CREATE TABLE things (id INTEGER PRIMARY KEY, {case.columns});"
                   f"INSERT INTO things (id, {names}) VALUES {case.rows};")
    workbench.configure(f'[[tables]]\nname = "things"\n{case.entry}')
    synced, *_ = talk(workbench)
    assert synced.codes == set(case.codes), synced.errors
    assert len(workbench.quarantine()) == case.quarantined


def test_no_command_that_syncs_prints_a_key(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE things (id TEXT PRIMARY KEY, n INTEGER);", (
        "INSERT INTO things VALUES (?, ?)",
        [(f"{SENTINEL} 1", "bad"), (None, 1), (f"{SENTINEL} 2", 2), (f"{SENTINEL}\0a", 3), (b"\xff", 4)]))
    workbench.configure('[[tables]]\nname = "things"')
    for command in (["sync"], ["check", "--offline"], ["status"], ["sync", "--full", "--json"]):
        assert run(workbench.folder, *command, "--log-level", "debug").code == 0
    assert len(workbench.quarantine()) >= 3


def test_a_cell_that_bigquery_quotes_in_a_refusal_is_not_passed_on(workbench: Workbench) -> None:
    rows = [(1, f"{SENTINEL} refused"), (2, "fine")]
    workbench.fill("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT);", ("INSERT INTO things VALUES (?, ?)", rows))
    workbench.configure('[[tables]]\nname = "things"')
    relay = RefusingRelay(workbench.endpoints.grpc, f"{SENTINEL} refused".encode())
    try:
        text = workbench.config_path.read_text(encoding="utf-8")
        workbench.config_path.write_text(text.replace(workbench.endpoints.grpc, relay.endpoint), encoding="utf-8")
        talk(workbench)
    finally:
        relay.stop()
    assert relay.refusals
    assert [row["id"] for row in workbench.rows("things", "id")] == [2]


def test_a_cell_that_a_failed_merge_quotes_is_not_passed_on(relayed: Workbench, rest: RestServer) -> None:
    rest.misbehave(r"^POST .*/jobs\?", Failure(
        status=400, reason="invalidQuery", message=f"Bad int64 value: '{SENTINEL} 1'; field \"{SENTINEL}\""), body="MERGE")
    run(relayed.folder, "sync", "things", "--log-level", "debug").told(1, "E312", "Bad int64 value", "things")


def test_differences_are_told_by_key_and_column(bench: Workbench) -> None:
    assert run(bench.folder, "sync").code == 0
    bench.query(f"UPDATE {{d}}.things SET name = '{SENTINEL} edited' WHERE id = 1")
    done = run(bench.folder, "verify", "--log-level", "debug")
    assert done.code == 1
    assert "things different (1): name" in done.output
