"""Whatever happens to the state or to the target, the next cycle finds out and converges."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from structlog.testing import capture_logs
from tests.engine.application import PLAIN, ids
from tests.workbench import PROJECT, Workbench

from bqsync.errors import BqsyncError

ROWS = [(n, f"v{n}") for n in range(10)]


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Ten rows, delivered."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", ("INSERT INTO t VALUES (?, ?)", ROWS))
    workbench.configure('[[tables]]\nname = "t"')
    workbench.sync()
    return workbench


def target(bench: Workbench) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in bench.rows("t", "id, v")]


def source(bench: Workbench) -> list[tuple[Any, ...]]:
    return bench.db.execute("SELECT * FROM t ORDER BY id, v").fetchall()


def assert_converged(bench: Workbench) -> None:
    """Equal, nothing left behind, and nothing more to do."""
    assert target(bench) == source(bench)
    assert bench.tables() == {"t"}
    assert bench.sync()["t"].merges == 0


def test_a_lost_state_is_rebuilt_from_the_target_and_nothing_is_left_over(bench: Workbench) -> None:
    shutil.rmtree(bench.state_path.parent)
    bench.fill("DELETE FROM t WHERE id = 3; UPDATE t SET v = 'new' WHERE id = 4; INSERT INTO t VALUES (11, 'v11')")
    bench.query("INSERT INTO {d}.t (id, v) VALUES (99, 'a ghost')")
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_deleted) == (None, 2)
    assert_converged(bench)


@pytest.mark.parametrize("damage", [b"not a database " * 999, b""], ids=["garbage", "nothing"])
def test_a_damaged_state_is_moved_aside_and_rebuilt(bench: Workbench, damage: bytes) -> None:
    bench.state_path.write_bytes(damage)
    bench.db.execute("DELETE FROM t WHERE id = 3")
    assert bench.sync()["t"].error is None
    aside = [path.read_bytes() for path in bench.state_path.parent.glob("state.db.damaged-*")]
    assert aside == ([damage] if damage else [])
    assert_converged(bench)


def test_half_a_state_is_moved_aside_and_rebuilt(bench: Workbench) -> None:
    whole = bench.state_path.read_bytes()
    bench.state_path.write_bytes(whole[: len(whole) // 2])
    with capture_logs() as lines:
        assert bench.sync()["t"].error is None
    assert "state.rebuilt" in {line["event"] for line in lines}
    assert_converged(bench)


def test_a_state_that_is_damaged_within_is_told_and_moved_aside_and_nothing_is_deleted(bench: Workbench) -> None:
    with closing(sqlite3.connect(bench.state_path)) as state:
        (page,) = state.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'ledger'").fetchone()
        (size,) = state.execute("PRAGMA page_size").fetchone()
    whole = bytearray(bench.state_path.read_bytes())
    whole[(page - 1) * size : page * size] = b"\xff" * size
    bench.state_path.write_bytes(whole)
    try:
        error = bench.sync()["t"].error or {}
    except BqsyncError as failure:
        error = failure.as_dict()
    assert (error["kind"], target(bench)) == ("state_damaged", ROWS)
    assert "moved aside" in error["fix"]
    (aside,) = bench.state_path.parent.glob("state.db.damaged-*")
    assert b"\xff" * size in aside.read_bytes()
    assert bench.sync()["t"].error is None
    assert_converged(bench)


def test_a_dropped_target_is_made_again_and_filled(bench: Workbench) -> None:
    bench.rest.delete_table(f"{bench.dataset}.t")
    assert bench.sync()["t"].rows_upserted == 10
    assert_converged(bench)


def test_a_target_that_was_replaced_by_another_is_reconciled(bench: Workbench) -> None:
    bench.rest.delete_table(f"{bench.dataset}.t")
    table = bigquery.Table(f"{PROJECT}.{bench.dataset}.t", [
        bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("v", "STRING")])
    table.labels = {"bqsync": "target"}
    bench.rest.create_table(table)
    bench.query("INSERT INTO {d}.t (id, v) VALUES (1, 'v1'), (2, 'stale'), (50, 'extra')")
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_deleted) == (None, 1)
    assert_converged(bench)


def test_full_sends_every_row_and_repairs_what_was_edited_by_hand(bench: Workbench) -> None:
    bench.query("UPDATE {d}.t SET v = 'edited' WHERE id = 1")
    bench.query("DELETE FROM {d}.t WHERE id = 2")
    bench.query("INSERT INTO {d}.t (id, v) VALUES (99, 'extra')")
    assert bench.sync()["t"].merges == 0, "an ordinary cycle trusts its ledger"
    assert bench.verify("t").rows_different == 3
    outcome = bench.sync(full=True)["t"]
    assert (outcome.rows_upserted, outcome.rows_deleted) == (10, 1)
    assert_converged(bench)


def test_a_state_that_is_put_back_to_an_earlier_copy_is_found_out(bench: Workbench) -> None:
    before = bench.state_path.read_bytes()
    bench.fill("UPDATE t SET v = 'for a while' WHERE id = 4; INSERT INTO t VALUES (11, 'v11')")
    bench.sync()
    bench.fill("UPDATE t SET v = 'v4' WHERE id = 4; DELETE FROM t WHERE id = 11")
    bench.state_path.write_bytes(before)  # its ledger has row 4 as it is again, and never heard of row 11
    with capture_logs() as lines:
        assert bench.sync()["t"].error is None
    assert "state.outdated" in {line["event"] for line in lines}
    assert_converged(bench)


def test_a_merge_that_was_not_noted_is_not_forgotten_when_its_staging_table_has_gone(bench: Workbench) -> None:
    job_id = f"bqsync_staging_{bench.dataset}_1"
    staging = leave_intent(bench, job_id)
    run_job(bench, job_id, f"INSERT INTO {PROJECT}.{bench.dataset}.t (id, v) VALUES (77, 'a ghost')")
    bench.rest.delete_table(f"{PROJECT}.{bench.dataset}.{staging}")
    assert bench.sync()["t"].error is None
    assert_converged(bench)


ENVELOPE = (("_bqsync_key", "BYTES"), ("_bqsync_operation", "STRING"), ("_bqsync_sequence", "INT64"))


def make_table(bench: Workbench, name: str) -> None:
    fields = [bigquery.SchemaField(column, kind) for column, kind in ENVELOPE]
    bench.rest.create_table(bigquery.Table(f"{PROJECT}.{bench.dataset}.{name}", fields))


def leave_intent(bench: Workbench, job_id: str) -> str:
    """What a process leaves that was killed while its MERGE ran; returns the staging table."""
    with closing(sqlite3.connect(bench.state_path)) as state, state:
        (instance,) = state.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()
        name = f"_bqsync_staging_{instance}_t_20260101000000_00000000"
        state.execute("INSERT INTO intents SELECT id, ?, ?, 0 FROM tables",
                      (job_id, f"{PROJECT}.{bench.dataset}.{name}"))
    make_table(bench, name)
    return name


def run_job(bench: Workbench, job_id: str, statement: str) -> None:
    with suppress(GoogleAPICallError):
        bench.rest.query(statement, job_id=job_id, job_retry=None).result(job_retry=None)


@pytest.mark.parametrize(("statement", "outcome"), [
    ("SELECT 2", "done"), ("SELECT * FROM missing.table", "failed"), (None, "never ran"), ("SELECT 1", "never ran"),
])
def test_an_intent_that_was_left_is_settled_before_anything_else(
    bench: Workbench, statement: str | None, outcome: str,
) -> None:
    job_id = f"bqsync_staging_{bench.dataset}_1"
    staging = leave_intent(bench, job_id)
    if statement is not None:
        run_job(bench, job_id, statement)
    bench.db.execute("UPDATE t SET v = 'new' WHERE id = 4")
    assert staging in bench.tables()
    with capture_logs() as lines:
        assert bench.sync()["t"].error is None
    settled = [line["outcome"] for line in lines if line["event"] == "intent.settled"]
    assert settled == [outcome]
    assert bench.rest.get_job(job_id).state == "DONE", "an id that never ran is burnt, so that it can't run late"
    assert_converged(bench)


def test_staging_tables_that_a_crash_left_are_dropped_and_those_of_others_are_not(bench: Workbench) -> None:
    with closing(sqlite3.connect(bench.state_path)) as state:
        (instance,) = state.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()
    names = [f"_bqsync_staging_{instance}_t_1", "_bqsync_staging_another_t_1", "staging_of_mine"]
    for name in names:
        make_table(bench, name)
    bench.sync()
    assert bench.tables() == {"t", *names[1:]}


@pytest.mark.parametrize("policy", ["delete", "ignore"])
def test_a_table_of_key_columns_alone_survives_a_lost_state(workbench: Workbench, policy: str) -> None:
    """Its MERGE has nothing to update, so that the number of changed rows says nothing."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)")
    workbench.configure(PLAIN + f'deletes = "{policy}"')
    assert workbench.sync()["t"].error is None
    workbench.lose_state()
    for _ in range(3):
        outcome = workbench.sync()["t"]
    assert outcome.error is None


def test_a_state_from_before_the_first_merge_is_known_as_old(workbench: Workbench) -> None:
    """A trusted state knows up to when it knows of every MERGE, whether there was one or not."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    shutil.copytree(workbench.state_path.parent, workbench.folder / "saved")
    workbench.db.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    assert workbench.sync()["t"].error is None
    shutil.rmtree(workbench.state_path.parent)
    shutil.copytree(workbench.folder / "saved", workbench.state_path.parent)
    workbench.db.execute("DELETE FROM t WHERE id = 2")
    assert workbench.sync()["t"].error is None
    assert workbench.sync()["t"].error is None
    assert ids(workbench) == [1]


def test_an_old_state_is_old_for_all_its_tables(workbench: Workbench) -> None:
    """One MERGE that the state does not know tells that every ledger in it is of an earlier time."""
    for name in "tu":
        workbench.fill(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO {name} VALUES (1, 'a')")
    workbench.configure(PLAIN + '[[tables]]\nname = "u"\n')
    workbench.sync()
    before = workbench.state_path.read_bytes()
    workbench.db.execute("UPDATE u SET v = 'b'")
    workbench.sync()
    workbench.state_path.write_bytes(before)
    with capture_logs() as lines:
        assert [outcome.error for outcome in workbench.sync().values()] == [None, None]
    reconciled = {line.get("table") for line in lines if line["event"] == "state.outdated"}
    assert reconciled == {"t", "u"}
    assert workbench.rows("u", "id") == [{"id": 1, "v": "b"}]
