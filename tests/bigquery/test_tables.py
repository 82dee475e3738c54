"""The contract of tables: what was said of one at its creation stays, and another one under its name is told apart."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import Conflict, NotFound
from google.cloud import bigquery
from google.cloud.bigquery.table import PrimaryKey, TableConstraints

from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground

pytestmark = pytest.mark.service

_ONE_STAMP_S = 0.002
"""Times of creation are whole milliseconds."""


def test_labels_are_kept_and_changed(ground: Ground, compare: Compare) -> None:
    table = ground.rest.get_table(ground.table(labels={"bqsync": "target"}))
    before = dict(table.labels)
    table.labels = {**table.labels, "team": "blue"}
    ground.rest.update_table(table, ["labels"])
    compare({"before": before, "after": dict(ground.rest.get_table(table.reference).labels)},
            expected={"before": {"bqsync": "target"}, "after": {"bqsync": "target", "team": "blue"}})


def test_the_time_at_which_a_table_expires_is_kept(ground: Ground, compare: Compare) -> None:
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    found = ground.rest.get_table(ground.table(expires=expires)).expires
    compare({"is kept": found == expires}, expected={"is kept": True})


def test_key_and_clustering_are_kept(ground: Ground, compare: Compare) -> None:
    key = TableConstraints(primary_key=PrimaryKey(columns=["id"]), foreign_keys=None)
    table = ground.rest.get_table(ground.table(table_constraints=key, clustering_fields=["id"]))
    found = table.table_constraints
    columns = found.primary_key.columns if found and found.primary_key else None
    compare({"key": columns, "clustering": table.clustering_fields}, expected={"key": ["id"], "clustering": ["id"]})


def test_a_table_made_anew_has_another_time_of_creation_and_no_rows(ground: Ground, compare: Compare) -> None:
    table = ground.filled((1, "old"))
    before = ground.rest.get_table(table).created
    ground.rest.delete_table(table)
    time.sleep(_ONE_STAMP_S)
    ground.table(name=table)
    rows = ground.texts(table)
    ground.run(f"INSERT INTO `{table}` (id, v) VALUES (2, 'new')")
    assert before is not None
    compare({"is later": ground.rest.get_table(table).created > before, "rows": rows, "after": ground.texts(table)},
            expected={"is later": True, "rows": {}, "after": {2: "new"}})


def test_a_stream_onto_a_table_made_anew(ground: Ground, compare: Compare) -> None:
    """Nothing relies on it: no staging table has the name of an earlier one."""
    table = ground.filled((1, "old"))
    ground.rest.delete_table(table)
    ground.table(name=table)
    answer = ground.stream(table).append([{"id": 2, "v": "new"}], offset=0)
    compare({"status": answer.status, "rows": ground.texts(table)}, expected=None)


def test_a_table_that_is_there_already_conflicts(ground: Ground, compare: Compare) -> None:
    """So that a creation whose answer was lost can be repeated."""
    with pytest.raises(Conflict) as refused:
        ground.table(name=ground.table())
    compare({"reason": refused.value.errors[0]["reason"]}, expected={"reason": "duplicate"})


def test_a_table_that_was_dropped_is_not_found(ground: Ground, compare: Compare) -> None:
    table = ground.table()
    ground.rest.delete_table(table)
    with pytest.raises(NotFound) as read:
        ground.rest.get_table(table)
    with pytest.raises(NotFound) as dropped:
        ground.rest.delete_table(table)
    compare({"reasons": [refused.value.errors[0]["reason"] for refused in (read, dropped)]},
            expected={"reasons": ["notFound", "notFound"]})


def test_new_tables_are_listed_with_their_time_of_creation(ground: Ground, compare: Compare) -> None:
    """By it, the staging tables of a lost state are known as old."""
    name = ground.table().rpartition(".")[2]
    (item,) = [item for item in ground.rest.list_tables(ground.dataset) if item.table_id == name]
    compare({"has a time": item.created is not None}, expected={"has a time": True})


def test_a_required_column_stays_one(ground: Ground, compare: Compare) -> None:
    """It decides whether NULL goes to quarantine."""
    name = ground.name()
    ground.rest.create_table(bigquery.Table(name, [
        bigquery.SchemaField("id", "INT64", mode="REQUIRED", description="the key"),
        bigquery.SchemaField("v", "NUMERIC", precision=10, scale=2)]))
    key, value = ground.rest.get_table(name).schema
    compare({"mode": key.mode, "description": key.description, "bounds": [value.precision, value.scale]},
            expected={"mode": "REQUIRED", "description": "the key", "bounds": [10, 2]})


def test_a_column_that_was_patched_in_can_be_written_at_once(ground: Ground, compare: Compare) -> None:
    table = ground.rest.get_table(ground.filled((1, "a")))
    table.schema = [*table.schema, bigquery.SchemaField("more", "STRING")]
    ground.rest.update_table(table, ["schema"])
    fields = [field.name for field in ground.rest.get_table(table.reference).schema]
    compare({"fields": fields}, expected={"fields": ["id", "v", "more"]})
