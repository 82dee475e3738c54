"""With deletes = "mark", a row that left the source stays, says since when it is gone, and counts as absent."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.engine.application import PLAIN
from tests.hostile.actions import Method, RestFailure
from tests.hostile.proxy import HostileBigQuery
from tests.workbench import Workbench

from bqsync.model import MARK_COLUMN

MARKED = '[[tables]]\nname = "t"\ndeletes = "mark"'
DELETED = '[[tables]]\nname = "t"'
DENIED = RestFailure(status=403, reason="accessDenied", message="Access Denied: Project demo: bigquery.jobs.list")


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Ten rows, delivered."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"v{n}") for n in range(10)]))
    workbench.configure(MARKED)
    assert workbench.sync()["t"].rows_upserted == 10
    return workbench


def marks(bench: Workbench) -> dict[int, Any]:
    """When each row of the target was marked."""
    return {row["id"]: row[MARK_COLUMN] for row in bench.rows("t", "id")}


def marked(bench: Workbench) -> list[int]:
    return [key for key, mark in marks(bench).items() if mark is not None]


def test_a_row_that_left_is_marked_once_and_the_mark_is_kept(bench: Workbench) -> None:
    assert marked(bench) == []
    bench.db.execute("DELETE FROM t WHERE id = 3")
    assert bench.sync()["t"].rows_deleted == 1
    (first,) = [mark for mark in marks(bench).values() if mark is not None]
    assert bench.sync()["t"].merges == 0, "a marked row is not marked again"
    bench.db.execute("DELETE FROM t WHERE id = 4")
    assert bench.sync()["t"].rows_deleted == 1
    assert marked(bench) == [3, 4]
    assert marks(bench)[3] == first < marks(bench)[4]
    assert [row["v"] for row in bench.rows("t", "id")] == [f"v{n}" for n in range(10)]


@pytest.mark.parametrize("text", ["v3", "another"])
def test_a_row_that_is_back_loses_its_mark(bench: Workbench, text: str) -> None:
    for _ in range(2):
        bench.db.execute("DELETE FROM t WHERE id = 3")
        bench.sync()
        assert marked(bench) == [3]
        bench.db.execute("INSERT INTO t VALUES (3, ?)", (text,))
        assert bench.sync()["t"].rows_upserted == 1
        assert marked(bench) == []
    assert bench.rows("t", "id")[3]["v"] == text
    assert len(bench.rows("t", "id")) == 10


def test_a_mark_that_was_merged_and_not_noted_is_not_moved_by_the_next_merge(bench: Workbench) -> None:
    before = bench.state_path.read_bytes()
    bench.db.execute("DELETE FROM t WHERE id = 3")
    bench.sync()
    first = marks(bench)[3]
    bench.state_path.write_bytes(before)  # as a crash between the MERGE and the commit of the state leaves it
    assert bench.sync()["t"].error is None
    assert marks(bench)[3] == first
    assert bench.verify("t").rows_different == 0


def test_a_mark_that_is_set_again_keeps_its_time(hostile_bench: Workbench, hostile: HostileBigQuery) -> None:
    """Where the account may not list its jobs, an older copy of the state asks for a mark that stands already."""
    hostile_bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)")
    hostile_bench.configure(MARKED)
    hostile_bench.sync()
    before = hostile_bench.state_path.read_bytes()
    hostile_bench.db.execute("DELETE FROM t WHERE id = 3")
    hostile_bench.sync()
    first = marks(hostile_bench)
    hostile_bench.state_path.write_bytes(before)
    denied = hostile.rule(Method.OTHER_REST, DENIED, holding="/jobs")
    again = hostile_bench.sync()["t"]
    assert (again.error, again.rows_deleted, again.merges) == (None, 1, 1)
    assert denied.fired
    assert marks(hostile_bench) == first


@pytest.mark.parametrize("how", ["full", "lost"])
def test_a_marked_row_counts_as_absent_when_the_ledger_is_made_anew(bench: Workbench, how: str) -> None:
    bench.db.execute("DELETE FROM t WHERE id IN (3, 4)")
    bench.sync()
    before = marks(bench)
    if how == "lost":
        shutil.rmtree(bench.state_path.parent)
    outcome = bench.sync(full=how == "full")["t"]
    assert (outcome.error, outcome.rows_deleted, outcome.rows_upserted) == (None, 0, 8)
    assert marks(bench) == before
    bench.db.execute("INSERT INTO t VALUES (3, 'v3')")
    assert bench.sync()["t"].rows_upserted == 1
    assert marked(bench) == [4]


def test_what_is_marked_is_not_compared(bench: Workbench) -> None:
    bench.db.execute("DELETE FROM t WHERE id IN (3, 4)")
    bench.sync()
    outcome = bench.verify("t")
    assert (outcome.rows_source, outcome.rows_target, outcome.rows_different) == (8, 8, 0)
    bench.query("UPDATE {d}.t SET _bqsync_deleted_at = NULL WHERE id = 3")
    assert bench.verify("t").rows_different == 1, "a row that lost its mark is one too many"


def test_an_existing_target_gets_the_column(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    workbench.configure(DELETED)
    workbench.sync()
    assert MARK_COLUMN not in workbench.rows("t", "id")[0]
    workbench.configure(MARKED)
    workbench.db.execute("DELETE FROM t WHERE id = 2")
    with capture_logs() as lines:
        outcome = workbench.sync()["t"]
    assert [line["columns"] for line in lines if line["event"] == "target.altered"] == [[MARK_COLUMN]]
    assert (outcome.error, outcome.rows_deleted) == (None, 1)
    assert marked(workbench) == [2]
    assert workbench.verify("t").rows_different == 0


def test_from_marks_to_deletes_what_is_marked_goes(bench: Workbench) -> None:
    bench.db.execute("DELETE FROM t WHERE id IN (3, 4)")
    bench.sync()
    bench.configure(DELETED)
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_deleted) == (None, 2)
    assert [row["id"] for row in bench.rows("t", "id")] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert bench.verify("t").rows_different == 0
    assert bench.sync()["t"].merges == 0


def test_the_guard_counts_marks_as_it_counts_deletes(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY)",
                   ("INSERT INTO t VALUES (?)", [(n,) for n in range(1_500)]))
    workbench.configure(MARKED)
    workbench.sync()
    workbench.db.execute("DELETE FROM t WHERE id < 1100")
    assert (workbench.sync()["t"].error or {})["kind"] == "deletes_held_back"
    assert marked(workbench) == []
    assert workbench.sync(confirmed_deletes=1100)["t"].rows_deleted == 1100
    assert len(marked(workbench)) == 1100


def test_a_row_that_is_back_loses_its_mark_whatever_the_policy_is_by_then(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    workbench.configure(PLAIN + 'deletes = "mark"')
    workbench.sync()
    workbench.db.execute("DELETE FROM t WHERE id = 3")
    workbench.sync()
    workbench.db.execute("INSERT INTO t VALUES (3, 'again')")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    assert [row[MARK_COLUMN] for row in workbench.rows("t", "id")] == [None, None, None]
