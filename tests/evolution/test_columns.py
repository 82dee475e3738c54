"""Columns of the source come, go, change their names and places: the target follows, cell by cell, by itself."""

from __future__ import annotations

import pytest
from tests.engine.application import NOW, PLAIN, execute
from tests.engine.places import at_every_place, at_place
from tests.evolution.steps import fields, follows, refused, settles
from tests.workbench import Workbench

from bqsync.engine.schedule import SweepMode

TEN_MINUTES_US = 600_000_000
"""Longer than a small sweep has to rest, shorter than the interval of sweeps."""
WITH_WATERMARK = PLAIN + 'watermark = ["at"]\ntimestamps = { at = "unix_seconds" }\n'
REBUILT = ("CREATE TABLE new_t ({columns}){options}; INSERT INTO new_t ({names}) SELECT {names} FROM t;"
           "DROP TABLE t; ALTER TABLE new_t RENAME TO t; CREATE INDEX t_at ON t (at)")
LIFE = {
    "come": "ALTER TABLE t ADD COLUMN plain TEXT; ALTER TABLE t ADD COLUMN filled TEXT DEFAULT 'x';"
            "ALTER TABLE t ADD COLUMN n INTEGER NOT NULL DEFAULT 7;"
            "ALTER TABLE t ADD COLUMN twice INTEGER GENERATED ALWAYS AS (n * 2) VIRTUAL",
    "go": "UPDATE t SET plain = 'p' WHERE id < 3; ALTER TABLE t DROP COLUMN plain; ALTER TABLE t DROP COLUMN twice",
    "go and come again as they were":
        "ALTER TABLE t DROP COLUMN n; ALTER TABLE t ADD COLUMN n INTEGER NOT NULL DEFAULT 8",
    "take the name of one that went": "ALTER TABLE t RENAME COLUMN w TO plain",
    "take their own name back": "ALTER TABLE t RENAME COLUMN plain TO w",
    "swap their names": "ALTER TABLE t RENAME COLUMN v TO x; ALTER TABLE t RENAME COLUMN w TO v;"
                        "ALTER TABLE t RENAME COLUMN x TO w",
    "change the case of their names": "ALTER TABLE t RENAME COLUMN v TO V",
    "change places, and one is stored": REBUILT.format(
        columns="w TEXT, V TEXT, at INTEGER, n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 3) STORED, "
                "id INTEGER PRIMARY KEY", names="w, V, at, n, id", options=""),
    "are in a table without rowid": REBUILT.format(
        columns="w TEXT, V TEXT, at INTEGER, n INTEGER, id INTEGER PRIMARY KEY", names="w, V, at, n, id",
        options=" WITHOUT ROWID"),
    "are declared strictly": REBUILT.format(
        columns="id INTEGER PRIMARY KEY, at INTEGER, V TEXT, w TEXT, n INTEGER", names="w, V, at, n, id",
        options=" STRICT"),
}


def filled(bench: Workbench) -> None:
    """Five rows, four of which no watermark pass reads again."""
    bench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER, v TEXT, w TEXT); CREATE INDEX t_at ON t (at)",
               ("INSERT INTO t VALUES (?, ?, ?, ?)",
                [(n, NOW - (0 if n == 4 else 9000), f"v{n}", f"w{n}") for n in range(5)]))


@pytest.mark.parametrize("table", [WITH_WATERMARK + 'deletes = "mark"\n', PLAIN + 'mode = "append"\n'],
                         ids=["watermark and marks", "append"])
def test_columns_are_followed_whatever_becomes_of_them(workbench: Workbench, table: str) -> None:
    """As in a daemon: nothing is swept without a reason, and no timestamp tells of a change of the schema."""
    filled(workbench)
    workbench.configure(table)
    workbench.clock_us = NOW * 1_000_000
    follows(workbench, sweep=SweepMode.DUE)
    for what, script in LIFE.items():
        workbench.fill(script)
        workbench.clock_us += TEN_MINUTES_US
        outcome = follows(workbench, sweep=SweepMode.DUE)
        assert (outcome.swept, outcome.rows_deleted) == (True, 0), what
    settles(workbench)
    assert {mode for _, _, mode in fields(workbench)} == {"NULLABLE"}


def test_a_column_that_comes_while_a_sweep_is_under_way_arrives(workbench: Workbench) -> None:
    """And a writer beside it: whatever page the change falls into."""
    filled(workbench)
    workbench.configure(PLAIN, sync="page_rows = 1")
    follows(workbench)
    changes = iter([
        "ALTER TABLE t ADD COLUMN extra TEXT DEFAULT 'x'", "UPDATE t SET extra = 'y', v = 'z' WHERE id = 1",
        "ALTER TABLE t RENAME COLUMN extra TO more", "INSERT INTO t (id, more) VALUES (9, 'new')",
    ])
    with at_every_place("sweep.page_read", lambda: execute(workbench, next(changes, "SELECT 1"))):
        workbench.sync()
    follows(workbench)
    settles(workbench)


def test_a_change_between_the_append_and_the_merge_is_followed_by_the_next_cycle(workbench: Workbench) -> None:
    filled(workbench)
    workbench.configure(PLAIN)
    with at_place("chunk.appended", lambda: execute(workbench, "ALTER TABLE t RENAME COLUMN v TO x")):
        error = workbench.sync()["t"].error
    assert (error or {}).get("kind") in (None, "source_changed")
    follows(workbench)
    settles(workbench)


def test_a_virtual_table_is_refused_and_its_copy_is_not(workbench: Workbench) -> None:
    """No key of it lasts, and each page of it by a key of the configuration would be a walk over all of it."""
    workbench.fill("CREATE VIRTUAL TABLE t USING fts5(id UNINDEXED, body);"
                   "INSERT INTO t VALUES ('a', 'one'), ('b', 'two')")
    workbench.configure(PLAIN + 'key = ["id"]\n')
    assert "virtual" in refused(workbench, "source_table_invalid")["what"]
    workbench.fill("CREATE TABLE copy_t (id TEXT NOT NULL PRIMARY KEY, body TEXT); INSERT INTO copy_t SELECT * FROM t;"
                   "DROP TABLE t; ALTER TABLE copy_t RENAME TO t")
    follows(workbench)
    assert [name for name, _, _ in fields(workbench)] == ["id", "body"]
