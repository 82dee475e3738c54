"""A target of ours gets the wider type that its mapping has, where BigQuery can do that and no value is altered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from google.cloud import bigquery
from tests.engine.application import PLAIN
from tests.evolution.steps import alter, fields, make_target, refused, synced
from tests.workbench import Workbench, run_command

MAX = 2**63 - 1


def test_integers_become_decimals_without_a_loss_and_every_row_goes_again(workbench: Workbench) -> None:
    """A key too: the ledger's keys are read anew, and nothing is deleted or stands there twice."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(1, MAX), (2, -MAX - 1), (3, None)]))
    workbench.configure(PLAIN)
    synced(workbench)
    workbench.fill("UPDATE t SET n = 9223372036854775807 + 1 WHERE id = 3")
    assert synced(workbench).quarantine_total == 1, "2^63 is no INT64"
    workbench.configure(PLAIN + 'types = { id = "NUMERIC", n = "NUMERIC" }')
    outcome = synced(workbench)
    assert (outcome.rows_upserted, outcome.rows_deleted, outcome.quarantine_total) == (3, 0, 0)
    assert workbench.rows("t", "id") == [
        {"id": Decimal(1), "n": Decimal(MAX)}, {"id": Decimal(2), "n": Decimal(-MAX - 1)},
        {"id": Decimal(3), "n": Decimal(9223372036854776000)},
    ], "a REAL counts as its shortest decimal form"
    assert [(name, kind) for name, kind, _ in fields(workbench)] == [("id", "NUMERIC"), ("n", "NUMERIC")]
    assert synced(workbench).merges == 0
    assert workbench.verify("t").rows_different == 0


def test_a_required_column_has_to_take_null_before_it_is_widened(workbench: Workbench) -> None:
    """BigQuery says so. What a message requires is required all the same."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5)")
    make_target(workbench, bigquery.SchemaField("id", "INT64", "REQUIRED"),
                bigquery.SchemaField("n", "INT64", "REQUIRED"))
    workbench.configure(PLAIN + 'types = { n = "NUMERIC" }')
    synced(workbench)
    assert fields(workbench) == [("id", "INT64", "REQUIRED"), ("n", "NUMERIC", "NULLABLE")]
    assert workbench.rows("t", "id") == [{"id": 1, "n": Decimal(5)}]


@pytest.mark.parametrize(("declared", "value"), [
    (bigquery.SchemaField("v", "STRING", max_length=5), "'longer than five'"),
    (bigquery.SchemaField("v", "BYTES", max_length=2), "x'010203'"),
    (bigquery.SchemaField("v", "NUMERIC", precision=10, scale=2), "1.005"),
], ids=lambda given: given.field_type if isinstance(given, bigquery.SchemaField) else "")
def test_bounds_of_a_type_are_lifted(workbench: Workbench, declared: bigquery.SchemaField, value: str) -> None:
    """BigQuery would refuse what is longer, and round what has more places."""
    workbench.fill(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {'BLOB' if declared.field_type == 'BYTES' else 'TEXT'});"
                   f"INSERT INTO t VALUES (1, {value})")
    make_target(workbench, bigquery.SchemaField("id", "INT64"), declared)
    workbench.configure(PLAIN + f'types = {{ v = "{declared.field_type}" }}')
    synced(workbench)
    after = workbench.rest.get_table(f"{workbench.dataset}.t").schema[1]
    assert (after.field_type, after.max_length, after.precision, after.scale) == (declared.field_type, None, None, None)
    assert workbench.verify("t").rows_different == 0


def test_integers_that_a_double_holds_become_doubles(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(1, 2**53), (2, -(2**53)), (3, None)]))
    workbench.configure(PLAIN)
    synced(workbench)
    rebuild(workbench, "n REAL", "0.5 WHERE id = 3")
    synced(workbench)
    assert [row["n"] for row in workbench.rows("t", "id")] == [2.0**53, -(2.0**53), 0.5]
    assert fields(workbench)[1] == ("n", "FLOAT64", "NULLABLE")


def test_integers_that_a_double_would_alter_stay_and_the_fix_makes_room(workbench: Workbench) -> None:
    """The row with the large integer is quarantined as a double; its earlier version must not be rounded there."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?)", [(1, 7), (2, 2**53 + 1)]))
    workbench.configure(PLAIN)
    synced(workbench)
    workbench.configure(PLAIN + 'types = { n = "FLOAT64" }')
    error = refused(workbench)
    assert "n is INT64 there and FLOAT64 here" in error["why"]
    assert fields(workbench)[1] == ("n", "INT64", "NULLABLE")
    assert workbench.rows("t", "id")[1]["n"] == 2**53 + 1
    alter(workbench, error["fix"])
    assert synced(workbench).quarantine_total == 1
    assert workbench.rows("t", "id") == [{"id": 1, "n_old": 7, "n": 7.0}, {"id": 2, "n_old": 2**53 + 1, "n": None}]


def test_a_target_of_somebody_else_is_not_widened_unasked(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5)")
    make_target(workbench, bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("n", "INT64"), labels={})
    workbench.query("INSERT INTO {d}.t (id, n) VALUES (1, 4)")
    workbench.configure(PLAIN + 'types = { n = "NUMERIC" }')
    assert refused(workbench, kind="target_foreign")["fix"].count("--adopt") == 1
    error = refused(workbench, adopt=True)
    assert fields(workbench)[1] == ("n", "INT64", "NULLABLE")
    assert workbench.rest.get_table(f"{workbench.dataset}.t").labels == {}, "it is not ours before it fits"
    alter(workbench, error["fix"])
    synced(workbench, adopt=True)
    assert workbench.rows("t", "id") == [{"id": 1, "n": Decimal(5)}]


def test_check_tells_what_the_next_sync_would_widen_and_alters_nothing(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT); INSERT INTO t VALUES (1, 5, 'x')")
    workbench.configure(PLAIN)
    synced(workbench)
    workbench.configure(PLAIN + 'types = { n = "NUMERIC" }')
    told = run_command("check", "-c", str(workbench.config_path), folder=workbench.folder)
    assert (told.returncode, "the next sync makes it NUMERIC" in told.stdout) == (0, True), told.stdout
    workbench.configure(PLAIN + 'types = { v = "DATE" }')
    told = run_command("check", "-c", str(workbench.config_path), folder=workbench.folder)
    assert (told.returncode, "RENAME COLUMN `v`" in told.stdout.replace("\n", " ")) == (1, True), told.stdout
    assert fields(workbench) == [("id", "INT64", "NULLABLE"), ("n", "INT64", "NULLABLE"), ("v", "STRING", "NULLABLE")]


def rebuild(bench: Workbench, column: str, update: Any) -> None:
    """The table as SQLite's documentation rebuilds one, with another declaration of its second column."""
    name = column.split(maxsplit=1)[0]
    bench.fill(f"CREATE TABLE new_t (id INTEGER PRIMARY KEY, {column}); INSERT INTO new_t SELECT id, {name} FROM t;"
               f"DROP TABLE t; ALTER TABLE new_t RENAME TO t; UPDATE t SET {name} = {update}")
