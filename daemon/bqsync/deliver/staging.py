"""Staging tables: one for each chunk, with a name of its own, gone by itself if nobody drops it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from bqsync.deliver import target
from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.deliver.history import JOB_PREFIX, target_mark
from bqsync.deliver.merge_sql import staged_operations_statement
from bqsync.deliver.queries import read_portions
from bqsync.deliver.schema import MANAGED_LABEL, staging_fields
from bqsync.deliver.translate import VENDOR_ERRORS
from bqsync.model import Operation, TableSpec, TargetRef

PREFIX = f"_{JOB_PREFIX}"
STAGING_LABEL_VALUE = "staging"
_LIFETIME = timedelta(hours=24)
_MAX_STEM = 200


def new_name(instance: str, into: TargetRef) -> str:
    """
    A name that no other batch ever had: dropping and recreating one name can fail for minutes.

    Args:
        instance: of the state file; orphans are told by it.
        into: the target; its mark stands in the name for us, its table for human eyes.
    """
    return _named(instance, into, datetime.now(UTC).strftime("%Y%m%d%H%M%S"), secrets.token_hex(4))


def example_name(instance: str, into: TargetRef) -> str:
    """What `new_name` gives, with words in the place of the time and of what is random."""
    return _named(instance, into, "TIME", "RANDOM")


def _named(instance: str, into: TargetRef, moment: str, token: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9_]", "_", into.table)[:_MAX_STEM]
    return f"{PREFIX}_{instance}_{target_mark(into)}_{stem}_{moment}_{token}"


def create(destination: Destination, spec: TableSpec, into: TargetRef, instance: str) -> TargetRef:
    """Create the staging table of a batch."""
    ref = TargetRef(project=destination.project, dataset=destination.staging_dataset,
                    table=new_name(instance, into))
    table = bigquery.Table(str(ref), schema=[bigquery.SchemaField.from_api_repr(f) for f in staging_fields(spec)])
    table.expires = datetime.now(UTC) + _LIFETIME
    table.labels = {MANAGED_LABEL: STAGING_LABEL_VALUE}
    destination.policy.call(
        f"create staging table {ref}",
        lambda: destination.rest.create_table(table, exists_ok=True, retry=NO_RETRY, timeout=CALL_TIMEOUT_S),
    )
    return ref


def staged(destination: Destination, table: str) -> Iterator[list[tuple[bytes, Operation]]] | None:
    """
    What a staging table asks of each key, in portions: the newest operation of it, as a MERGE takes it.

    Args:
        destination: where.
        table: `project.dataset.table`.

    Returns:
        None where the table is no more.
    """
    project, dataset, name = table.split(".", 2)
    ref = TargetRef(project=project, dataset=dataset, table=name)
    if target.read(destination, ref) is None:
        return None
    portions = read_portions(destination, staged_operations_statement(ref))
    return ([(bytes(key), Operation(operation)) for key, operation in portion] for portion in portions)


def drop(destination: Destination, table: str) -> bool:
    """
    Drop a staging table. A failure is no failure of the batch: the table expires, and orphans are swept at start.

    Args:
        destination: where.
        table: `project.dataset.table`.

    Returns:
        Whether it is gone.
    """
    try:
        destination.rest.delete_table(table, not_found_ok=True, retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
    except (GoogleAPICallError, *VENDOR_ERRORS):
        return False
    return True


def sweep_orphans(destination: Destination, instance: str, keep: Collection[str]) -> list[str]:
    """
    Drop the staging tables that a crash left behind: ours, and those of a lost state once they are a day old.

    Args:
        destination: where.
        instance: of the state file.
        keep: full names that an intent still refers to.

    Returns:
        The full names of the dropped tables.
    """
    dataset = f"{destination.project}.{destination.staging_dataset}"
    tables = destination.policy.call(
        f"list the tables of {dataset}",
        lambda: list(destination.rest.list_tables(dataset, retry=NO_RETRY, timeout=CALL_TIMEOUT_S)),
    )
    names = [f"{dataset}.{item.table_id}" for item in tables if _is_orphan(item.table_id, item.created, instance)]
    return [name for name in names if name not in keep and drop(destination, name)]


def _is_orphan(name: str, created: datetime | None, instance: str) -> bool:
    if name.startswith(f"{PREFIX}_{instance}_"):
        return True
    return name.startswith(f"{PREFIX}_") and created is not None and created < datetime.now(UTC) - _LIFETIME
