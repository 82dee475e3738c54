"""From a mapping to the resources that BigQuery takes, within its limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bqsync.deliver.schema import (
    clustering,
    incompatible_columns,
    missing_fields,
    narrow_type,
    primary_key,
    staging_fields,
    standard_type,
    target_fields,
    wire_expressions,
)
from bqsync.encode.rows import row_descriptor
from bqsync.model import MARK_COLUMN, ColumnSpec, DeletePolicy, TableSpec, TargetType

KEY_TYPES = {
    TargetType.INT64, TargetType.BOOL, TargetType.STRING, TargetType.TIMESTAMP, TargetType.NUMERIC,
    TargetType.BIGNUMERIC, TargetType.DATE, TargetType.DATETIME,
}
"""Source: https://cloud.google.com/bigquery/docs/clustered-tables#cluster_column_types"""


def column(name: str, target_type: TargetType = TargetType.STRING, *, required: bool = False,
           description: str | None = None, default: str | None = None) -> ColumnSpec:
    return ColumnSpec(source_name=f"source of {name}", target_name=name, target_type=target_type, field_number=16,
                      required=required, description=description, default_value_expression=default)


def table(*columns: ColumnSpec, key: int = 1) -> TableSpec:
    return TableSpec(source_name="s", target_name="t", columns=columns,
                     key=tuple(one.source_name for one in columns[:key]))


RICH = table(column("id", TargetType.INT64, required=True), column("total", TargetType.NUMERIC, description="gross",
                                                                   default="0"))


def test_a_target_has_the_columns_of_the_mapping_with_all_their_options() -> None:
    assert target_fields(RICH) == [
        {"name": "id", "type": "INT64", "mode": "REQUIRED"},
        {"name": "total", "type": "NUMERIC", "mode": "NULLABLE", "description": "gross", "defaultValueExpression": "0"},
    ]


def test_an_added_column_takes_null_even_where_the_mapping_requires_a_value() -> None:
    assert [field["mode"] for field in missing_fields(RICH, {})] == ["NULLABLE", "NULLABLE"]
    assert missing_fields(RICH, {})[1]["description"] == "gross"


def test_a_target_whose_rows_are_marked_has_a_column_for_it_and_its_staging_table_has_none() -> None:
    marked = replace(RICH, deletes=DeletePolicy.MARK)
    assert target_fields(marked)[:-1] == target_fields(RICH)
    assert {**target_fields(marked)[-1], "description": ""} == {
        "name": "_bqsync_deleted_at", "type": "TIMESTAMP", "mode": "NULLABLE", "description": "",
    }
    assert staging_fields(marked) == staging_fields(RICH)
    assert [field["name"] for field in missing_fields(marked, {"id": "INT64", "total": "NUMERIC"})] == [MARK_COLUMN]
    assert missing_fields(marked, {"id": "INT64", "total": "NUMERIC", MARK_COLUMN: "TIMESTAMP"}) == []


def test_a_staging_table_has_the_fields_of_the_descriptor_and_requires_none() -> None:
    fields = staging_fields(RICH)
    assert fields == [
        {"name": "_bqsync_key", "type": "BYTES", "mode": "NULLABLE"},
        {"name": "_bqsync_operation", "type": "STRING", "mode": "NULLABLE"},
        {"name": "_bqsync_sequence", "type": "INT64", "mode": "NULLABLE"},
        {"name": "id", "type": "INT64", "mode": "NULLABLE"},
        {"name": "total", "type": "NUMERIC", "mode": "NULLABLE"},
    ]
    assert [field["name"] for field in fields] == [field.name for field in row_descriptor(RICH).field]


@pytest.mark.parametrize("target_type", list(TargetType))
def test_a_key_clusters_and_constrains_where_bigquery_takes_its_type(target_type: TargetType) -> None:
    spec = table(column("id", target_type), column("x"))
    expected = ["id"] if target_type in KEY_TYPES else []
    assert (clustering(spec), primary_key(spec)) == (expected, expected)


def test_four_columns_cluster_and_those_of_other_types_are_passed_over() -> None:
    columns = [column("f", TargetType.FLOAT64), *(column(name) for name in "abcde")]
    assert clustering(table(*columns, key=6)) == ["a", "b", "c", "d"]
    assert clustering(table(*columns, key=3)) == ["a", "b"]


def test_a_primary_key_is_whole_or_absent() -> None:
    columns = [*(column(f"k{index}") for index in range(16)), column("f", TargetType.FLOAT64)]
    assert primary_key(table(*columns, key=16)) == [f"k{index}" for index in range(16)]
    assert primary_key(table(*columns, key=17)) == []


def test_columns_are_compared_with_the_target_without_regard_to_case() -> None:
    spec = table(column("Id", TargetType.INT64), column("NAME"), column("at", TargetType.TIMESTAMP))
    existing = {"id": "INT64", "name": "BYTES", "other": "STRING"}
    assert [field["name"] for field in missing_fields(spec, existing)] == ["at"]
    assert [(one.target_name, name) for one, name in incompatible_columns(spec, existing, {})] == [("NAME", "BYTES")]
    assert incompatible_columns(spec, {}, {}) == []
    assert [(one.target_name, name) for one, name in incompatible_columns(
        spec, {"id": "INT64", "name": "STRING"}, {"name": "STRING(5)"})] == [("NAME", "STRING(5)")]
    assert missing_fields(spec, {"id": "", "name": "", "at": ""}) == []


@pytest.mark.parametrize(("name", "standard"), [
    ("INTEGER", "INT64"), ("integer", "INT64"), ("INT64", "INT64"), ("FLOAT", "FLOAT64"), ("BOOLEAN", "BOOL"),
    ("DECIMAL", "NUMERIC"), ("BIGDECIMAL", "BIGNUMERIC"), ("string", "STRING"), ("RECORD", "RECORD"),
    ("GEOGRAPHY", "GEOGRAPHY"),
])
def test_types_have_one_name_however_the_interface_spells_them(name: str, standard: str) -> None:
    assert standard_type(name) == standard


EXPRESSIONS = {
    TargetType.INT64: "T.`x`", TargetType.FLOAT64: "T.`x`", TargetType.BOOL: "T.`x`", TargetType.STRING: "T.`x`",
    TargetType.BYTES: "T.`x`", TargetType.TIMESTAMP: "UNIX_MICROS(T.`x`) AS `x`",
    TargetType.DATE: "UNIX_DATE(T.`x`) AS `x`",
    TargetType.NUMERIC: "CAST(T.`x` AS STRING) AS `x`", TargetType.BIGNUMERIC: "CAST(T.`x` AS STRING) AS `x`",
    TargetType.DATETIME: "CAST(T.`x` AS STRING) AS `x`", TargetType.TIME: "CAST(T.`x` AS STRING) AS `x`",
    TargetType.JSON: "TO_JSON_STRING(T.`x`) AS `x`",
}


def test_what_was_sent_is_what_is_selected() -> None:
    assert set(EXPRESSIONS) == set(TargetType)
    assert wire_expressions([column("x", kind) for kind in EXPRESSIONS]) == list(EXPRESSIONS.values())


@pytest.mark.parametrize(("field", "expected"), [
    ({"type": "NUMERIC", "precision": "10", "scale": "2"}, "NUMERIC(10, 2)"),
    ({"type": "NUMERIC", "precision": "10"}, "NUMERIC(10)"),
    ({"type": "BIGNUMERIC", "precision": 40, "scale": 0}, "BIGNUMERIC(40, 0)"),
    ({"type": "STRING", "maxLength": "5"}, "STRING(5)"), ({"type": "BYTES", "maxLength": "5"}, "BYTES(5)"),
    ({"type": "INTEGER", "mode": "REPEATED"}, "ARRAY<INT64>"),
    ({"type": "NUMERIC"}, None), ({"type": "STRING", "mode": "NULLABLE"}, None),
    ({"type": "INTEGER", "mode": "REQUIRED"}, None),
])
def test_a_column_that_takes_less_than_its_type_is_told(field: dict[str, Any], expected: str | None) -> None:
    assert narrow_type(field) == expected
