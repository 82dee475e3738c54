"""A table whose entry in the configuration changes."""

from __future__ import annotations

import pytest
from tests.engine.application import PLAIN
from tests.evolution.steps import follows, refused, settles, synced
from tests.workbench import Workbench

from bqsync.model import MARK_COLUMN


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Five rows, delivered."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(n, f"v{n}") for n in range(5)]))
    workbench.configure(PLAIN)
    follows(workbench)
    return workbench


def test_another_target_is_filled_and_the_way_back_is_reconciled(bench: Workbench) -> None:
    bench.configure(PLAIN + 'target = "u"\n')
    bench.fill("DELETE FROM t WHERE id = 0; UPDATE t SET v = 'w' WHERE id = 1")
    assert synced(bench).rows_upserted == 4
    assert len(bench.rows("t", "id")) == 5, "what was the target is left as it was"
    bench.configure(PLAIN)
    assert follows(bench).rows_deleted == 1
    settles(bench)


def test_deletes_that_are_handled_otherwise_catch_up(bench: Workbench) -> None:
    """What was left out while they were ignored is made up for; marks become deletes, and no row loses its mark."""
    bench.configure(PLAIN + 'deletes = "ignore"\n')
    bench.fill("DELETE FROM t WHERE id = 0")
    assert (synced(bench).rows_deleted, len(bench.rows("t", "id"))) == (0, 5)
    bench.configure(PLAIN + 'deletes = "mark"\n')
    assert synced(bench).rows_deleted == 1
    assert [row["id"] for row in bench.rows("t", "id") if row[MARK_COLUMN]] == [0]
    bench.fill("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (0, 'back')")
    synced(bench)
    assert [row["id"] for row in bench.rows("t", "id") if row[MARK_COLUMN]] == [1]
    bench.configure(PLAIN)
    assert synced(bench).rows_deleted == 1
    assert [row["id"] for row in bench.rows("t", "id")] == [0, 2, 3, 4]
    settles(bench)


def test_a_mode_that_changes_keeps_what_stands_there(bench: Workbench) -> None:
    bench.configure(PLAIN + 'mode = "append"\n')
    bench.fill("DELETE FROM t WHERE id = 0; INSERT INTO t VALUES (9, 'new')")
    assert (synced(bench).rows_upserted, len(bench.rows("t", "id"))) == (1, 6)
    bench.configure(PLAIN)
    assert follows(bench).rows_deleted == 1
    settles(bench)


@pytest.mark.parametrize(("setting", "renamed"), [
    ('watermark = ["{}"]', "at"), ('types = {{ {} = "STRING" }}', "v"),
    ('timestamps = {{ {} = "unix_seconds" }}', "at"),
])
def test_a_setting_that_names_a_column_of_yesterday_is_told(workbench: Workbench, setting: str, renamed: str) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, at INTEGER);"
                   "INSERT INTO t VALUES (1, 'a', 1700000000)")
    workbench.configure(PLAIN + setting.format(renamed))
    synced(workbench)
    workbench.fill(f"ALTER TABLE t RENAME COLUMN {renamed} TO other")
    error = refused(workbench, "source_table_invalid")
    assert (f"'{renamed}'" in error["what"], f"`{setting.split(maxsplit=1)[0]}`" in error["fix"]) == (True, True)
    workbench.configure(PLAIN + setting.format("other"))
    follows(workbench)
    settles(workbench)
