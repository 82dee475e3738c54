"""Targets: created, adopted, and read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import requests
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.deliver.merge_sql import any_row_statement, select_statement
from bqsync.deliver.partitions import partitioning_of, time_partitioning
from bqsync.deliver.queries import is_any, read_portions
from bqsync.deliver.schema import (
    MANAGED_LABEL,
    MANAGED_VALUE,
    ROW_ID_LABEL,
    clustering,
    narrow_type,
    primary_key,
    standard_type,
    target_fields,
    wire_expressions,
)
from bqsync.deliver.translate import failure, speaks_no_http, translate
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ColumnSpec, DeletePolicy, Partitioning, TableSpec, TargetRef, WireValue

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
    partitioning: Partitioning | None = None
    clustered: frozenset[str] = frozenset()
    """Lower-case names of the columns by which it is clustered."""
    primary_key: tuple[str, ...] = ()
    """Columns of its primary key; BigQuery does not enforce it, and believes it."""

    @property
    def partitioned_by(self) -> str | None:
        """Lower-case name of the column by which it is partitioned."""
        return None if self.partitioning is None else self.partitioning.column.lower()


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
    """
    The target as it stands; None where it does not exist.

    Raises:
        BqsyncError: TARGET_INCOMPATIBLE, where a view or the like has its name.
    """

    def get() -> bigquery.Table | None:
        try:
            return destination.rest.get_table(str(ref), retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
        except NotFound:
            return None

    table = destination.policy.call(f"read table {ref}", get)
    if table is None:
        return None
    types = {field.name.lower(): standard_type(field.field_type) for field in table.schema}
    if table.table_type not in (None, "TABLE"):
        raise _no_table(ref, table.table_type)
    return TargetState(
        ref=ref,
        created_us=int(table.created.timestamp() * 1_000_000) if table.created else 0,
        types=types,
        required=frozenset(field.name.lower() for field in table.schema if field.mode == "REQUIRED"),
        narrow={field.name.lower(): text for field in table.schema if (text := narrow_type(field.to_api_repr()))},
        managed=table.labels.get(MANAGED_LABEL) == MANAGED_VALUE,
        row_id=table.labels.get(ROW_ID_LABEL),
        partitioning=partitioning_of(table.to_api_repr(), types),
        clustered=frozenset(name.lower() for name in table.clustering_fields or ()),
        primary_key=_primary_key(table),
        row_count=table.num_rows or 0,
    )


def create(destination: Destination, spec: TableSpec, row_id: str | None = None) -> TargetState:
    """
    Create the target of a table, labelled ours, clustered by its key, and partitioned if that is configured.

    Args:
        destination: where.
        spec: the mapping of the table.
        row_id: by which columns its rows are known, where no key tells them apart.
    """
    ref = target_ref(destination, spec)
    table = bigquery.Table(str(ref), schema=[bigquery.SchemaField.from_api_repr(f) for f in target_fields(spec)])
    table.labels = {MANAGED_LABEL: MANAGED_VALUE, **({ROW_ID_LABEL: row_id} if row_id else {})}
    table.clustering_fields = clustering(spec) or None
    if spec.partitioning is not None:
        table.time_partitioning = bigquery.TimePartitioning.from_api_repr(time_partitioning(spec.partitioning))
    if key := primary_key(spec):
        table.table_constraints = bigquery.table.TableConstraints(
            primary_key=bigquery.table.PrimaryKey(columns=key), foreign_keys=None
        )
    destination.policy.call(
        f"create table {ref}",
        lambda: destination.rest.create_table(table, exists_ok=True, retry=NO_RETRY, timeout=CALL_TIMEOUT_S),
    )
    return read_existing(destination, ref)


def has_rows(destination: Destination, ref: TargetRef, partitioning: Partitioning | None = None) -> bool:
    """Whether the target holds any row."""
    return is_any(destination, any_row_statement(ref, partitioning))


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
    destination: Destination, ref: TargetRef, columns: Sequence[ColumnSpec], *, policy: DeletePolicy,
    partitioning: Partitioning | None = None,
) -> Iterator[list[tuple[WireValue, ...]]]:
    """The wire values of those columns for every row of the target, in portions; rows that are marked are absent."""
    unmarked_only = policy is DeletePolicy.MARK
    statement = select_statement(ref, wire_expressions(columns), unmarked_only=unmarked_only,
                                 partitioning=partitioning)
    return read_portions(destination, statement)


def read_existing(destination: Destination, ref: TargetRef) -> TargetState:
    """
    A target that was just made or altered.

    Raises:
        BqsyncError: BIGQUERY_NOT_FOUND, where it is gone.
    """
    state = read(destination, ref)
    if state is None:
        raise BqsyncError(ErrorKind.BIGQUERY_NOT_FOUND, what=f"table {ref} vanished while it was prepared",
                          why="it was there, or was created, a moment ago", fix="see who drops tables in this dataset")
    return state


def _primary_key(table: bigquery.Table) -> tuple[str, ...]:
    constraints = table.table_constraints
    return tuple(constraints.primary_key.columns) if constraints is not None and constraints.primary_key else ()


def _no_table(ref: TargetRef, kind: str) -> BqsyncError:
    named = kind.lower().replace("_", " ")
    return BqsyncError(
        ErrorKind.TARGET_INCOMPATIBLE, what=f"{ref} is no table but a {named}",
        why="rows can be written to a table alone",
        fix=f"drop the {named} or give it another name, and sync again; or choose another `target`",
    )


def _dataset_missing(name: str, location: str) -> BqsyncError:
    return BqsyncError(
        ErrorKind.BIGQUERY_DATASET_MISSING, what=f"dataset {name} does not exist, or not for this account",
        why="BigQuery answers 404 for it",
        fix=f"create it: bq --location={location} mk --dataset {name.replace('.', ':', 1)}; or correct "
        "`bigquery.project` and `bigquery.dataset`",
    )
