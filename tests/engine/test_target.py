"""Targets: created, extended, taken over only when asked, and refused one by one."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import bigquery
from tests.engine.application import PLAIN
from tests.workbench import Workbench, run_command

TABLE = '[[tables]]\nname = "t"\n'


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(1, "one"), (2, "two")]))
    workbench.configure(TABLE)
    return workbench


def make_target(bench: Workbench, *fields: bigquery.SchemaField, labels: dict[str, str] | None = None) -> None:
    """A target that somebody made before the first sync."""
    bench.rest.create_dataset(bench.dataset, exists_ok=True)
    table = bigquery.Table(f"{bench.rest.project}.{bench.dataset}.t", fields)
    table.labels = labels or {}
    bench.rest.create_table(table)


def described(bench: Workbench) -> bigquery.Table:
    return bench.rest.get_table(f"{bench.dataset}.t")


def target(bench: Workbench) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in bench.rows("t", "id")]


ID, V = bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("v", "STRING")


def test_a_new_target_is_labelled_and_clustered_by_its_key(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (v TEXT, e INTEGER, a TEXT, b REAL, c INTEGER, d TEXT, f INTEGER,"
                   " PRIMARY KEY (a, b, c, d, e, f))")
    workbench.configure(TABLE)
    workbench.sync()
    table = described(workbench)
    assert table.labels == {"bqsync": "target"}
    assert table.clustering_fields == ["a", "c", "d", "e"], "four at most, and no FLOAT64"
    assert [field.name for field in table.schema] == ["v", "e", "a", "b", "c", "d", "f"]


def test_an_empty_source_makes_an_empty_target_without_a_merge(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    workbench.configure(TABLE)
    outcome = workbench.sync()["t"]
    assert (outcome.error, outcome.merges, workbench.tables()) == (None, 0, {"t"})


def test_a_target_of_somebody_else_is_refused_and_left_alone(bench: Workbench) -> None:
    make_target(bench, ID, V)
    bench.query("INSERT INTO {d}.t (id, v) VALUES (1, 'theirs'), (7, 'theirs')")
    error = bench.sync()["t"].error
    assert error is not None
    assert (error["kind"], "--adopt" in error["fix"]) == ("target_foreign", True)
    assert target(bench) == [(1, "theirs"), (7, "theirs")]


def test_an_adopted_target_becomes_a_copy_and_stays_ours(bench: Workbench) -> None:
    make_target(bench, ID, V, labels={"team": "blue"})
    bench.query("INSERT INTO {d}.t (id, v) VALUES (1, 'theirs'), (7, 'theirs')")
    outcome = bench.sync(adopt=True)["t"]
    assert (outcome.error, outcome.rows_upserted, outcome.rows_deleted) == (None, 2, 1)
    assert target(bench) == [(1, "one"), (2, "two")]
    assert described(bench).labels == {"team": "blue", "bqsync": "target"}
    assert bench.sync()["t"].error is None


def test_an_empty_target_of_somebody_else_needs_no_question(bench: Workbench) -> None:
    make_target(bench, ID, V)
    assert bench.sync()["t"].error is None
    assert (target(bench), described(bench).labels) == ([(1, "one"), (2, "two")], {"bqsync": "target"})


def test_a_new_column_is_added_as_nullable_and_filled_for_all_rows(bench: Workbench) -> None:
    bench.sync()
    bench.db.execute("ALTER TABLE t ADD COLUMN extra TEXT NOT NULL DEFAULT 'new'")
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_upserted) == (None, 2)
    assert target(bench) == [(1, "one", "new"), (2, "two", "new")]
    assert [(field.name, field.mode) for field in described(bench).schema][-1] == ("extra", "NULLABLE")
    assert bench.sync()["t"].merges == 0
    assert bench.verify("t").rows_different == 0


def test_a_new_column_full_of_nulls_sends_no_row(bench: Workbench) -> None:
    bench.sync()
    bench.db.execute("ALTER TABLE t ADD COLUMN extra REAL")
    assert bench.sync()["t"].rows_upserted == 0
    bench.db.execute("UPDATE t SET extra = 0.3 WHERE id = 2")
    assert bench.sync()["t"].rows_upserted == 1
    assert target(bench) == [(1, "one", None), (2, "two", 0.3)]


def test_a_column_that_is_dropped_stays_and_goes_null(bench: Workbench) -> None:
    bench.sync()
    bench.db.execute("ALTER TABLE t DROP COLUMN v")
    assert bench.sync()["t"].error is None
    assert target(bench) == [(1, None), (2, None)]
    bench.fill("ALTER TABLE t ADD COLUMN v TEXT; UPDATE t SET v = 'again' WHERE id = 1")
    assert bench.sync()["t"].error is None
    assert target(bench) == [(1, "again"), (2, None)]
    assert bench.verify("t").rows_different == 0


def test_a_renamed_column_takes_its_values_along(bench: Workbench) -> None:
    bench.sync()
    bench.db.execute("ALTER TABLE t RENAME COLUMN v TO w")
    assert bench.sync()["t"].error is None
    assert [(row["id"], row["w"]) for row in bench.rows("t", "id")] == [(1, "one"), (2, "two")]


def test_columns_of_the_target_that_the_source_never_had_are_left_alone(bench: Workbench) -> None:
    make_target(bench, ID, V, bigquery.SchemaField("note", "STRING"), labels={"bqsync": "target"})
    bench.query("INSERT INTO {d}.t (id, v, note) VALUES (1, 'old', 'by hand')")
    assert bench.sync()["t"].error is None
    assert target(bench) == [(1, "one", "by hand"), (2, "two", None)]


@pytest.mark.parametrize("fields", [
    (ID, bigquery.SchemaField("v", "FLOAT64")),
    (ID, V, bigquery.SchemaField("theirs", "STRING", mode="REQUIRED")),
], ids=["another type", "a required column that the source lacks"])
def test_an_incompatible_target_refuses_its_table_and_no_other(
    bench: Workbench, fields: tuple[bigquery.SchemaField, ...],
) -> None:
    bench.fill("CREATE TABLE u (id INTEGER PRIMARY KEY)", ("INSERT INTO u VALUES (?)", [(5,)]))
    bench.configure(TABLE + '[[tables]]\nname = "u"')
    make_target(bench, *fields, labels={"bqsync": "target"})
    outcomes = bench.sync()
    assert outcomes["t"].error is not None
    assert (outcomes["t"].error["kind"], outcomes["u"].error) == ("target_incompatible", None)
    assert (target(bench), [row["id"] for row in bench.rows("u", "id")]) == ([], [5])


def test_a_null_for_a_required_column_waits_in_quarantine(bench: Workbench) -> None:
    make_target(bench, ID, bigquery.SchemaField("V", "STRING", mode="REQUIRED"), labels={"bqsync": "target"})
    bench.db.execute("INSERT INTO t VALUES (3, NULL)")
    outcome = bench.sync()["t"]
    assert (outcome.error, outcome.rows_upserted) == (None, 2)
    assert bench.quarantine() == [("t", "v", "null_required")]
    bench.db.execute("UPDATE t SET v = '' WHERE id = 3")
    assert bench.sync()["t"].quarantine_total == 0
    assert target(bench) == [(1, "one"), (2, "two"), (3, "")]


def test_a_target_column_of_another_name_is_filled(workbench: Workbench) -> None:
    """Another `name` option of the message changes no byte of a row; the rows are sent all the same."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    (workbench.folder / "t.proto").write_text(
        'syntax = "proto3";\nimport "bq_field.proto";\nmessage T {\n int64 id = 1;\n'
        ' string v = 2 [(gen_bq_schema.bigquery).name = "w"];\n}\n')
    workbench.configure(PLAIN + 'message = "T"', extra='[protos]\nfiles = ["t.proto"]\ndescriptor_set = "t.binpb"')
    done = run_command("protos", "-c", str(workbench.config_path), folder=workbench.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    for _ in range(2):
        assert workbench.sync()["t"].error is None
    assert [row["w"] for row in workbench.rows("t", "id")] == ["a", "b"]


def test_a_column_that_somebody_dropped_from_the_target_is_filled_again(workbench: Workbench) -> None:
    """The cycle adds the column anew, and sends what the ledger takes for delivered."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT); INSERT INTO t VALUES (1, 'a', 'b')")
    workbench.configure(PLAIN)
    assert workbench.sync()["t"].error is None
    workbench.query("ALTER TABLE {d}.t DROP COLUMN w")
    table = workbench.rest.get_table(f"{workbench.dataset}.t")
    # BigQuery's resource follows its DDL; that of the emulator has to be told.
    table.schema = [field for field in table.schema if field.name != "w"]
    workbench.rest.update_table(table, ["schema"])
    assert [field.name for field in workbench.rest.get_table(table.reference).schema] == ["id", "v"]
    for _ in range(2):
        assert workbench.sync()["t"].error is None
    assert [row["w"] for row in workbench.rows("t", "id")] == ["b"]
