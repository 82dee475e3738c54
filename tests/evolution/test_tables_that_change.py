"""A table that goes, comes again, or is another one under its name."""

from __future__ import annotations

import pytest
from tests.engine.application import PLAIN
from tests.evolution.steps import fields, follows, refused, settles, synced
from tests.workbench import Workbench

CREATE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
LOG = '[[tables]]\nname = "t"\nmode = "append"\n'


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Ten rows, delivered."""
    workbench.fill(CREATE, ("INSERT INTO t VALUES (?, ?)", [(n, f"v{n}") for n in range(10)]))
    workbench.configure(PLAIN)
    synced(workbench)
    return workbench


def test_a_table_that_is_dropped_stops_and_goes_on_as_what_it_is_then(bench: Workbench) -> None:
    """Without it nothing is deleted. It may come with other rows, other columns, another key: those are followed."""
    bench.fill("DROP TABLE t")
    assert "create the table" in refused(bench, "source_table_invalid")["fix"]
    assert len(bench.rows("t", "id")) == 10
    bench.fill(f"{CREATE}; INSERT INTO t VALUES (3, 'v3'), (4, 'other'), (11, 'new')")
    outcome = follows(bench)
    assert (outcome.rows_upserted, outcome.rows_deleted) == (2, 8)
    bench.fill("DROP TABLE t; CREATE TABLE t (w REAL, v TEXT, id INTEGER, PRIMARY KEY (v, id)) WITHOUT ROWID;"
               "INSERT INTO t VALUES (0.5, 'v3', 3), (1.5, 'v3', 5)")
    outcome = follows(bench)
    assert (outcome.rows_upserted, outcome.rows_deleted) == (2, 2)
    settles(bench)


def test_a_table_of_another_kind_under_its_name_is_refused(bench: Workbench) -> None:
    bench.fill("ALTER TABLE t RENAME TO hidden; CREATE VIEW t AS SELECT * FROM hidden")
    assert "is a view" in refused(bench, "source_table_invalid")["what"]
    assert len(bench.rows("t", "id")) == 10
    bench.fill("DROP VIEW t; ALTER TABLE hidden RENAME TO t")
    assert follows(bench).rows_upserted == 0


def test_a_table_that_is_renamed_goes_on_into_its_target_under_the_new_name(bench: Workbench) -> None:
    """The fix names the entry. The target is known by its label: its keys are read, and its rows compared anew."""
    bench.fill("ALTER TABLE t RENAME TO moved; UPDATE moved SET v = 'w' WHERE id = 1; DELETE FROM moved WHERE id = 2")
    assert "[[tables]]" in refused(bench, "source_table_invalid")["fix"]
    bench.configure('[[tables]]\nname = "moved"\ntarget = "t"\n')
    outcome = bench.sync()["moved"]
    assert (outcome.error, outcome.rows_deleted) == (None, 1)
    assert [tuple(row.values()) for row in bench.rows("t", "id")] == bench.db.execute("SELECT * FROM moved").fetchall()
    assert bench.sync()["moved"].merges == 0


def test_a_table_without_a_key_stops_when_its_columns_change_and_the_fixes_lead_on(workbench: Workbench) -> None:
    """Its rows are known by their contents: under others, each would stand there twice. New columns are followed."""
    workbench.fill("CREATE TABLE t (id INTEGER, v TEXT); INSERT INTO t VALUES (1, 'a'), (1, 'a'), (2, 'b')")
    workbench.configure(LOG)
    synced(workbench)
    workbench.fill("ALTER TABLE t ADD COLUMN extra TEXT DEFAULT 'x'")
    synced(workbench)
    assert {row["extra"] for row in workbench.rows("t", "id")} == {"x"}
    for change, back in (
        ("RENAME COLUMN v TO w", "ALTER TABLE t RENAME COLUMN w TO v"),
        ("DROP COLUMN v", ("DROP TABLE t; CREATE TABLE t (id INTEGER, v TEXT, extra TEXT DEFAULT 'x');"
                           "INSERT INTO t (id, v) VALUES (1, 'a'), (1, 'a'), (2, 'b')")),
    ):
        workbench.fill(f"ALTER TABLE t {change}")
        assert "put the column back" in refused(workbench)["fix"]
        assert len(workbench.rows("t", "id")) == 3
        workbench.fill(back)
        assert synced(workbench).rows_upserted == 0, "put back, it goes on"
    workbench.fill("DELETE FROM t WHERE id = 2; ALTER TABLE t RENAME COLUMN v TO w")
    assert "choose another `target`" in refused(workbench)["fix"]
    workbench.configure(LOG + 'target = "t2"\n')
    synced(workbench)
    assert (len(workbench.rows("t", "id")), len(workbench.rows("t2", "id"))) == (3, 2), "what was pruned stands there"
    settles(workbench)


def test_a_column_without_a_key_that_is_declared_anew_is_told_before_a_type_is_widened(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER, n INTEGER); INSERT INTO t VALUES (1, 5)")
    workbench.configure(LOG)
    synced(workbench)
    before = fields(workbench)
    workbench.fill("DROP TABLE t; CREATE TABLE t (id INTEGER, n REAL); INSERT INTO t VALUES (1, 5)")
    assert "columns have changed" in refused(workbench)["what"]
    assert fields(workbench) == before
    workbench.query("DROP TABLE {d}.t")
    synced(workbench)
    settles(workbench)
