"""The contract of MERGE: the text that bqsync makes runs on rows that were just appended, and counts its changes."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError

from bqsync.deliver.merge_sql import add_column_statement, merge_statement
from bqsync.deliver.schema import staging_fields
from bqsync.model import MARK_COLUMN, ColumnSpec, DeletePolicy, StagingColumn, TableSpec, TargetRef, TargetType
from tests.bigquery.answers import Compare
from tests.bigquery.ground import Ground
from tests.bigquery.stream import NUMBER, OCTETS, TEXT

pytestmark = pytest.mark.service

WIRE = {"id": NUMBER, "v": TEXT, StagingColumn.KEY: OCTETS, StagingColumn.OPERATION: TEXT,
        StagingColumn.SEQUENCE: NUMBER}
STAGED = [(1, "U", "changed"), (2, "D", None), (4, "U", "early"), (4, "U", "late"), (5, "U", "gone"), (5, "D", None),
          (9, "D", None)]
"""An update, a delete, an insert in two versions, a row that came and went, and a delete that meets nothing."""


def spec(deletes: DeletePolicy = DeletePolicy.DELETE) -> TableSpec:
    columns = [ColumnSpec(source_name=name, target_name=name, target_type=kind, field_number=number)
               for number, (name, kind) in enumerate({"id": TargetType.INT64, "v": TargetType.STRING}.items(), 1)]
    return TableSpec(source_name="t", target_name="t", columns=tuple(columns), key=("id",), deletes=deletes)


def staged(ground: Ground, rows: list[tuple[int, str, str | None]]) -> str:
    """A staging table, as bqsync makes it, with rows that were just appended."""
    table = ground.table({field["name"]: field["type"] for field in staging_fields(spec())})
    envelopes: list[dict[str, Any]] = [
        {"id": number, StagingColumn.KEY: number.to_bytes(8), StagingColumn.OPERATION: operation,
         StagingColumn.SEQUENCE: sequence, **({} if text is None else {"v": text})}
        for sequence, (number, operation, text) in enumerate(rows)]
    assert ground.stream(table, WIRE).append(envelopes, offset=0).status == "OK"
    return table


def ref(table: str) -> TargetRef:
    project, dataset, name = table.split(".")
    return TargetRef(project=project, dataset=dataset, table=name)


def test_a_merge_takes_the_newest_row_of_each_key_and_counts_what_it_changed(
    ground: Ground, compare: Compare,
) -> None:
    target = ground.filled((1, "a"), (2, "b"), (3, "c"))
    statement = merge_statement(spec(), ref(target), ref(staged(ground, STAGED)))
    counts = [ground.run(statement).num_dml_affected_rows for _ in range(2)]
    compare({"changed": counts, "rows": ground.texts(target)},
            expected={"changed": [3, 2], "rows": {1: "changed", 3: "c", 4: "late"}})


def test_the_results_of_a_merge_tell_how_many_rows_it_has_changed(ground: Ground, compare: Compare) -> None:
    """Else the job is looked up after each MERGE, before its rows are noted."""
    target = ground.filled((1, "a"), (2, "b"), (3, "c"))
    job = ground.run(merge_statement(spec(), ref(target), ref(staged(ground, STAGED))))
    answer = ground.rest._connection.api_request(  # as `deliver.job_calls` asks
        method="GET", path=f"/projects/{job.project}/queries/{job.job_id}",
        query_params={"location": job.location, "maxResults": 0, "timeoutMs": 1_000})
    compare({"complete": answer.get("jobComplete"), "changed": answer.get("numDmlAffectedRows"),
             "errors": bool(answer.get("errors"))}, expected={"complete": True, "changed": "3", "errors": False})


def test_a_merge_that_marks(ground: Ground, compare: Compare) -> None:
    target = ground.table({"id": "INT64", "v": "STRING", MARK_COLUMN: "TIMESTAMP"})
    ground.run(f"INSERT INTO `{target}` (id, v) VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    statement = merge_statement(spec(DeletePolicy.MARK), ref(target), ref(staged(ground, STAGED)))
    counts = [ground.run(statement).num_dml_affected_rows for _ in range(2)]
    rows = ground.rows(f"SELECT id, {MARK_COLUMN} IS NULL AS here FROM `{target}`")
    compare({"changed": counts, "here": {row["id"]: row["here"] for row in rows}},
            expected={"changed": [3, 2], "here": {1: True, 2: False, 3: True, 4: True}})


def test_rows_that_were_just_appended_can_be_changed(ground: Ground, compare: Compare) -> None:
    """Those of the Write API; rows of `insertAll` could not for half an hour."""
    table = ground.filled((1, "a"), (2, "b"))
    changed = [ground.run(statement).num_dml_affected_rows for statement in (
        f"UPDATE `{table}` SET v = 'new' WHERE id = 1", f"DELETE FROM `{table}` WHERE id = 2")]
    compare({"changed": changed, "rows": ground.texts(table)},
            expected={"changed": [1, 1], "rows": {1: "new"}})


def test_two_rows_of_a_source_for_one_of_the_target_are_refused(ground: Ground, compare: Compare) -> None:
    """Why a MERGE picks the newest of each key itself."""
    target, source = ground.filled((1, "a")), ground.filled((1, "b"), (1, "c"))
    statement = (f"MERGE `{target}` AS T USING `{source}` AS S ON T.id = S.id"
                 " WHEN MATCHED THEN UPDATE SET v = S.v")
    try:
        ground.run(statement)
        end = "ran"
    except GoogleAPICallError as error:
        end = f"{error.code} {error.errors[0]['reason']}"
    compare({"end": end}, expected={"end": "400 invalidQuery"})


@pytest.mark.parametrize("kind", ["FLOAT64", "BYTES", "STRING", "TIMESTAMP"])
def test_keys_are_compared_as_they_are_typed(ground: Ground, compare: Compare, kind: str) -> None:
    values = {"FLOAT64": ("0.1", "-0.0"), "BYTES": ("FROM_HEX('00')", "FROM_HEX('')"), "STRING": ("'a'", "'A'"),
              "TIMESTAMP": ("TIMESTAMP_MICROS(1)", "TIMESTAMP_MICROS(0)")}[kind]
    source, target = ground.table({"k": kind}), ground.table({"k": kind})
    ground.run(f"INSERT INTO `{source}` (k) VALUES ({values[0]}), ({values[1]})")
    ground.run(f"INSERT INTO `{target}` (k) VALUES ({values[0].replace('-', '')})")
    job = ground.run(f"MERGE `{target}` AS T USING `{source}` AS S ON T.k = S.k"
                     " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (k) VALUES (S.k)")
    compare({"changed": job.num_dml_affected_rows}, expected={"changed": 2})


def test_a_column_that_was_added_by_a_statement_is_there_at_once(ground: Ground, compare: Compare) -> None:
    table = ground.filled((1, "a"))
    statement = add_column_statement(ref(table), "more", "STRING")
    for _ in range(2):
        ground.run(statement)
    fields = [(field.name, field.mode) for field in ground.rest.get_table(table).schema]
    changed = ground.run(f"UPDATE `{table}` SET more = 'new' WHERE id = 1").num_dml_affected_rows
    compare({"fields": fields, "changed": changed},
            expected={"fields": [["id", "NULLABLE"], ["v", "NULLABLE"], ["more", "NULLABLE"]], "changed": 1})
