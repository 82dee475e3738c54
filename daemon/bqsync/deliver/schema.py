"""Schemas of targets and staging tables. Pure: from a mapping to the resources that the REST interface takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bqsync.deliver.merge_sql import ROW, quote
from bqsync.model import MARK_COLUMN, ColumnSpec, DeletePolicy, StagingColumn, TableSpec, TargetType

MANAGED_LABEL = "bqsync"
"""A target with this label was created or adopted by bqsync."""
MANAGED_VALUE = "target"
ROW_ID_LABEL = "bqsync_row_id"
"""Tells by which columns the rows of a target without a key are known."""

MAX_CLUSTERING_COLUMNS = 4
"""Source: https://cloud.google.com/bigquery/docs/clustered-tables#limitations"""
_CLUSTERING_TYPES = frozenset({
    TargetType.BIGNUMERIC, TargetType.BOOL, TargetType.DATE, TargetType.DATETIME, TargetType.INT64,
    TargetType.NUMERIC, TargetType.STRING, TargetType.TIMESTAMP,
})
"""Source: https://cloud.google.com/bigquery/docs/clustered-tables#cluster_column_types"""
_PRIMARY_KEY_TYPES = _CLUSTERING_TYPES
"""Source: https://cloud.google.com/bigquery/docs/primary-foreign-keys"""

_LEGACY_NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "DECIMAL": "NUMERIC",
                 "BIGDECIMAL": "BIGNUMERIC"}


def standard_type(name: str) -> str:
    """The GoogleSQL name of a type as the REST interface spells it."""
    return _LEGACY_NAMES.get(name.upper(), name.upper())


def target_fields(spec: TableSpec) -> list[dict[str, Any]]:
    """The columns of a target that is created."""
    return [*(_target_field(column) for column in spec.columns), *_mark_fields(spec)]


def staging_fields(spec: TableSpec) -> list[dict[str, Any]]:
    """The envelope and the columns of the target, all NULLABLE: a delete carries its key alone."""
    envelope = [
        {"name": StagingColumn.KEY.value, "type": "BYTES", "mode": "NULLABLE"},
        {"name": StagingColumn.OPERATION.value, "type": "STRING", "mode": "NULLABLE"},
        {"name": StagingColumn.SEQUENCE.value, "type": "INT64", "mode": "NULLABLE"},
    ]
    data = [
        {"name": column.target_name, "type": column.target_type.value, "mode": "NULLABLE"} for column in spec.columns
    ]
    return envelope + data


def clustering(spec: TableSpec) -> list[str]:
    """The key columns that BigQuery can cluster by, four at most: a MERGE then reads less."""
    return [
        column.target_name for column in spec.key_columns if column.target_type in _CLUSTERING_TYPES
    ][:MAX_CLUSTERING_COLUMNS]


def primary_key(spec: TableSpec) -> list[str]:
    """The key for the (unenforced) primary key constraint; empty where BigQuery refuses one of its types."""
    if all(column.target_type in _PRIMARY_KEY_TYPES for column in spec.key_columns):
        return [column.target_name for column in spec.key_columns]
    return []


def narrow_type(field: Mapping[str, Any]) -> str | None:
    """
    How a column is declared that takes less than its type, or more than one value: BigQuery would round or refuse.

    Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#parameterized_data_types
    """
    name = standard_type(field["type"])
    if field.get("mode") == "REPEATED":
        return f"ARRAY<{name}>"
    bounds = [str(field[bound]) for bound in ("precision", "scale", "maxLength") if field.get(bound) is not None]
    return f"{name}({', '.join(bounds)})" if bounds else None


def missing_fields(spec: TableSpec, existing: Mapping[str, str]) -> list[dict[str, Any]]:
    """
    The columns that an existing target has to get: NULLABLE, since its rows have no value for them.

    `existing` is type by lower-case name.
    """
    return [{**field, "mode": "NULLABLE"} for field in target_fields(spec) if field["name"].lower() not in existing]


def incompatible_columns(
    spec: TableSpec, existing: Mapping[str, str], narrow: Mapping[str, str]
) -> list[tuple[ColumnSpec, str]]:
    """The columns that a target has with another type, or a narrower one, with that type; see `narrow_type`."""
    there = {**existing, **narrow}
    found = [(column, there.get(column.target_name.lower())) for column in spec.columns]
    return [(column, name) for column, name in found if name is not None and name != column.target_type.value]


def wire_expressions(columns: Sequence[ColumnSpec]) -> list[str]:
    """SELECT expressions whose values are the wire values again: what was sent is what is read."""
    return [_wire_expression(column) for column in columns]


def _wire_expression(column: ColumnSpec) -> str:
    name = quote(column.target_name)
    cell = f"{ROW}.{name}"
    match column.target_type:
        case TargetType.TIMESTAMP:
            return f"UNIX_MICROS({cell}) AS {name}"
        case TargetType.DATE:
            return f"UNIX_DATE({cell}) AS {name}"
        case TargetType.NUMERIC | TargetType.BIGNUMERIC | TargetType.DATETIME | TargetType.TIME:
            return f"CAST({cell} AS STRING) AS {name}"
        case TargetType.JSON:
            return f"TO_JSON_STRING({cell}) AS {name}"
        case _:
            return cell


def _mark_fields(spec: TableSpec) -> list[dict[str, Any]]:
    if spec.deletes is not DeletePolicy.MARK:
        return []
    return [{"name": MARK_COLUMN, "type": TargetType.TIMESTAMP.value, "mode": "NULLABLE",
             "description": "Since when the row is gone from the source; NULL while it is there."}]


def _target_field(column: ColumnSpec) -> dict[str, Any]:
    field: dict[str, Any] = {
        "name": column.target_name,
        "type": column.target_type.value,
        "mode": "REQUIRED" if column.required else "NULLABLE",
    }
    if column.description:
        field["description"] = column.description
    if column.default_value_expression:
        field["defaultValueExpression"] = column.default_value_expression
    return field
