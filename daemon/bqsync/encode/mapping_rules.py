"""What a mapping has to be: its key, and the names of its columns. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bqsync.config import TableSection
from bqsync.encode.column_names import MAX_NAME_LENGTH, is_reserved, legal_name
from bqsync.encode.drafts import ColumnDraft
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import MARK_COLUMN, ROW_ID_COLUMN, SourceColumn, SourceTable, StagingColumn, TableMode, TargetType

MAX_KEY_COLUMNS = 16
"""Source: https://cloud.google.com/bigquery/docs/primary-foreign-keys"""
_KEY_TYPES_REFUSED = (TargetType.JSON,)
"""GoogleSQL has no equality for them."""
BY_CONTENTS = (ROW_ID_COLUMN,)
"""The key of a table that has none."""


def choose_key(source: SourceTable, section: TableSection) -> tuple[str, ...]:
    """
    The key columns of a table, by their names in the source.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID, where there is none, or the configured one names no column.
    """
    if section.key:
        return tuple(_existing(source, name, "key").name for name in section.key)
    if source.primary_key:
        return source.primary_key
    if source.unique_keys:
        return source.unique_keys[0]
    if section.mode is TableMode.APPEND:
        return BY_CONTENTS
    raise _invalid(
        f"table {source.name} has no key",
        "it declares neither a PRIMARY KEY nor a UNIQUE constraint over NOT NULL columns, and SQLite's implicit rowid "
        "changes with VACUUM",
        f"name the columns that identify a row: key = [...] in the [[tables]] entry of {source.name}; or, if rows are "
        'only ever added to it: mode = "append"',
    )


def check_key(source: SourceTable, key: tuple[str, ...], columns: Sequence[ColumnDraft]) -> None:
    """
    See that a key can be found in the target.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID.
    """
    types = {column.source.name: column.target_type for column in columns}
    for name in key:
        if name not in types:
            raise _invalid(f"key column {source.name}.{name} is ignored by its message",
                           "a row can't be found again without its key", "remove `ignore` from that field")
        if types[name] in _KEY_TYPES_REFUSED:
            raise _invalid(f"key column {source.name}.{name} is {types[name]} in BigQuery",
                           f"BigQuery can't compare values of type {types[name]}", "choose another type for the column")
    if len(key) > MAX_KEY_COLUMNS:
        raise _invalid(f"the key of table {source.name} has {len(key)} columns",
                       f"BigQuery takes {MAX_KEY_COLUMNS} at most", "name fewer columns that identify a row")


def check_names(source: SourceTable, section: TableSection) -> None:
    """
    See that all columns are there which the configuration names.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID.
    """
    for setting, names in (("watermark", section.watermark), ("types", section.types),
                           ("timestamps", section.timestamps)):
        for name in names:
            _existing(source, name, setting)


def _existing(source: SourceTable, name: str, setting: str) -> SourceColumn:
    column = source.column(name)
    if column is None:
        raise _invalid(
            f"`{setting}` of table {source.name} names a column {name!r} that the table does not have",
            f"its columns are {', '.join(column.name for column in source.columns)}",
            f"correct `{setting}` in the [[tables]] entry of {source.name}",
        )
    return column


def check_target_names(source: SourceTable, columns: Sequence[ColumnDraft]) -> None:
    """
    See that BigQuery takes the names of the columns, and takes them for different ones.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID.
    """
    taken: dict[str, str] = dict.fromkeys((*StagingColumn, MARK_COLUMN, ROW_ID_COLUMN), "bqsync's own column")
    for column in columns:
        name = column.target_name.lower()
        if name in taken:
            raise _invalid(
                f"columns {column.source.name!r} and {taken[name]!r} of table {source.name} meet in BigQuery",
                f"both become `{column.target_name}`: BigQuery takes letters, digits and _, in any case",
                "give one of them another name with the proto option (gen_bq_schema.bigquery).name",
            )
        if column.target_name != legal_name(column.target_name):
            raise _invalid(f"column {column.source.name!r} of table {source.name} has a name that BigQuery refuses",
                           f"`{column.target_name}` is not made of letters, digits and _ alone, or starts with a digit",
                           "give it another name with the proto option (gen_bq_schema.bigquery).name")
        if is_reserved(name):
            raise _invalid(f"column {column.source.name!r} of table {source.name} has a name that BigQuery reserves",
                           f"`{column.target_name}` starts with a reserved prefix or is over {MAX_NAME_LENGTH} letters",
                           "give it another name with the proto option (gen_bq_schema.bigquery).name")
        taken[name] = column.source.name


def _invalid(what: str, why: str, fix: str) -> BqsyncError:
    return BqsyncError(ErrorKind.SOURCE_TABLE_INVALID, what=what, why=why, fix=fix)
