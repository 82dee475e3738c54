"""Rows that left the source leave the target, unless that looks like an accident."""

from __future__ import annotations

import pytest
from tests.workbench import Workbench

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import CycleOutcome


def fill(bench: Workbench, rows: int, *, settings: str = "", sync: str = "") -> None:
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
               ("INSERT INTO t VALUES (?, ?)", [(n, f"v{n}") for n in range(rows)]))
    bench.configure(f'[[tables]]\nname = "t"\n{settings}', sync=sync)
    assert bench.sync()["t"].rows_upserted == rows


def count(bench: Workbench, table: str = "t") -> int:
    (row,) = bench.query(f"SELECT COUNT(*) AS n FROM {{d}}.`{table}`")
    return int(row["n"])


def kind(outcome: CycleOutcome) -> str | None:
    return None if outcome.error is None else outcome.error["kind"]


@pytest.mark.parametrize("sync", ["", "page_rows = 1\nchunk_rows = 2"])
def test_deleted_rows_leave_the_target_whatever_the_bounds(workbench: Workbench, sync: str) -> None:
    fill(workbench, 7, sync=sync)
    workbench.db.execute("DELETE FROM t WHERE id IN (0, 3, 4, 6)")
    assert workbench.sync()["t"].rows_deleted == 4
    assert [row["id"] for row in workbench.rows("t", "id")] == [1, 2, 5]


def test_a_changed_key_is_a_delete_and_an_insert(workbench: Workbench) -> None:
    fill(workbench, 3)
    workbench.db.execute("UPDATE t SET id = 77 WHERE id = 1")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_deleted, outcome.rows_upserted) == (1, 1)
    assert [row["id"] for row in workbench.rows("t", "id")] == [0, 2, 77]


@pytest.mark.parametrize("text", ["v1", "something else"])
def test_a_deleted_row_that_comes_back_is_delivered_again(workbench: Workbench, text: str) -> None:
    fill(workbench, 3)
    for _ in range(2):
        workbench.db.execute("DELETE FROM t WHERE id = 1")
        assert workbench.sync()["t"].rows_deleted == 1
        workbench.db.execute("INSERT INTO t VALUES (1, ?)", (text,))
        assert workbench.sync()["t"].rows_upserted == 1
    assert [row["v"] for row in workbench.rows("t", "id")] == ["v0", text, "v2"]


def test_a_row_deleted_and_inserted_between_two_cycles_is_an_update(workbench: Workbench) -> None:
    fill(workbench, 3)
    workbench.fill("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'new')")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_deleted, outcome.rows_upserted, count(workbench)) == (0, 1, 3)


def test_with_deletes_ignored_the_target_keeps_what_the_source_lost(workbench: Workbench) -> None:
    fill(workbench, 3, settings='deletes = "ignore"')
    workbench.db.execute("DELETE FROM t WHERE id > 0")
    outcome = workbench.sync()["t"]
    assert (kind(outcome), outcome.rows_deleted, outcome.merges, count(workbench)) == (None, 0, 0, 3)
    assert workbench.verify("t").rows_different == 0
    workbench.fill("INSERT INTO t VALUES (1, 'v1'); INSERT INTO t VALUES (2, 'changed')")
    assert workbench.sync()["t"].rows_upserted == 1, "the one that came back unchanged is there already"
    assert [row["v"] for row in workbench.rows("t", "id")] == ["v0", "v1", "changed"]


def test_a_small_table_may_be_emptied(workbench: Workbench) -> None:
    fill(workbench, 1000)
    workbench.db.execute("DELETE FROM t")
    outcome = workbench.sync()["t"]
    assert (kind(outcome), outcome.rows_deleted, count(workbench)) == (None, 1000, 0)


def test_a_large_part_of_a_large_table_waits_for_a_confirmation(workbench: Workbench) -> None:
    fill(workbench, 2100)
    workbench.fill("DELETE FROM t WHERE id < 1100; INSERT INTO t VALUES (9999, 'new')")
    held = workbench.sync()["t"]
    assert kind(held) == "deletes_held_back"
    assert held.error is not None
    assert "--confirm-deletes 1100" in held.error["fix"]
    assert count(workbench) == 2101, "inserts arrive, nothing is deleted"
    assert kind(workbench.sync()["t"]) == "deletes_held_back"
    assert kind(workbench.sync(confirmed_deletes=1099)["t"]) == "deletes_held_back"
    assert count(workbench) == 2101

    confirmed = workbench.sync(confirmed_deletes=1100)["t"]
    assert (kind(confirmed), confirmed.rows_deleted, count(workbench)) == (None, 1100, 1001)


@pytest.mark.parametrize(("fraction", "verdict"), [("0.5", None), ("0.4", "deletes_held_back")])
def test_the_guarded_fraction_is_configured(workbench: Workbench, fraction: str, verdict: str | None) -> None:
    fill(workbench, 2500, sync=f"max_delete_fraction = {fraction}")
    workbench.db.execute("DELETE FROM t WHERE id < 1100")
    assert kind(workbench.sync()["t"]) == verdict


def test_a_missing_table_deletes_nothing(workbench: Workbench) -> None:
    fill(workbench, 3)
    workbench.db.execute("DROP TABLE t")
    assert kind(workbench.sync()["t"]) == "source_table_invalid"
    assert count(workbench) == 3


@pytest.mark.parametrize(("damage", "expected"), [
    ("missing", ErrorKind.SOURCE_MISSING), ("empty", ErrorKind.SOURCE_EMPTY),
    ("another file", ErrorKind.SOURCE_NOT_A_DATABASE),
])
def test_a_file_that_is_no_database_deletes_nothing(workbench: Workbench, damage: str, expected: ErrorKind) -> None:
    fill(workbench, 3)
    workbench.db.close()
    workbench.db_path.unlink()
    if damage != "missing":
        workbench.db_path.write_bytes(b"" if damage == "empty" else b"no database " * 100)
    try:
        found: str | None = kind(workbench.sync()["t"])
    except BqsyncError as error:
        found = error.kind.value
    assert (found, count(workbench)) == (expected.value, 3)
