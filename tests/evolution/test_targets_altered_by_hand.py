"""Somebody alters a target by hand: it is brought back, or the table stops with the way back; what is theirs stays."""

from __future__ import annotations

import pytest
from google.cloud import bigquery
from tests.engine.application import PLAIN
from tests.evolution.steps import alter, fields, follows, refused, settles, synced
from tests.workbench import Workbench


@pytest.fixture
def bench(workbench: Workbench) -> Workbench:
    """Five rows, delivered; rows that leave the source are marked, which has a column of its own."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n INTEGER)",
                   ("INSERT INTO t VALUES (?, ?, ?)", [(n, f"v{n}", n) for n in range(5)]))
    workbench.configure(PLAIN + 'deletes = "mark"\n')
    synced(workbench)
    return workbench


def described(bench: Workbench) -> bigquery.Table:
    return bench.rest.get_table(f"{bench.dataset}.t")


def test_columns_that_are_dropped_renamed_and_added_there_are_brought_back(bench: Workbench) -> None:
    """A renamed one is theirs by then, and keeps what it holds; the one that takes its place is filled."""
    bench.query("ALTER TABLE {d}.t DROP COLUMN v")
    bench.query("ALTER TABLE {d}.t RENAME COLUMN n TO theirs")
    bench.query("ALTER TABLE {d}.t ADD COLUMN verdict STRING")
    bench.query("UPDATE {d}.t SET verdict = 'good' WHERE id = 1")
    bench.fill("UPDATE t SET v = 'new' WHERE id = 1")
    follows(bench, kept=("theirs", "verdict"))
    assert [(row["theirs"], row["verdict"]) for row in bench.rows("t", "id")] == [
        (0, None), (1, "good"), (2, None), (3, None), (4, None)]
    settles(bench)


def test_a_type_that_is_altered_there_is_told_and_the_fix_leads_on(bench: Workbench) -> None:
    """Wider there than here: the setting keeps it so."""
    bench.query("ALTER TABLE {d}.t ALTER COLUMN n SET DATA TYPE NUMERIC")
    error = refused(bench)
    assert 'types = { n = "NUMERIC" }' in error["fix"]
    bench.configure(PLAIN + 'types = { n = "NUMERIC" }\n')
    follows(bench)
    settles(bench)


def test_another_table_in_its_place_is_filled_or_told(bench: Workbench) -> None:
    """Ours by its label; with a REQUIRED column that the source never had, no row could be inserted."""
    table = described(bench)
    bench.rest.delete_table(table)
    theirs = bigquery.Table(table.reference, [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("v", "STRING"),
                                              bigquery.SchemaField("theirs", "STRING", "REQUIRED")])
    theirs.labels = dict(table.labels)
    bench.rest.create_table(theirs)
    error = refused(bench)
    assert "no value could be inserted for theirs" in error["why"]
    alter(bench, error["fix"])
    assert follows(bench).rows_upserted == 5
    settles(bench)


def test_rows_that_are_deleted_there_are_found_by_verify_and_come_back_by_full(bench: Workbench) -> None:
    """No cycle looks for them: a row that changes comes back, the others when they are asked for."""
    bench.query("TRUNCATE TABLE {d}.t")
    bench.fill("UPDATE t SET v = 'new' WHERE id = 1; DELETE FROM t WHERE id = 2")
    outcome = bench.sync()["t"]
    assert outcome.error is None, "an update inserts, a delete of a row that is gone deletes nothing"
    assert [row["id"] for row in bench.rows("t", "id")] == [1]
    assert bench.verify("t").rows_different == 3
    follows(bench, full=True)
    settles(bench)


def test_a_label_that_is_taken_away_has_to_be_given_back(bench: Workbench) -> None:
    table = described(bench)
    table.labels = {"bqsync": "no_more"}
    bench.rest.update_table(table, ["labels"])
    bench.fill("UPDATE t SET v = 'new' WHERE id = 1")
    error = refused(bench, "target_foreign")
    assert "bqsync sync t --adopt" in error["fix"]
    follows(bench, adopt=True)
    assert described(bench).labels["bqsync"] == "target"
    settles(bench)


@pytest.mark.parametrize("kind", ["VIEW"])
def test_a_view_in_its_place_is_told_and_the_fix_leads_on(bench: Workbench, kind: str) -> None:
    bench.query("DROP TABLE {d}.t")
    bench.query(f"CREATE {kind} {{d}}.t AS SELECT 1 AS id, 'x' AS v, 1 AS n")
    error = refused(bench)
    assert "is no table but a view" in error["what"]
    bench.query(f"DROP {kind} {{d}}.t")
    assert follows(bench).rows_upserted == 5
    settles(bench)


def test_a_required_column_that_refuses_a_row_is_relaxed_by_hand(workbench: Workbench) -> None:
    """Nullability is the target's: the row waits, and arrives once the column takes NULL."""
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    workbench.rest.create_dataset(workbench.dataset, exists_ok=True)
    workbench.rest.create_table(bigquery.Table(f"{workbench.rest.project}.{workbench.dataset}.t", [
        bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("v", "STRING", "REQUIRED")]))
    workbench.configure(PLAIN)
    assert synced(workbench).quarantine_total == 1
    assert workbench.quarantine() == [("t", "v", "null_required")]
    workbench.query("ALTER TABLE {d}.t ALTER COLUMN v DROP NOT NULL")
    assert follows(workbench).quarantine_total == 0
    assert fields(workbench)[1] == ("v", "STRING", "NULLABLE")
