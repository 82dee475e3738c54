"""docs/json.md and what the commands print agree: every field, every type, in both directions."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner
from tests.cli.json_page import Fields, differences, documented, error_fields, sections, snapshot_fields
from tests.page.snapshots import cycle, snapshot, table
from tests.state.entries import delivery, rejected
from tests.test_documentation import COMMANDS, parameters
from tests.workbench import run_command

from bqsync.cli import commands
from bqsync.encode.keys import encode_key
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import Intent, SourceIdentity, TargetKey, TargetType, TimestampFormat, Watermark
from bqsync.observe.live import LiveStatus, LiveTable, live_file, write_live
from bqsync.observe.snapshot import encode
from bqsync.state.billing import Bill, note_bill
from bqsync.state.chunk_commit import ChunkCommit
from bqsync.state.ledger import Ledger
from bqsync.state.lock import StateLock
from bqsync.state.sources import note_identity
from bqsync.state.store import Store
from bqsync.state.tables import TableState, TrustedTarget
from bqsync.state.watermarks import WatermarkColumn, Watermarks

if TYPE_CHECKING:
    from tests.workbench import Workbench

KEY, OTHER_KEY = encode_key(("a",)), encode_key(("b",))
FAILURE = BqsyncError(ErrorKind.DELETES_HELD_BACK, what="3801 rows are gone", why="many")
CONFIG = """
[source]
db = "app.db"
[bigquery]
project = "p"
dataset = "d"
[state]
file = "state.db"
[[tables]]
name = "things"
[[tables]]
name = "large"
watermark = ["at"]
sweep = "off"
"""


def printed(folder: Path, *arguments: str, code: int = 0) -> Any:
    config = () if arguments[0] in ("init", "service") else ("-c", str(folder / "config.toml"))
    result = CliRunner().invoke(commands, [*arguments, *config, "--json"], standalone_mode=False)
    assert (result.return_value or 0) == code, result.output
    assert result.exception is None, result.output
    return json.loads(result.stdout)


def test_every_command_with_json_has_a_section_and_no_other() -> None:
    wanted = {name for name, command in COMMANDS.items() if "--json" in parameters(command)}
    assert set(sections()) == wanted | {"state export"}


def test_what_cycles_print_is_documented(workbench: Workbench) -> None:
    rows = [("a", 1, 1767225600), ("b", 2, 1767225660), ("c", "bad", 1767225660), (None, 1, 1767225660)]
    workbench.fill("CREATE TABLE things (id TEXT PRIMARY KEY, n INTEGER, at INTEGER); CREATE TABLE other (id INTEGER)",
                   ("INSERT INTO things VALUES (?, ?, ?)", rows))
    workbench.configure('[[tables]]\nname = "things"\nwatermark = ["at"]\n[[tables]]\nname = "other"\n')
    home = workbench.folder
    checks = [printed(home, "check", "--offline", code=78), printed(home, "check", "--show-effective", code=78)]
    assert differences(documented("check"), checks) == []

    syncs = [printed(home, "sync", code=78), printed(home, "sync", code=78)]
    assert differences(documented("sync"), syncs) == []

    workbench.query("UPDATE {d}.things SET n = 7 WHERE id = 'a'")
    assert differences(documented("verify"), [printed(home, "verify", code=1)]) == []

    lists = [printed(home, "quarantine"), printed(home, "quarantine", "--retry")]
    assert differences(documented("quarantine"), lists) == []
    resets = [printed(home, "state", "reset", "things", "--all", "--yes")]
    assert differences(documented("state reset"), resets) == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state that knows whatever a state can know, of one table; next to nothing of another."""
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    with closing(Store(tmp_path / "state.db")) as store:
        source_id = store.source_id("app")
        store.source_id("another")
        identity = SourceIdentity(device=1, inode=2, application_id=3, schema_cookie=4, change_counter=5)
        note_identity(store, source_id, identity)
        TableState(store, source_id, "large")
        table = TableState(store, source_id, "things")
        table.allot_fields([("id", TargetType.STRING), ("at", TargetType.TIMESTAMP)])
        table.fix_timestamp_format("at", TimestampFormat.ISO8601)
        table.record_targets([("id", TargetType.STRING, "id")])
        _decide(Watermarks(store, table.table_id))
        ledger = Ledger(store, table.table_id)
        ledger.reconcile(TrustedTarget(name="p.d.things", created_us=7, key_columns="id STRING"), [[TargetKey(KEY)]], 9)
        known = delivery(OTHER_KEY, source_key=KEY, instant_us=1)
        ledger.commit(ChunkCommit(delivered={OTHER_KEY: known}, rejected={KEY: rejected(KEY)}), "v1")
        table.record_sweep(table.sweep_request(), "v1", 1)
        table.record_walk(1, 1)
        table.record_pass(1, 1)
        table.record_verify(1)
        with store.transaction() as connection:
            note_bill(connection, table.table_id, Bill(at_us=1, size_bytes=1))
        table.ask_sweep("the clock went back", suspicion="the largest at went back")
        table.record_attempt(None, 10)
        table.record_attempt(FAILURE.as_dict(), 11, deletes_held=3801)
        table.record_intent(Intent(job_id="j", staging_table="p.d.s"))
    return tmp_path


def _decide(watermarks: Watermarks) -> None:
    iso, form = TimestampFormat.ISO8601, "####-##-##"
    reached = Watermark(column="at", source_value="2026-01-01", instant_us=1)
    for column in (
        WatermarkColumn(column="at", timestamp_format=iso, form=form, unfit=None, reached=reached),
        WatermarkColumn(column="bad", timestamp_format=None, form=None, unfit="it holds no instants", reached=None),
    ):
        watermarks.decide(column)


def test_what_plans_and_explanations_print_is_documented(workbench: Workbench) -> None:
    rows = [("a", 1, 1767225600), ("b", 2, 1767225660), ("c", "bad", None), ("d", 4, 1767225660)]
    workbench.fill("CREATE TABLE things (id TEXT PRIMARY KEY, n INTEGER, at INTEGER, v); CREATE TABLE other (id)",
                   ("INSERT INTO things VALUES (?, ?, ?, 'x')", rows))
    workbench.configure('[[tables]]\nname = "things"\nwatermark = ["at", "v"]\ndeletes = "mark"\n'
                        '[[tables]]\nname = "other"\n')
    home = workbench.folder
    plans = [printed(home, "plan", code=78)]
    found = [printed(home, "explain", "things", "a")]
    printed(home, "sync", code=78)
    workbench.query("UPDATE {d}.things SET n = 7 WHERE id = 'b'")
    workbench.db.execute("DELETE FROM things WHERE id = 'd'")
    plans.append(printed(home, "plan", code=78))
    printed(home, "sync", code=78)
    found += [printed(home, "explain", "things", *key) for key in (
        ["a"], ["b", "--values"], ["c"], ["d"], ["none", "--values"])]
    found += [printed(home, "explain", "other", "1")]
    with closing(Store(workbench.config.state.file)) as store:
        state = TableState(store, store.source_id("app"), "things")
        state.record_intent(Intent(job_id="j", staging_table="p.d.s"))
        state.record_attempt(FAILURE.as_dict(), 11)
        Watermarks(store, state.table_id).decide(WatermarkColumn(
            column="at", timestamp_format=TimestampFormat.UNIX_SECONDS, form=None, unfit=None, reached=None))
    plans.append(printed(home, "plan", code=78))
    found.append(printed(home, "explain", "things", "a"))
    assert differences(documented("plan"), plans) == [
        "tables[].columns_to_relax is said to be strings, and never was",
        "tables[].columns_to_widen is said to be strings, and never was",
        "tables[].dry_run_bytes is said to be integer, and never was",
        "tables[].primary_key_to_set is said to be strings, and never was"]
    text = workbench.config_path.read_text(encoding="utf-8")
    workbench.config_path.write_text(text.replace(workbench.endpoints.rest, "http://127.0.0.1:9"), encoding="utf-8")
    found.append(printed(home, "explain", "things", "a", code=69))
    assert differences(documented("explain"), found) == []


def test_what_is_shown_of_the_state_is_documented(home: Path) -> None:
    free, lock = printed(home, "state", "show"), StateLock(home / "state.db")
    lock.acquire()
    taken = printed(home, "state", "show")
    lock.release()
    assert differences(documented("state show"), [free, taken]) == []


def test_what_is_exported_of_the_state_is_documented(home: Path) -> None:
    records = [record for options in ((), ("--with-keys",)) for record in exported(home, *options)]
    page = documented("state export")
    for name in ("source", "table"):
        found = [{key: value for key, value in one.items() if key != "record"} for one in records
                 if one["record"] == name]
        assert differences(of_state_show(f"{name}s[]"), found) == []
    found = [{one.pop("record"): one} for one in records if one["record"] not in ("source", "table")]
    assert [line for line in differences(page, found) if not line.endswith("is not documented")] == []


def exported(home: Path, *options: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(commands, ["state", "export", "-c", str(home / "config.toml"), *options])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def of_state_show(path: str) -> Fields:
    """The fields of the objects in a list there."""
    page = documented("state show")
    return {field.removeprefix(f"{path}."): types for field, types in page.items()
            if field.startswith(f"{path}.") and not field.endswith("is_configured")}


def test_what_status_prints_is_documented(home: Path) -> None:
    reports = [printed(home, "status", code=1)]
    lock = StateLock(home / "state.db")
    lock.acquire()
    reports.append(printed(home, "status", code=1))
    for failure, instant_us in ((None, None), (FAILURE.as_dict(), 3)):
        table = LiveTable(is_running=False, pending_since_us=instant_us, failures=1, paused_until_us=instant_us,
                          merge_interval_s=2.0, doubtful_since_us=instant_us)
        write_live(live_file(home / "state.db"), LiveStatus(
            pid=os.getpid(), started_us=1, written_us=2, source_failure=failure, outage=failure,
            outage_until_us=instant_us, tables={"things": table}))
        reports.append(printed(home, "status", code=1))
    lock.release()
    limited = CONFIG + '[sync]\ndaily_bytes_billed_limit = "1 TiB"\n'
    (home / "config.toml").write_text(limited, encoding="utf-8")
    reports.append(printed(home, "status", code=1))
    assert differences(documented("status"), reports) == []


def test_what_the_daemon_tells_is_documented(home: Path) -> None:
    whole, alone = (json.loads(encode(one)) for one in (snapshot(table("things")), snapshot()))
    report = whole.pop("report")
    assert report.keys() == printed(home, "status", code=1).keys()
    assert report["tables"][0].keys() == printed(home, "status", code=1)["tables"][0].keys()
    named = json.loads(msgspec.json.encode(cycle(lag_s=None)))
    whole["history"]["tables"]["things"]["cycles"].append(named)
    whole["history"]["failures"].append({**whole["history"]["failures"][0], "table": "things"})
    found = [{**whole, "read_us": 1, "report": {}}, {**alone, "report": {}}]
    assert differences(snapshot_fields(), found) == []


def test_what_init_and_protos_print_is_documented(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.executescript("""
            CREATE TABLE things (id TEXT PRIMARY KEY, "odd name" TEXT, odd_name TEXT, updated_at INTEGER, n INTEGER);
            CREATE TABLE "a table" (id INTEGER PRIMARY KEY);
            CREATE TABLE a_table (id INTEGER PRIMARY KEY);
            CREATE TABLE keyless (v);
            CREATE INDEX things_at ON things (updated_at);
            INSERT INTO things VALUES ('a', 'x', 'x', 1767225600, 1), ('b', 'y', 'y', 1767225660, 'text'),
                (NULL, 'z', 'z', 1767225660, 2);
        """)
    options = ("--db", str(tmp_path / "app.db"), "--out", str(tmp_path))
    proposals = [printed(tmp_path, "init", *options),
                 printed(tmp_path, "init", *options, "--project", "demo-project", "--force")]
    assert differences(documented("init"), proposals) == []
    assert differences(documented("protos"), [printed(tmp_path, "protos")]) == []


def test_what_the_installation_of_the_service_prints_is_documented(tmp_path: Path) -> None:
    """Into a tree: nothing is run there, and nobody warned."""
    done = printed(tmp_path, "service", "install", "--root", str(tmp_path))
    assert differences(documented("service install"), [done]) == [
        "commands is said to be strings, and never was", "warnings is said to be strings, and never was"]


def test_a_failure_is_documented_and_stands_on_standard_output(home: Path) -> None:
    (home / "config.toml").write_text(CONFIG.replace("db =", "dv ="), encoding="utf-8")
    wrong = run_command("status", "--json", folder=home)
    (home / "config.toml").write_text(CONFIG, encoding="utf-8")
    with closing(sqlite3.connect(home / "state.db")) as state:
        state.execute("PRAGMA user_version = 99")
    newer = run_command("state", "show", "--json", folder=home)
    assert (wrong.returncode, newer.returncode) == (78, 78)
    assert "error[" not in wrong.stderr + newer.stderr
    found = [json.loads(one.stdout) for one in (wrong, newer)]
    assert {frozenset(one) for one in found} == {frozenset({"error"})}
    assert differences(error_fields(), [one["error"] for one in found]) == []
    assert {"problems" in one["error"] for one in found} == {True, False}
