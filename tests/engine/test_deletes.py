"""Rows that left the source leave the target, unless that looks like an accident."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from structlog.testing import capture_logs
from tests.engine.application import PLAIN, execute, ids
from tests.engine.places import at_every_place, at_place
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


def fill_three(bench: Workbench, rows: int = 10, *, sync: str = "") -> None:
    """Tables a, b and c, delivered."""
    for name in "abc":
        bench.fill(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v TEXT)",
                   (f"INSERT INTO {name} VALUES (?, 'v')", [(n,) for n in range(rows)]))
    bench.configure("".join(f'[[tables]]\nname = "{name}"\n' for name in "abc"), sync=sync)
    assert all(outcome.rows_upserted == rows for outcome in bench.sync().values())


def test_one_small_table_may_lose_most_of_its_rows_and_several_at_once_may_not(workbench: Workbench) -> None:
    fill_three(workbench)
    workbench.fill("DELETE FROM a; INSERT INTO a VALUES (77, 'new'); DELETE FROM c WHERE id < 5")
    alone = workbench.sync()
    assert {name: (kind(outcome), outcome.rows_deleted) for name, outcome in alone.items()} == {
        "a": (None, 10), "b": (None, 0), "c": (None, 5),
    }, "half of a table is no reason to ask"
    workbench.fill("DELETE FROM b WHERE id < 6; DELETE FROM c; INSERT INTO c VALUES (88, 'new')")
    with capture_logs() as lines:
        together = workbench.sync()
    assert {name: (kind(outcome), outcome.deletes_deferred) for name, outcome in together.items()} == {
        "a": (None, 0), "b": ("deletes_held_back", 6), "c": ("deletes_held_back", 5),
    }
    held = [line for line in lines if line["event"] == "deletes.held_back"]
    assert [(line["table"], line["deletes"]) for line in held] == [("b", 6), ("c", 5)]
    assert all("b, c" in line["why"] for line in held)
    assert [count(workbench, name) for name in "abc"] == [1, 10, 6], "inserts arrive, nothing is deleted"
    assert kind(workbench.sync("c", confirmed_deletes=5)["c"]) is None
    assert kind(workbench.sync()["b"]) == "deletes_held_back", "what was confirmed for one is not for the other"
    assert kind(workbench.sync("b", confirmed_deletes=6)["b"]) is None
    workbench.fill("DELETE FROM b WHERE id < 9")
    assert kind(workbench.sync()["b"]) is None, "the suspicion is over"
    assert [count(workbench, name) for name in "abc"] == [1, 1, 1]


def test_a_large_table_that_waits_for_its_operator_counts_among_those_that_lost_much(workbench: Workbench) -> None:
    fill_three(workbench, 1500)
    workbench.fill("DELETE FROM a WHERE id < 1100; DELETE FROM b WHERE id < 800")
    outcomes = workbench.sync()
    assert [kind(outcomes[name]) for name in "abc"] == ["deletes_held_back", "deletes_held_back", None]
    assert [count(workbench, name) for name in "abc"] == [1500, 1500, 1500]


def replace_file(bench: Workbench, script: str, *, in_place: bool = False) -> None:
    """Another database under the same name; or an older copy written into the very same file."""
    other = bench.folder / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript(script)
    bench.db.close()
    if in_place:
        shutil.copyfile(other, bench.db_path)
    else:
        os.replace(other, bench.db_path)
    bench.db = sqlite3.connect(bench.db_path, isolation_level=None)


FEW_ROWS = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (0, 'v0'), (1, 'changed');"


@pytest.mark.parametrize("in_place", [False, True], ids=["replaced", "overwritten by an older copy"])
def test_another_file_under_the_same_name_deletes_little_unasked(workbench: Workbench, *, in_place: bool) -> None:
    fill(workbench, 10)
    workbench.fill("CREATE TABLE later (x); INSERT INTO later VALUES (1); DROP TABLE later")  # so that it is the newer
    workbench.sync()
    replace_file(workbench, FEW_ROWS, in_place=in_place)
    with capture_logs() as lines:
        outcome = workbench.sync()["t"]
    assert [line["why"] for line in lines if line["event"] == "source.replaced"] == [
        "its contents are older than before" if in_place else "another file stands in its place"]
    assert (kind(outcome), outcome.rows_upserted, count(workbench)) == ("deletes_held_back", 1, 10)
    assert "of the database file" in str(outcome.error)
    assert kind(workbench.sync()["t"]) == "deletes_held_back", "it stays suspect until somebody looked"
    assert workbench.sync(confirmed_deletes=8)["t"].rows_deleted == 8
    workbench.db.execute("DELETE FROM t")
    assert (kind(workbench.sync()["t"]), count(workbench)) == (None, 0), "and is not suspect any more"


def test_a_replaced_file_that_lacks_few_rows_is_synced_unasked(workbench: Workbench) -> None:
    fill(workbench, 3)
    replace_file(workbench, FEW_ROWS)
    outcome = workbench.sync()["t"]
    assert (kind(outcome), outcome.rows_upserted, outcome.rows_deleted, count(workbench)) == (None, 1, 1, 2)


def test_a_sweep_that_is_told_to_stop_deletes_nothing(workbench: Workbench) -> None:
    fill(workbench, 10, sync="page_rows = 2")
    workbench.fill("DELETE FROM t WHERE id IN (0, 5, 9); UPDATE t SET v = 'new' WHERE id = 1")
    with at_place("sweep.page_read", workbench.stop.set):
        stopped = workbench.sync()["t"]
    assert (kind(stopped), stopped.swept, stopped.rows_deleted, count(workbench)) == (None, False, 0, 10)
    workbench.stop.clear()
    again = workbench.sync()["t"]
    assert (again.swept, again.rows_deleted, count(workbench)) == (True, 3, 7)


@pytest.mark.parametrize("place", ["sweep.page_read", "sweep.walked", "deletes.looked_up", "chunk.appended"])
def test_a_sweep_that_breaks_off_deletes_nothing(workbench: Workbench, place: str) -> None:
    fill(workbench, 10, sync="page_rows = 2")
    workbench.db.execute("DELETE FROM t WHERE id IN (0, 5, 9)")
    with at_place(place, lambda: 1 // 0):
        broken = workbench.sync()["t"]
    assert (kind(broken), broken.rows_deleted, count(workbench)) == ("internal", 0, 10)
    assert workbench.sync()["t"].rows_deleted == 3


def test_a_row_that_is_back_before_the_last_look_is_not_deleted(workbench: Workbench) -> None:
    fill(workbench, 10)
    workbench.db.execute("DELETE FROM t WHERE id IN (3, 4)")

    def come_back() -> None:
        with closing(sqlite3.connect(workbench.db_path)) as writer, writer:
            writer.execute("INSERT INTO t VALUES (3, 'v3')")

    with at_place("sweep.walked", come_back):
        assert workbench.sync()["t"].rows_deleted == 1
    assert [row["id"] for row in workbench.rows("t", "id")] == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_a_row_that_vacuum_hides_from_a_sweep_is_not_deleted_after_a_reconcile(workbench: Workbench) -> None:
    """A ledger that was made from the target knows the text '40', where the source has the number."""
    workbench.fill("CREATE TABLE t (code INTEGER, v TEXT)",
                   ("INSERT INTO t (rowid, code, v) VALUES (?, ?, ?)", [(10 * n, n, f"v{n}") for n in range(1, 11)]))
    workbench.configure(PLAIN + 'key = ["code"]\ntypes = { code = "STRING" }', sync="page_rows = 6")
    assert workbench.sync()["t"].error is None
    workbench.lose_state()
    with at_place("sweep.page_read", lambda: execute(workbench, "VACUUM")):
        assert workbench.sync()["t"].error is None
    assert len(workbench.rows("t", "code")) == 10


def test_a_row_behind_the_cursor_of_a_sweep_is_no_delete_after_a_reconcile(workbench: Workbench) -> None:
    """The same with a declared key: a row that came back behind the cursor."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"v{n}") for n in range(10)]))
    workbench.configure(PLAIN + 'types = { id = "STRING" }', sync="page_rows = 3")
    assert workbench.sync()["t"].error is None
    workbench.lose_state()
    workbench.db.execute("DELETE FROM t WHERE id = 1")
    with at_place("sweep.page_read", lambda: execute(workbench, "INSERT INTO t VALUES (1, 'v1')"), time=2):
        assert workbench.sync()["t"].error is None
    assert ids(workbench) == [str(n) for n in range(10)]


@pytest.mark.parametrize(("unique", "reads"), [("", 10), ("CREATE UNIQUE INDEX t_code ON t (code)", 1)])
def test_keys_that_nothing_keeps_unique_are_looked_up_a_few_at_a_time(
    workbench: Workbench, unique: str, reads: int,
) -> None:
    """There may be no index, and then every look is a scan of the table: 200 of them are no short transaction."""
    workbench.fill(f"CREATE TABLE t (code INTEGER, v TEXT); {unique}",
                   ("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(500)]))
    workbench.configure(PLAIN + 'key = ["code"]')
    assert workbench.sync()["t"].error is None
    workbench.db.execute("DELETE FROM t WHERE code < 200")
    looks: list[int] = []
    with at_every_place("deletes.looked_up", lambda: looks.append(1)):
        assert workbench.sync()["t"].rows_deleted == 200
    assert len(looks) == reads


def test_a_full_sync_is_not_done_twice_for_its_deletes(workbench: Workbench) -> None:
    """Deletes that waited for the other tables are found by a second sweep, which trusts what the first has sent."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, 'x')", [(n,) for n in range(10)]))
    workbench.configure(PLAIN)
    workbench.sync()
    workbench.db.execute("DELETE FROM t WHERE id > 1")
    outcome = workbench.sync(full=True)["t"]
    assert (outcome.error, outcome.rows_deleted, outcome.rows_upserted) == (None, 8, 2)


def test_a_file_that_is_swapped_during_a_sweep_holds_its_deletes_back(workbench: Workbench) -> None:
    """The file is looked at once more before absences count."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"text {n}") for n in range(20)]))
    workbench.configure(PLAIN, sync="page_rows = 2")
    assert workbench.sync()["t"].error is None
    other = workbench.folder / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    with at_place("sweep.page_read", lambda: other.replace(workbench.db_path), time=2):
        outcome = workbench.sync()["t"]
    assert outcome.rows_deleted == 0
    assert len(ids(workbench)) == 20
