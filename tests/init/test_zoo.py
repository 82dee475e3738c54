"""Everything odd at once, by the commands as a newcomer types them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.init.databases import make
from tests.init.round_trip import variables
from tests.workbench import PROJECT, run_command

if TYPE_CHECKING:
    from bqsync.embedded import Endpoints

SCRIPT = Path(__file__).with_name("zoo.sql").read_text(encoding="utf-8")


def test_four_commands_lead_to_a_verified_copy(tmp_path: Path, emulator: Endpoints) -> None:
    make(tmp_path / "zoo app.db", SCRIPT)

    def run(*arguments: str) -> Any:
        done = run_command(*arguments, "--json", folder=tmp_path, **variables(emulator))
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    told = run("init", "--db", "zoo app.db", "--project", PROJECT, "--dataset", f"test_{secrets.token_hex(6)}")
    left_out = {table["name"] for table in told["tables"] if table["refused"]}
    assert {name for name in left_out if not name.startswith("letters")} == {"bare"}
    types = {(table["name"], column["name"]): column["type"] for table in told["tables"] for column in table["columns"]}
    assert types["orders", "total"] == types["orders", "price"] == "NUMERIC"
    assert types["order-details", "at"] == types["blobs", "created"] == "TIMESTAMP"

    assert {finding["level"] for finding in run("check")["findings"]} <= {"ok", "warning"}
    synced = {table["table"]: table for table in run("sync")["tables"]}
    assert {name: table["quarantine_total"] for name, table in synced.items() if table["quarantine_total"]} == {
        "名前": 2, "blobs": 2}
    verified = run("verify")
    assert (verified["equal"], verified["rows_different"]) == (True, 0)
    assert len(verified["tables"]) == len(told["tables"]) - len(left_out)
