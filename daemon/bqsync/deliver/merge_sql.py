"""The text of every statement that changes a target. Pure; identifiers are checked names, quoted all the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from bqsync.deliver.partitions import every_partition, in_partitions
from bqsync.model import MARK_COLUMN, DeletePolicy, Operation, Partitioning, StagingColumn, TableSpec, TargetRef

ROW = "T"
"""The alias of a target: without one, a column that has the name of its table would stand for the whole row."""


class RowSource(Protocol):
    """What can stand behind FROM: a `TargetRef`, or rows that are written out."""

    @property
    def sql(self) -> str:
        """As GoogleSQL names it."""


def merge_statement(
    spec: TableSpec, target: TargetRef, staging: RowSource, partitions: Collection[int] | None = None
) -> str:
    """
    One MERGE that applies a staging table to its target.

    The newest staged row of each key counts, in the total order of the sequence number; duplicates are found by the
    encoded key, because GoogleSQL refuses to partition by FLOAT64. Keys are compared as typed columns without casts, so
    that clustering can prune. A staged delete that meets no row does nothing: replaying it must not insert a ghost.

    Args:
        spec: the mapping, with its target's partitioning.
        target: the table that is changed.
        staging: what is merged into it.
        partitions: of the target, in which every staged row is and is to be; None: in any. Those that are not named
            are not read, and a row that stood in one of them would be inserted once more.
    """
    names = [column.target_name for column in spec.columns]
    alias = _free_alias([*names, *spec.gone])
    keys = [column.target_name for column in spec.key_columns]
    updated = [name for name in names if name not in keys]
    lines = [
        f"MERGE {target.sql} AS {alias}",
        "USING (",
        "  SELECT *",
        f"  FROM {staging.sql}",
        f"  QUALIFY {_NEWEST_OF_KEY}",
        ") AS S",
        "ON " + " AND ".join(f"{alias}.{quote(name)} = S.{quote(name)}" for name in keys),
        *_pruning(spec.partitioning, alias, partitions),
        *_deletion(alias, spec.deletes),
    ]
    cleared = _cleared(spec)
    if updated or cleared:
        lines += [f"WHEN MATCHED AND S.{quote(StagingColumn.OPERATION)} = '{Operation.UPSERT.value}' THEN",
                  "  UPDATE SET", _assignments(updated, cleared)]
    lines += [
        f"WHEN NOT MATCHED AND S.{quote(StagingColumn.OPERATION)} = '{Operation.UPSERT.value}' THEN",
        f"  INSERT ({', '.join(map(quote, names))})",
        f"  VALUES ({', '.join(f'S.{quote(name)}' for name in names)})",
    ]
    return "\n".join(lines)


def counts_every_upsert(spec: TableSpec) -> bool:
    """Whether each staged upsert changes a row: not where a row that is there already has nothing to be updated."""
    return len(spec.columns) > len(spec.key) or bool(_cleared(spec))


def _cleared(spec: TableSpec) -> list[str]:
    """Columns that go NULL with every upsert."""
    return [*spec.gone, *([MARK_COLUMN] if spec.deletes is DeletePolicy.MARK else [])]


def staged_operations_statement(staging: TargetRef) -> str:
    """The key and the operation of every row of a staging table that a MERGE takes."""
    key, operation = quote(StagingColumn.KEY), quote(StagingColumn.OPERATION)
    return f"SELECT {ROW}.{key}, {ROW}.{operation} FROM {staging.sql} AS {ROW} QUALIFY {_NEWEST_OF_KEY}"


def add_column_statement(target: TargetRef, name: str, type_name: str) -> str:
    """Add a nullable column of a GoogleSQL type; one that exists already stays as it is."""
    return f"ALTER TABLE {target.sql} ADD COLUMN IF NOT EXISTS {quote(name)} {type_name}"


def select_statement(
    target: TargetRef, expressions: Sequence[str], *, unmarked_only: bool = False,
    partitioning: Partitioning | None = None,
) -> str:
    """Read the whole of a target, or what is not marked as deleted; expressions name its columns by the alias `ROW`."""
    conditions = [f"{ROW}.{quote(MARK_COLUMN)} IS NULL"] if unmarked_only else []
    return f"SELECT {', '.join(expressions)} FROM {target.sql} AS {ROW}{where(partitioning, conditions)}"


def any_row_statement(target: TargetRef, partitioning: Partitioning | None = None) -> str:
    """At most one row, if there is any."""
    return f"SELECT 1 AS present FROM {target.sql} AS {ROW}{where(partitioning)} LIMIT 1"


def quote(name: str) -> str:
    """An identifier of GoogleSQL. Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#quoted_identifiers"""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


_NEWEST_OF_KEY = (
    f"ROW_NUMBER() OVER (PARTITION BY {quote(StagingColumn.KEY)} ORDER BY {quote(StagingColumn.SEQUENCE)} DESC) = 1"
)
"""Of the rows that were staged for a key, the last one counts."""


def _pruning(partitioning: Partitioning | None, alias: str, partitions: Collection[int] | None) -> list[str]:
    """What `ON` asks for beside the key, so that BigQuery reads those partitions alone."""
    if partitioning is None:
        return []
    every = every_partition(partitioning, alias)
    condition = every if partitions is None else in_partitions(partitioning, alias, partitions)
    return [f"  AND {condition}"] if condition else []


def where(partitioning: Partitioning | None, conditions: Sequence[str] = ()) -> str:
    """The WHERE clause of a query that reads every partition of a target; '' where nothing is asked for."""
    every = every_partition(partitioning, ROW)
    found = [*([every] if every else []), *conditions]
    return f" WHERE {' AND '.join(found)}" if found else ""


def _free_alias(names: Sequence[str]) -> str:
    """`T`, or `T_` …: where a column has the name of the alias, `SET` would take it for the entire row."""
    taken = {name.upper() for name in names}
    alias = ROW
    while alias in taken:
        alias += "_"
    return alias


def _deletion(alias: str, policy: DeletePolicy) -> list[str]:
    is_delete = f"S.{quote(StagingColumn.OPERATION)} = '{Operation.DELETE.value}'"
    if policy is not DeletePolicy.MARK:
        return [f"WHEN MATCHED AND {is_delete} THEN", "  DELETE"]
    # A mark that stands is kept: it tells since when, and a repeated MERGE must not move it.
    mark = quote(MARK_COLUMN)
    return [f"WHEN MATCHED AND {is_delete} AND {alias}.{mark} IS NULL THEN", "  UPDATE SET",
            f"    {mark} = CURRENT_TIMESTAMP()"]


def _assignments(names: Sequence[str], gone: Sequence[str]) -> str:
    """Bare names on the left: BigQuery takes them with and without the alias, other engines only without."""
    lines = [f"    {quote(name)} = S.{quote(name)}" for name in names] + [f"    {quote(name)} = NULL" for name in gone]
    return ",\n".join(lines)
