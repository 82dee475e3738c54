"""A key that changes: the target is read by the new one, or the table stops before a row stands there twice."""

from __future__ import annotations

import pytest
from tests.engine.application import PLAIN
from tests.evolution.steps import alter, follows, refused, settles, synced
from tests.workbench import Workbench

ROWS = "(1, 'a', 10), (2, 'a', 20), (3, 'b', 30)"


def keyed(bench: Workbench, key: str, *, values: str = "", options: str = "") -> None:
    """The table with another key, and with other rows if such are given."""
    bench.fill(f"CREATE TABLE new_t (id INTEGER NOT NULL, code TEXT NOT NULL, n INTEGER, PRIMARY KEY ({key})){options};"
               + (f"INSERT INTO new_t VALUES {values};" if values else "INSERT INTO new_t SELECT * FROM t;")
               + "DROP TABLE IF EXISTS t; ALTER TABLE new_t RENAME TO t")


def primary_key(bench: Workbench) -> set[str]:
    """What the target says of itself."""
    constraints = bench.rest.get_table(f"{bench.dataset}.t").table_constraints
    return set(constraints.primary_key.columns) if constraints and constraints.primary_key else set()


@pytest.mark.parametrize("table", [PLAIN, PLAIN + 'deletes = "mark"\n'], ids=["delete", "mark"])
def test_a_key_that_grows_shrinks_and_moves_is_followed(workbench: Workbench, table: str) -> None:
    """Each time the target's keys are read anew; what changes and goes meanwhile is found by the new key."""
    kept = ("_bqsync_deleted_at",)
    keyed(workbench, "id", values=ROWS)
    workbench.configure(table)
    follows(workbench, kept=kept)
    for key, change in (
        ("id, code", "UPDATE t SET n = 21 WHERE id = 2; INSERT INTO t VALUES (3, 'c', 31)"),
        ("code, id", "UPDATE t SET n = 32 WHERE code = 'c'"),
        ("n", "UPDATE t SET code = 'd' WHERE n = 21"),
    ):
        keyed(workbench, key)
        workbench.fill(change)
        assert synced(workbench).rows_deleted == 0, key
        assert primary_key(workbench) == set(key.split(", ")), "BigQuery believes it"
        assert workbench.verify("t").rows_different == 0, key
        assert sorted(row["n"] for row in workbench.rows("t", "n")) == sorted(
            n for (n,) in workbench.db.execute("SELECT n FROM t")), key
    keyed(workbench, "n", options=" WITHOUT ROWID")
    workbench.fill("DELETE FROM t WHERE n = 32")
    assert synced(workbench).rows_deleted == 1
    settles(workbench)


def test_rows_that_have_one_key_by_now_stop_the_table_and_the_fix_leads_on(workbench: Workbench) -> None:
    """Of (1, 'a') and (1, 'b') one is left under the shorter key: which of those there it is, nobody can tell."""
    keyed(workbench, "id, code", values="(1, 'a', 10), (1, 'b', 11), (2, 'a', 20)")
    workbench.configure(PLAIN)
    synced(workbench)
    keyed(workbench, "id", values="(1, 'b', 11), (2, 'a', 20)")
    error = refused(workbench)
    assert "1 rows have the key of another row" in error["why"]
    assert len(workbench.rows("t", "n")) == 3
    alter(workbench, error["fix"])
    follows(workbench)
    settles(workbench)


def test_a_key_column_that_is_renamed_stops_the_table_and_the_fix_leads_on(workbench: Workbench) -> None:
    """BigQuery renames no column of a key: what is told has to be what it does."""
    workbench.fill("CREATE TABLE t (pk INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    workbench.configure(PLAIN)
    synced(workbench)
    workbench.fill("ALTER TABLE t RENAME COLUMN pk TO id")
    error = refused(workbench)
    assert "RENAME COLUMN" not in error["fix"]
    assert [row["pk"] for row in workbench.rows("t", "pk")] == [1, 2]
    alter(workbench, error["fix"])
    follows(workbench)
    settles(workbench)


def test_a_key_of_another_type_stops_the_table_and_the_fix_leads_on(workbench: Workbench) -> None:
    """No column can take its place: BigQuery neither drops nor renames one of the key."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    workbench.configure(PLAIN)
    synced(workbench)
    workbench.fill("CREATE TABLE new_t (id TEXT PRIMARY KEY, v TEXT); INSERT INTO new_t SELECT * FROM t; DROP TABLE t;"
                   "ALTER TABLE new_t RENAME TO t; INSERT INTO t VALUES ('x', 'c')")
    error = refused(workbench)
    assert 'types = { id = "INT64" }' in error["fix"]
    alter(workbench, error["fix"])
    follows(workbench)
    settles(workbench)


def test_a_configured_key_is_followed_and_one_whose_column_is_renamed_is_told(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER, code TEXT, n INTEGER);"
                   f"INSERT INTO t VALUES {ROWS}")
    workbench.configure(PLAIN + 'key = ["id"]\n')
    follows(workbench)
    workbench.configure(PLAIN + 'key = ["n", "id"]\n')
    workbench.fill("UPDATE t SET code = 'z' WHERE id = 1; DELETE FROM t WHERE id = 2")
    assert follows(workbench).rows_deleted == 1
    workbench.fill("ALTER TABLE t RENAME COLUMN n TO m")
    error = refused(workbench, "source_table_invalid")
    assert ("'n'" in error["what"], "`key`" in error["fix"]) == (True, True)
    assert len(workbench.rows("t", "id")) == 2
    workbench.configure(PLAIN + 'key = ["id"]\n')
    follows(workbench)
    settles(workbench)
