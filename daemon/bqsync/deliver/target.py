"""Targets: created, adopted, given new columns; and read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import requests
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.deliver.merge_sql import add_column_statement, any_row_statement, select_statement
from bqsync.deliver.queries import is_any, read_portions, run_statement
from bqsync.deliver.schema import (
    MANAGED_LABEL,
    MANAGED_VALUE,
    ROW_ID_LABEL,
    clustering,
    incompatible_columns,
    missing_fields,
    narrow_type,
    primary_key,
    standard_type,
    target_fields,
    wire_expressions,
)
from bqsync.deliver.translate import failure, speaks_no_http, translate
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ColumnSpec, DeletePolicy, TableSpec, TargetRef, WireValue

_FIRST_TIMEOUT_S = cast("float", (3.0, 8.0))
"""The first call has less patience, to connect and to answer: a dead endpoint is told in under 10 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """An existing target."""

    ref: TargetRef
    created_us: int
    """Unix microseconds: another time under the same name is another table."""
    types: dict[str, str]
    """GoogleSQL type by lower-case column name."""
    required: frozenset[str]
    """Lower-case names of the columns that refuse NULL."""
    narrow: dict[str, str]
    """By lower-case name, the columns that take less than their type does, with how they are declared."""
    managed: bool
    """It carries our label."""
    row_id: str | None = None
    """By which columns its rows are known, where no key tells them apart: what it was created with."""
    row_count: int = 0
    """About how many rows it has, by its own word."""


def target_ref(destination: Destination, spec: TableSpec) -> TargetRef:
    """The target of a table."""
    return TargetRef(project=destination.project, dataset=destination.dataset, table=spec.target_name)


def check_dataset(destination: Destination, *, create: bool) -> None:
    """
    See that BigQuery answers and the dataset is there: the first call of every command.

    Raises:
        BqsyncError: BIGQUERY_UNREACHABLE and its like; BIGQUERY_DATASET_MISSING.
    """
    name = f"{destination.project}.{destination.dataset}"
    operation = f"read dataset {name}"

    def get() -> None:
        try:
            destination.rest.get_dataset(name, retry=NO_RETRY, timeout=_FIRST_TIMEOUT_S)
        except requests.Timeout as error:
            # Something accepts connections and says nothing: as good as nobody, and to be told as soon.
            raise failure(operation, ErrorKind.BIGQUERY_UNREACHABLE, translate(operation, error).why) from error
        except (requests.RequestException, LookupError, TypeError, AttributeError) as error:
            if isinstance(error, requests.ConnectionError) and not speaks_no_http(error):
                raise
            raise failure(operation, ErrorKind.BIGQUERY_UNREACHABLE, "what answers there is not BigQuery") from error

    try:
        destination.policy.call(operation, get)
    except BqsyncError as error:
        if not isinstance(error.__cause__, NotFound):
            raise
        if not create:
            raise _dataset_missing(name, destination.location) from error
        dataset = bigquery.Dataset(name)
        dataset.location = destination.location
        destination.policy.call(
            f"create dataset {name}",
            lambda: destination.rest.create_dataset(dataset, exists_ok=True, retry=NO_RETRY, timeout=CALL_TIMEOUT_S),
        )


def read(destination: Destination, ref: TargetRef) -> TargetState | None:
    """The target as it stands; None where it does not exist."""

    def get() -> bigquery.Table | None:
        try:
            return destination.rest.get_table(str(ref), retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
        except NotFound:
            return None

    table = destination.policy.call(f"read table {ref}", get)
    if table is None:
        return None
    return TargetState(
        ref=ref,
        created_us=int(table.created.timestamp() * 1_000_000) if table.created else 0,
        types={field.name.lower(): standard_type(field.field_type) for field in table.schema},
        required=frozenset(field.name.lower() for field in table.schema if field.mode == "REQUIRED"),
        narrow={field.name.lower(): text for field in table.schema if (text := narrow_type(field.to_api_repr()))},
        managed=table.labels.get(MANAGED_LABEL) == MANAGED_VALUE,
        row_id=table.labels.get(ROW_ID_LABEL),
        row_count=table.num_rows or 0,
    )


def create(destination: Destination, spec: TableSpec, row_id: str | None = None) -> TargetState:
    """
    Create the target of a table, labelled ours, clustered by its key.

    Args:
        destination: where.
        spec: the mapping of the table.
        row_id: by which columns its rows are known, where no key tells them apart.
    """
    ref = target_ref(destination, spec)
    table = bigquery.Table(str(ref), schema=[bigquery.SchemaField.from_api_repr(f) for f in target_fields(spec)])
    table.labels = {MANAGED_LABEL: MANAGED_VALUE, **({ROW_ID_LABEL: row_id} if row_id else {})}
    table.clustering_fields = clustering(spec) or None
    if key := primary_key(spec):
        table.table_constraints = bigquery.table.TableConstraints(
            primary_key=bigquery.table.PrimaryKey(columns=key), foreign_keys=None
        )
    destination.policy.call(
        f"create table {ref}",
        lambda: destination.rest.create_table(table, exists_ok=True, retry=NO_RETRY, timeout=CALL_TIMEOUT_S),
    )
    return _read_existing(destination, ref)


def evolve(destination: Destination, spec: TableSpec, state: TargetState) -> tuple[TargetState, list[str]]:
    """
    Give an existing target the columns that it lacks.

    Returns:
        The target as it stands then, and the names of the added columns.

    Raises:
        BqsyncError: TARGET_INCOMPATIBLE, where a column exists with another type, or a REQUIRED one has no source.
    """
    if wrong := incompatible_columns(spec, state.types, state.narrow):
        raise _incompatible(state.ref, wrong)
    if unknown := state.required - {column.target_name.lower() for column in spec.columns}:
        raise _unknown_required(state.ref, sorted(unknown))
    missing = missing_fields(spec, state.types)
    if not missing:
        return state, []
    for field in missing:  # one at a time: not every engine takes several in one statement
        run_statement(destination, add_column_statement(state.ref, field["name"], field["type"]))
    after = _read_existing(destination, state.ref)
    if left := missing_fields(spec, after.types):
        # Some engines change the table and not its resource: say it there as well.
        _patch_schema(destination, state.ref, left)
        after = _read_existing(destination, state.ref)
    return after, [field["name"] for field in missing]


def has_rows(destination: Destination, ref: TargetRef) -> bool:
    """Whether the target holds any row."""
    return is_any(destination, any_row_statement(ref))


def adopt(destination: Destination, state: TargetState, row_id: str | None = None) -> None:
    """Put our label on a target that somebody else made; `row_id` as in `create`."""
    table = destination.policy.call(
        f"read table {state.ref}",
        lambda: destination.rest.get_table(str(state.ref), retry=NO_RETRY, timeout=CALL_TIMEOUT_S),
    )
    table.labels = {**table.labels, MANAGED_LABEL: MANAGED_VALUE, **({ROW_ID_LABEL: row_id} if row_id else {})}
    destination.policy.call(
        f"label table {state.ref}",
        lambda: destination.rest.update_table(table, ["labels"], retry=NO_RETRY, timeout=CALL_TIMEOUT_S),
    )


def rows(
    destination: Destination, ref: TargetRef, columns: Sequence[ColumnSpec], *, policy: DeletePolicy
) -> Iterator[list[tuple[WireValue, ...]]]:
    """The wire values of those columns for every row of the target, in portions; rows that are marked are absent."""
    unmarked_only = policy is DeletePolicy.MARK
    statement = select_statement(ref, wire_expressions(columns), unmarked_only=unmarked_only)
    return read_portions(destination, statement)


def _read_existing(destination: Destination, ref: TargetRef) -> TargetState:
    state = read(destination, ref)
    if state is None:
        raise BqsyncError(ErrorKind.BIGQUERY_NOT_FOUND, what=f"table {ref} vanished while it was prepared",
                          why="it was there, or was created, a moment ago", fix="see who drops tables in this dataset")
    return state


def _patch_schema(destination: Destination, ref: TargetRef, missing: Sequence[dict[str, Any]]) -> None:
    def patch() -> None:
        table = destination.rest.get_table(str(ref), retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
        added: list[Any] = [bigquery.SchemaField.from_api_repr(field) for field in missing]
        table.schema = [*table.schema, *added]
        destination.rest.update_table(table, ["schema"], retry=NO_RETRY, timeout=CALL_TIMEOUT_S)

    destination.policy.call(f"add columns to {ref}", patch)


def _dataset_missing(name: str, location: str) -> BqsyncError:
    return BqsyncError(
        ErrorKind.BIGQUERY_DATASET_MISSING, what=f"dataset {name} does not exist, or not for this account",
        why="BigQuery answers 404 for it",
        fix=f"create it: bq --location={location} mk --dataset {name.replace('.', ':', 1)}; or correct "
        "`bigquery.project` and `bigquery.dataset`",
    )


def _incompatible(ref: TargetRef, wrong: Sequence[tuple[ColumnSpec, str]]) -> BqsyncError:
    listed = "; ".join(f"{column.target_name} is {name} there and {column.target_type.value} here"
                       for column, name in wrong)
    return BqsyncError(
        ErrorKind.TARGET_INCOMPATIBLE, what=f"table {ref} has columns of another type", why=listed,
        fix="set the column's type to that of the target (`types` in the [[tables]] entry, or the proto's "
        "type_override), or drop the target and sync again",
    )


def _unknown_required(ref: TargetRef, names: Sequence[str]) -> BqsyncError:
    return BqsyncError(
        ErrorKind.TARGET_INCOMPATIBLE, what=f"table {ref} has REQUIRED columns that the source lacks",
        why=f"no value could be inserted for {', '.join(names)}",
        fix="relax them: " + "; ".join(f"ALTER TABLE {ref.sql} ALTER COLUMN `{name}` DROP NOT NULL" for name in names),
    )
