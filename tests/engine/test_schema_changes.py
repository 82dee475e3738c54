"""A source whose columns or key change keeps its target equal."""

from __future__ import annotations

import pytest
from google.cloud import bigquery
from tests.engine.application import PLAIN
from tests.workbench import Workbench

from bqsync.engine.schedule import SweepMode

TABLE = '[[tables]]\nname = "t"\n'
TEN_MINUTES_US = 600_000_000
"""Longer than a small sweep has to rest, shorter than the interval of sweeps."""


def test_a_dropped_column_stays_and_goes_null(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL)")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("ALTER TABLE t DROP COLUMN note; INSERT INTO t VALUES (3)")
    outcome = workbench.sync()["t"]
    assert outcome.error is None
    assert outcome.rows_upserted == 2, "the row that had a value, and the new one"
    assert workbench.rows("t", "id") == [{"id": number, "note": None} for number in (1, 2, 3)]
    assert workbench.sync()["t"].merges == 0


def test_a_renamed_column_moves_its_values(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.fill("ALTER TABLE t RENAME COLUMN note TO remark")
    workbench.sync()
    assert workbench.rows("t", "id") == [
        {"id": 1, "note": None, "remark": "x"}, {"id": 2, "note": None, "remark": "y"},
    ]


def test_a_column_of_the_target_that_was_never_ours_is_left_alone(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO t VALUES (1, 'x')")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.query("ALTER TABLE {d}.t ADD COLUMN verdict STRING")
    workbench.query("UPDATE {d}.t SET verdict = 'good' WHERE id = 1")
    workbench.fill("UPDATE t SET note = 'z'")
    workbench.sync()
    assert workbench.query("SELECT note, verdict FROM {d}.t") == [{"note": "z", "verdict": "good"}]


@pytest.mark.parametrize("is_state_lost", [False, True])
def test_a_column_that_comes_to_be_the_sources_holds_what_the_source_has(
    workbench: Workbench, is_state_lost: bool,
) -> None:
    """Somebody has filled it, or a state that was lost: to the ledger, a row without it is one that is NULL in it."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    workbench.configure(TABLE)
    workbench.sync()
    if is_state_lost:
        workbench.fill("ALTER TABLE t ADD COLUMN verdict TEXT DEFAULT 'good'")
        workbench.sync()
        workbench.fill("ALTER TABLE t DROP COLUMN verdict")
        workbench.lose_state()
        workbench.sync()
    else:
        workbench.query("ALTER TABLE {d}.t ADD COLUMN verdict STRING")
        there = workbench.rest.get_table(f"{workbench.dataset}.t")
        there.schema = [*there.schema, bigquery.SchemaField("verdict", "STRING")]
        workbench.rest.update_table(there, ["schema"])
        workbench.query("UPDATE {d}.t SET verdict = 'good' WHERE TRUE")
    workbench.fill("ALTER TABLE t ADD COLUMN verdict TEXT; UPDATE t SET verdict = 'bad' WHERE id = 2")
    assert workbench.sync()["t"].error is None
    assert [row["verdict"] for row in workbench.rows("t", "id")] == [None, "bad"]
    assert workbench.verify("t").rows_different == 0
    assert workbench.sync()["t"].merges == 0


def test_another_key_is_reconciled_with_the_target(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, n INTEGER);"
                   "INSERT INTO t VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30)")
    workbench.configure(TABLE)
    workbench.sync()
    workbench.configure(TABLE + 'key = ["code"]\n')
    workbench.fill("DELETE FROM t WHERE id = 3; UPDATE t SET n = 21 WHERE id = 2")
    outcome = workbench.sync()["t"]
    assert outcome.error is None
    assert workbench.rows("t", "id") == [{"id": 1, "code": "a", "n": 10}, {"id": 2, "code": "b", "n": 21}]
    assert workbench.verify("t").rows_different == 0


def test_rows_that_share_a_configured_key_collide_and_none_is_lost_in_silence(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (k TEXT, n INTEGER); INSERT INTO t VALUES ('a', 1), ('a', 2), ('b', 3)")
    workbench.configure(TABLE + 'key = ["k"]\n', sync="page_rows = 1")
    outcome = workbench.sync()["t"]
    assert (outcome.rows_upserted, outcome.quarantine_total) == (2, 1)


@pytest.mark.parametrize("page_rows", [1, 100])
def test_cells_that_mean_something_else_under_another_mapping_are_sent_again(
    workbench: Workbench, page_rows: int,
) -> None:
    """Not one byte of the source has changed: what was seen before must not pass for delivered."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT, at TEXT);"
                   "INSERT INTO t VALUES (1, NULL, '2024-07-01 12:00:00'), (2, 'x', '2024-07-01T12:00:00Z')")
    table = TABLE + 'timestamps = { at = "iso8601" }\n'
    workbench.configure(table, sync=f"page_rows = {page_rows}")
    workbench.clock_us = 1_750_000_000_000_000
    workbench.sync()
    workbench.clock_us += TEN_MINUTES_US
    workbench.configure(table + 'null_values = "zero"\n', sync=f"page_rows = {page_rows}")
    assert workbench.sync(sweep=SweepMode.DUE)["t"].rows_upserted == 1
    assert workbench.rows("t", "id")[0]["note"] == ""
    workbench.clock_us += TEN_MINUTES_US
    path = workbench.config_path
    path.write_text(path.read_text().replace('db = "app.db"', 'db = "app.db"\ntime_zone = "Europe/Berlin"'))
    assert workbench.sync(sweep=SweepMode.DUE)["t"].rows_upserted == 1
    assert [row["at"].hour for row in workbench.rows("t", "id")] == [10, 12]
    assert workbench.verify("t").rows_different == 0


def test_another_zone_moves_the_keys_and_nothing_collides_with_itself(workbench: Workbench) -> None:
    """Where the meaning of a key changes, the target's keys are read anew."""
    workbench.fill("CREATE TABLE t (at TEXT PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(f"2024-03-01T{n:02}:00:00", f"v{n}") for n in range(10)]))
    table = PLAIN + 'timestamps = { at = "iso8601" }'
    workbench.configure(table)
    assert workbench.sync()["t"].error is None
    workbench.config_path.write_text(
        workbench.config_path.read_text().replace('db = "app.db"', 'db = "app.db"\ntime_zone = "Europe/Berlin"'))
    for _ in range(3):
        assert workbench.sync()["t"].error is None
    assert workbench.quarantine() == []
    assert workbench.verify("t").rows_different == 0


def test_a_key_that_was_renamed_is_named_in_the_error(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    workbench.db.execute("ALTER TABLE t RENAME COLUMN id TO pk")
    error = workbench.sync()["t"].error or {}
    assert "somebody else" not in error.get("fix", ""), error
