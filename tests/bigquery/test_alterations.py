"""The contract of ALTER TABLE: what a target can be made into, and what has to be refused with another way out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from google.cloud import bigquery
from google.cloud.bigquery.table import PrimaryKey, TableConstraints

from bqsync.deliver.translate import translate
from bqsync.errors import BqsyncError
from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground

pytestmark = pytest.mark.service


def shape(ground: Ground, table: str) -> list[list[object]]:
    """Name, type, mode and bounds of each column."""
    return [[field.name, field.field_type.replace("INTEGER", "INT64"), field.mode, field.max_length, field.precision]
            for field in ground.rest.get_table(table).schema]


def made(ground: Ground, *fields: bigquery.SchemaField, clustered: str | None = None) -> str:
    """A table of such columns."""
    table = bigquery.Table(ground.name(), fields)
    table.clustering_fields = [clustered] if clustered else None
    ground.rest.create_table(table)
    return str(table.reference)


def keyed(constraints: TableConstraints | None) -> list[str]:
    """The columns of a primary key."""
    return sorted(constraints.primary_key.columns) if constraints and constraints.primary_key else []


def kind_of(ground: Ground, statement: str) -> str:
    """What the failure of a statement is taken for."""
    try:
        ground.run(statement)
    except Exception as error:  # noqa: BLE001 - whatever it is
        found = error if isinstance(error, BqsyncError) else translate("alter", error)
        return found.kind.value
    return "no failure"


def test_a_column_is_widened_at_once(ground: Ground, compare: Compare) -> None:
    table = made(ground, bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("n", "INT64"))
    ground.run(f"INSERT INTO `{table}` (id, n) VALUES (1, 9223372036854775807)")
    ground.run(f"ALTER TABLE `{table}` ALTER COLUMN `n` SET DATA TYPE NUMERIC")
    ground.run(f"UPDATE `{table}` SET n = n + NUMERIC '0.000000001' WHERE id = 1")
    (row,) = ground.rows(f"SELECT n FROM `{table}`")
    compare({"shape": shape(ground, table), "value": str(row["n"])},
            expected={"shape": [["id", "INT64", "NULLABLE", None, None], ["n", "NUMERIC", "NULLABLE", None, None]],
                      "value": "9223372036854775807.000000001"})


def test_bounds_are_lifted(ground: Ground, compare: Compare) -> None:
    table = made(ground, bigquery.SchemaField("s", "STRING", max_length=3),
                 bigquery.SchemaField("n", "NUMERIC", precision=10, scale=2))
    before = shape(ground, table)
    for name, kind in (("s", "STRING"), ("n", "NUMERIC")):
        ground.run(f"ALTER TABLE `{table}` ALTER COLUMN `{name}` SET DATA TYPE {kind}")
    ground.run(f"INSERT INTO `{table}` (s, n) VALUES ('longer', 1.005)")
    (row,) = ground.rows(f"SELECT s, n FROM `{table}`")
    compare({"before": before, "after": shape(ground, table), "row": [row["s"], row["n"] == Decimal("1.005")]},
            expected={"before": [["s", "STRING", "NULLABLE", 3, None], ["n", "NUMERIC", "NULLABLE", None, 10]],
                      "after": [["s", "STRING", "NULLABLE", None, None], ["n", "NUMERIC", "NULLABLE", None, None]],
                      "row": ["longer", True]})


def test_a_required_column_can_be_let_take_null(ground: Ground, compare: Compare) -> None:
    table = made(ground, bigquery.SchemaField("v", "STRING", "REQUIRED"))
    ground.run(f"ALTER TABLE `{table}` ALTER COLUMN `v` DROP NOT NULL")
    compare({"shape": shape(ground, table)}, expected={"shape": [["v", "STRING", "NULLABLE", None, None]]})


def test_a_decimal_column_that_a_statement_added_keeps_nine_places(ground: Ground, compare: Compare) -> None:
    table = ground.table()
    ground.run(f"ALTER TABLE `{table}` ADD COLUMN IF NOT EXISTS `n` NUMERIC")
    ground.run(f"INSERT INTO `{table}` (id, n) VALUES (1, NUMERIC '0.123456789')")
    (row,) = ground.rows(f"SELECT n FROM `{table}`")
    compare({"value": str(row["n"])}, expected={"value": "0.123456789"})


@pytest.mark.parametrize("statement", [
    "ALTER COLUMN v SET DATA TYPE INT64", "ALTER COLUMN v SET DATA TYPE BYTES", "ALTER COLUMN n SET DATA TYPE STRING",
    "ALTER COLUMN id SET DATA TYPE FLOAT64", "DROP COLUMN id", "RENAME COLUMN id TO other",
    "ALTER COLUMN r SET DATA TYPE NUMERIC",
], ids=lambda statement: statement)
def test_an_alteration_that_is_none_is_refused(ground: Ground, compare: Compare, statement: str) -> None:
    """By `id`, the table is clustered: such a column is neither dropped nor renamed. `r` is REQUIRED."""
    columns = [bigquery.SchemaField(name, kind) for name, kind in (("id", "INT64"), ("n", "INT64"), ("v", "STRING"))]
    table = made(ground, *columns, bigquery.SchemaField("r", "INT64", "REQUIRED"), clustered="id")
    compare({"kind": kind_of(ground, f"ALTER TABLE `{table}` {statement}")}, expected={"kind": "bigquery_job_failed"})


def test_a_column_in_the_clustering_is_widened(ground: Ground, compare: Compare) -> None:
    """Nothing is documented. Where it is refused, bqsync says so and names the other ways."""
    table = made(ground, bigquery.SchemaField("id", "INT64"), clustered="id")
    compare({"kind": kind_of(ground, f"ALTER TABLE `{table}` ALTER COLUMN `id` SET DATA TYPE NUMERIC")}, expected=None)


def test_a_column_takes_the_place_of_one_that_was_renamed(ground: Ground, compare: Compare) -> None:
    """The way out of types that do not fit."""
    table = ground.filled((1, "a"))
    ground.run(f"ALTER TABLE `{table}` RENAME COLUMN `v` TO `v_old`")
    ground.run(f"ALTER TABLE `{table}` ADD COLUMN IF NOT EXISTS `v` INT64")
    ground.run(f"UPDATE `{table}` SET v = 5 WHERE id = 1")
    compare({"rows": ground.rows(f"SELECT * FROM `{table}`")}, expected={"rows": [{"id": 1, "v_old": "a", "v": 5}]})


def test_a_primary_key_is_taken_away_and_another_one_is_said(ground: Ground, compare: Compare) -> None:
    """So that BigQuery's optimizer believes no key that the rows do not keep."""
    key = TableConstraints(primary_key=PrimaryKey(columns=["id"]), foreign_keys=None)
    table = ground.table(table_constraints=key)
    ground.run(f"ALTER TABLE `{table}` DROP PRIMARY KEY")
    dropped = ground.rest.get_table(table).table_constraints
    ground.run(f"ALTER TABLE `{table}` ADD PRIMARY KEY (`id`, `v`) NOT ENFORCED")
    added = ground.rest.get_table(table).table_constraints
    compare({"dropped": keyed(dropped), "added": keyed(added)},
            expected={"dropped": [], "added": ["id", "v"]})
