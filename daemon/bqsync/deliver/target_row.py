"""One row of a target, looked up by its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.cloud import bigquery

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.deliver.merge_sql import ROW, quote, where
from bqsync.deliver.schema import wire_expressions
from bqsync.deliver.target import TargetState
from bqsync.model import MARK_COLUMN, ColumnSpec, Partitioning, TableSpec, TargetRef, TargetType, WireValue

MAX_ROWS = 10
"""So many rows of one key are counted."""
_RESULT_WAIT_S = 60.0

_PARAMETERS = {
    TargetType.TIMESTAMP: ("TIMESTAMP_MICROS({})", "INT64"), TargetType.DATE: ("DATE_FROM_UNIX_DATE({})", "INT64"),
    TargetType.NUMERIC: ("CAST({} AS NUMERIC)", "STRING"), TargetType.BIGNUMERIC: ("CAST({} AS BIGNUMERIC)", "STRING"),
    TargetType.BYTES: ("FROM_HEX({})", "STRING"),
    TargetType.DATETIME: ("CAST({} AS DATETIME)", "STRING"), TargetType.TIME: ("CAST({} AS TIME)", "STRING"),
}
"""How a wire value becomes one of the column, and the type of its parameter, where it is not one by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """A row as it stands in BigQuery."""

    values: tuple[WireValue, ...]
    """The wire values of the mapping's columns, in their order; None of a column that the target lacks."""
    marked_us: int | None
    """Since when it is marked as deleted, in Unix microseconds."""


def row_statement(
    ref: TargetRef, columns: Sequence[ColumnSpec], key: Sequence[ColumnSpec], *, has_mark: bool,
    partitioning: Partitioning | None = None,
) -> str:
    """
    The rows of one key; its values are the parameters `@k0`, `@k1`, …, of the types in `parameter_type`.

    The key columns are compared without casts, so that clustering can prune.
    """
    mark = [f"UNIX_MICROS({ROW}.{quote(MARK_COLUMN)}) AS marked_us"] if has_mark else []
    conditions = [
        f"{ROW}.{quote(column.target_name)} = {_PARAMETERS.get(column.target_type, ('{}', ''))[0].format(f'@k{place}')}"
        for place, column in enumerate(key)
    ]
    return (f"SELECT {', '.join([*wire_expressions(columns), *mark])} FROM {ref.sql} AS {ROW}"
            f"{where(partitioning, conditions)} LIMIT {MAX_ROWS}")


def parameter_type(column: ColumnSpec) -> str:
    """The type of the parameter that holds the wire value of a key column."""
    return _PARAMETERS.get(column.target_type, ("", column.target_type.value))[1]


def find_rows(
    destination: Destination, found: TargetState, spec: TableSpec, key: Sequence[WireValue]
) -> list[TargetRow]:
    """
    The rows that a target has under one key, marked ones as well.

    Args:
        destination: where.
        found: the target as it stands.
        spec: the mapping.
        key: the wire values of the key columns.

    Raises:
        BqsyncError: BigQuery does not say.
    """
    if any(column.target_name.lower() not in found.types for column in spec.key_columns):
        return []
    present = [column for column in spec.columns if column.target_name.lower() in found.types]
    has_mark = MARK_COLUMN.lower() in found.types
    statement = row_statement(found.ref, present, spec.key_columns, has_mark=has_mark,
                              partitioning=found.partitioning)
    parameters = [bigquery.ScalarQueryParameter(f"k{place}", parameter_type(column), _parameter(value))
                  for place, (column, value) in enumerate(zip(spec.key_columns, key, strict=True))]
    settings = bigquery.QueryJobConfig(query_parameters=parameters)

    def ask() -> list[TargetRow]:
        job = destination.rest.query(statement, job_config=settings, location=destination.location, retry=NO_RETRY,
                                     job_retry=None, timeout=CALL_TIMEOUT_S)
        rows = [tuple(row.values()) for row in job.result(retry=NO_RETRY, job_retry=None, timeout=_RESULT_WAIT_S)]
        return [_row(spec, present, values, has_mark=has_mark) for values in rows]

    return destination.policy.call(f"look up a row of {found.ref}", ask)


def _parameter(value: WireValue) -> int | float | str | bool | None:
    # Not every engine compares a parameter of type BYTES as bytes.
    return value.hex() if isinstance(value, bytes) else value


def _row(
    spec: TableSpec, present: Sequence[ColumnSpec], values: Sequence[WireValue], *, has_mark: bool
) -> TargetRow:
    by_name = {column.target_name: value for column, value in zip(present, values, strict=False)}
    marked_us = values[-1] if has_mark else None
    return TargetRow(values=tuple(by_name.get(column.target_name) for column in spec.columns),
                     marked_us=marked_us if isinstance(marked_us, int) else None)
