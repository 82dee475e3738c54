"""
Which columns of a target may be given a wider type, and what is to be done about the others. Pure.

BigQuery widens INT64 to NUMERIC, BIGNUMERIC and FLOAT64, NUMERIC to BIGNUMERIC and FLOAT64, and a type with bounds to
one with wider bounds or none. FLOAT64 does not hold every integer beyond 2^53, nor more than 15 decimal digits for
certain: a column that holds such values is not widened to it, since rows that are not sent again would keep the altered
value. Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_column_set_data_type_statement
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bqsync.deliver.merge_sql import ROW, quote, where
from bqsync.deliver.schema import incompatible_columns
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ColumnSpec, Partitioning, TableSpec, TargetRef, TargetType

if TYPE_CHECKING:
    from bqsync.deliver.target import TargetState

_EXACT = frozenset({
    ("INT64", TargetType.NUMERIC), ("INT64", TargetType.BIGNUMERIC), ("NUMERIC", TargetType.BIGNUMERIC),
})
_INEXACT_VALUES = {
    "INT64": "{cell} NOT BETWEEN -9007199254740992 AND 9007199254740992",
    "NUMERIC": "ABS({cell}) >= 10000000000000 OR (ABS({cell}) >= 1000000 AND {cell} != ROUND({cell}, 2))",
}
"""By type, which values FLOAT64 may not hold: beyond 2^53; more than 15 digits, on the safe side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """A column of a target that is to take more than it does."""

    column: ColumnSpec
    there: str
    """Its type, as it is declared there."""
    is_required: bool
    """It has to take NULL before it can be widened: BigQuery says that its mode can't change by a type."""
    inexact: str | None
    """A condition of GoogleSQL on the values that would be altered; None where there are none."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A column of a target that can't be what the mapping says."""

    column: ColumnSpec
    there: str
    why: str


def judge(spec: TableSpec, target: TargetState) -> tuple[list[Widening], list[Obstacle]]:
    """The columns of a target that are of another type, or of a narrower one, than the mapping has."""
    widenings: list[Widening] = []
    obstacles: list[Obstacle] = []
    for column, there in incompatible_columns(spec, target.types, target.narrow):
        name = column.target_name.lower()
        if (why := _why_not(column, target)) is not None:
            obstacles.append(Obstacle(column, there, why))
            continue
        inexact = _INEXACT_VALUES[target.types[name]] if _may_alter(target.types[name], column.target_type) else None
        widenings.append(Widening(
            column=column, there=there, is_required=name in target.required,
            inexact=inexact and inexact.format(cell=f"{ROW}.{quote(column.target_name)}"),
        ))
    return widenings, obstacles


def widen_column_statement(target: TargetRef, widening: Widening) -> str:
    """Give a column its wider type. It may not be REQUIRED then, and the statement has no way to say so."""
    column = widening.column
    return f"ALTER TABLE {target.sql} ALTER COLUMN {quote(column.target_name)} SET DATA TYPE {column.target_type.value}"


def widening_statements(target: TargetRef, widening: Widening) -> list[str]:
    """What gives a column its wider type, in order."""
    relaxing = [relax_column_statement(target, widening.column.target_name)] if widening.is_required else []
    return [*relaxing, widen_column_statement(target, widening)]


def relax_column_statement(target: TargetRef, name: str) -> str:
    """Let a REQUIRED column take NULL."""
    return f"ALTER TABLE {target.sql} ALTER COLUMN {quote(name)} DROP NOT NULL"


def drop_key_statement(target: TargetRef) -> str:
    """Take away a primary key."""
    return f"ALTER TABLE {target.sql} DROP PRIMARY KEY"


def add_key_statement(target: TargetRef, columns: Sequence[str]) -> str:
    """Say what the primary key is. BigQuery does not enforce it."""
    return f"ALTER TABLE {target.sql} ADD PRIMARY KEY ({', '.join(map(quote, columns))}) NOT ENFORCED"


def altered_values_statement(target: TargetRef, condition: str, partitioning: Partitioning | None = None) -> str:
    """At most one row, if a widening would alter a value."""
    return f"SELECT 1 AS present FROM {target.sql} AS {ROW}{where(partitioning, [f'({condition})'])} LIMIT 1"


def refusal(spec: TableSpec, target: TargetState, obstacles: Sequence[Obstacle]) -> BqsyncError:
    """TARGET_INCOMPATIBLE, with what helps: another type here, or room for a new column there."""
    listed = "; ".join(f"{one.column.target_name} is {one.there} there and {one.column.target_type.value} here"
                       f"{one.why and f' ({one.why})'}" for one in obstacles)
    return BqsyncError(
        ErrorKind.TARGET_INCOMPATIBLE, what=f"table {target.ref} has columns of another type", why=listed,
        fix="; ".join([*_kept_types(spec, obstacles), _room(spec, target, obstacles)]),
    )


def unasked(widenings: Sequence[Widening], target: TargetRef) -> BqsyncError:
    """TARGET_INCOMPATIBLE for a target that somebody else made: what is theirs is not altered unasked."""
    listed = "; ".join(f"{one.column.target_name} is {one.there} there and {one.column.target_type.value} here"
                       for one in widenings)
    return BqsyncError(
        ErrorKind.TARGET_INCOMPATIBLE, what=f"table {target} has columns that take less than the source's", why=listed,
        fix="widen them before it is taken over: " + "; ".join(
            statement for one in widenings for statement in widening_statements(target, one)),
    )


def _why_not(column: ColumnSpec, target: TargetState) -> str | None:
    """Why a column can't be widened; '' where its two types say it; None where it can."""
    name, wanted = column.target_name.lower(), column.target_type
    there = target.types[name]
    if target.narrow.get(name, "").startswith("ARRAY"):
        return "it holds several values"
    if there != wanted.value and (there, wanted) not in _EXACT and not _may_alter(there, wanted):
        return ""
    if there != wanted.value and name == target.partitioned_by:
        return "the table is partitioned by it"
    if wanted is TargetType.FLOAT64 and name in target.clustered:
        return "the table is clustered by it"
    return None


def _may_alter(there: str, wanted: TargetType) -> bool:
    return wanted is TargetType.FLOAT64 and there in _INEXACT_VALUES


def _kept_types(spec: TableSpec, obstacles: Sequence[Obstacle]) -> list[str]:
    kept = [f'{_toml_key(one.column.source_name)} = "{one.there}"' for one in obstacles if one.there in set(TargetType)]
    if len(kept) < len(obstacles):
        return []
    return [f"to keep what is there: types = {{ {', '.join(kept)} }} in the [[tables]] entry of {spec.source_name}"]


def _room(spec: TableSpec, target: TargetState, obstacles: Sequence[Obstacle]) -> str:
    keys = {column.target_name for column in spec.key_columns}
    names = [one.column.target_name for one in obstacles]
    fixed = {name for name in names if name in keys or name.lower() in target.clustered | {target.partitioned_by}}
    if fixed:
        # BigQuery neither drops nor renames a column of the key, of the clustering or of the partitions.
        return (f"or, to have the new type: DROP TABLE {target.ref.sql} and sync again; or choose another `target`, if "
                "rows stand there that the source has no more")
    moved = "; ".join(f"ALTER TABLE {target.ref.sql} RENAME COLUMN {quote(name)} TO {quote(_free(name, target))}"
                      for name in names)
    return f"or, to have the new type: {moved}; the next cycle adds the column anew and fills it"


def _free(name: str, target: TargetState) -> str:
    """A name for a column that makes room: no column there has it."""
    names = (f"{name}_old{number or ''}" for number in range(len(target.types) + 1))
    return next(free for free in names if free.lower() not in target.types)


def _toml_key(name: str) -> str:
    bare = name.replace("_", "").replace("-", "")
    return name if bare.isascii() and bare.isalnum() else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
