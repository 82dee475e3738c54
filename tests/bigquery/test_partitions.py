"""The contract of partitioned tables: what their resource says, and what a filter by literals does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from bqsync.deliver.merge_sql import any_row_statement, merge_statement, select_statement
from bqsync.deliver.partitions import partitioning_of, time_partitioning
from bqsync.model import ColumnSpec, Partitioning, PartitionUnit, TargetType
from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground
from tests.bigquery.test_merges import ref, spec, staged

pytestmark = pytest.mark.service

BY_DAY = Partitioning(column="d", column_type=TargetType.DATE, unit=PartitionUnit.DAY, is_filter_required=True)
COLUMNS = {"id": "INT64", "v": "STRING", "d": "DATE"}
FIRST_DAY = 20_454
"""2026-01-01."""


def partitioned(ground: Ground) -> str:
    """A table of three days and NULL, that takes no statement without a filter."""
    resource = {**time_partitioning(BY_DAY), "requirePartitionFilter": True}
    table = ground.table(COLUMNS, time_partitioning=bigquery.TimePartitioning.from_api_repr(resource))
    ground.run(f"INSERT INTO `{table}` (id, v, d) VALUES (1, 'a', DATE '2026-01-01'), (2, 'b', DATE '2026-01-02'),"
               " (3, 'c', DATE '2026-01-03'), (4, 'd', NULL)")
    return table


def end(ground: Ground, statement: str) -> str:
    try:
        ground.run(statement)
    except GoogleAPICallError as error:
        return f"{error.code} {error.errors[0]['reason']}"
    return "ran"


def test_how_a_table_is_partitioned_is_kept(ground: Ground, compare: Compare) -> None:
    resource = ground.rest.get_table(partitioned(ground)).to_api_repr()
    compare({"kept": partitioning_of(resource, {"d": "DATE"}) == BY_DAY}, expected={"kept": True})


def test_a_merge_finds_rows_in_the_partitions_that_it_names_and_in_no_others(
    ground: Ground, compare: Compare,
) -> None:
    """Which of them it names is the daemon's to know: here row 3 stands in one that is not named, and comes twice."""
    target = partitioned(ground)
    mapping = spec()
    column = ColumnSpec(source_name="d", target_name="d", target_type=TargetType.DATE, field_number=3)
    mapping = replace(mapping, columns=(*mapping.columns, column), partitioning=BY_DAY)
    staging = staged(ground, [(number, "U", "new") for number in (1, 2, 3, 4)])
    ground.run(f"ALTER TABLE `{staging}` ADD COLUMN d DATE")
    ground.run(f"UPDATE `{staging}` SET d = DATE '2026-01-02' WHERE TRUE")
    named = [FIRST_DAY, FIRST_DAY + 1, -(1 << 62)]
    changed = ground.run(merge_statement(mapping, ref(target), ref(staging), named)).num_dml_affected_rows
    found = ground.rows(f"SELECT id, v, d FROM `{target}` WHERE d >= DATE '0001-01-01' OR d IS NULL ORDER BY id, v")
    compare({"changed": changed, "rows": [[row["id"], row["v"], str(row["d"])] for row in found]}, expected={
        "changed": 4, "rows": [[1, "new", "2026-01-02"], [2, "new", "2026-01-02"], [3, "c", "2026-01-03"],
                               [3, "new", "2026-01-02"], [4, "new", "2026-01-02"]]})


def test_a_filter_that_every_row_passes_is_one(ground: Ground, compare: Compare) -> None:
    table = partitioned(ground)
    read = ground.rows(select_statement(ref(table), ["T.`id`"], partitioning=BY_DAY))
    some = ground.rows(any_row_statement(ref(table), BY_DAY))
    compare({"ids": sorted(row["id"] for row in read), "any": len(some)}, expected={"ids": [1, 2, 3, 4], "any": 1})


def test_a_table_that_asks_for_a_filter_takes_no_statement_without_one(ground: Ground, compare: Compare) -> None:
    compare({"end": end(ground, select_statement(ref(partitioned(ground)), ["T.`id`"]))},
            expected={"end": "400 invalidQuery"})
