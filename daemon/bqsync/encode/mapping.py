"""
The mapping of a table: which source column becomes which target column, of which type.

A proto message steers it where the table names one; SQLite's own declaration decides everything else, so that a column
that the message lacks is still delivered. The mapping is made in two steps, because a column of epoch numbers is a
TIMESTAMP only if its values say so: `draft` names the columns whose values have to be looked at, `finish` takes what
was found there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bqsync.config import TableSection
from bqsync.encode.partitions import wanted_partitioning
from bqsync.encode.row_ids import contents_of
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import (
    MARK_COLUMN,
    ROW_ID_COLUMN,
    Affinity,
    ColumnSpec,
    DeletePolicy,
    NullValues,
    Partitioning,
    ProtoField,
    ProtoScalar,
    SourceColumn,
    SourceTable,
    StagingColumn,
    SweepPolicy,
    TableMode,
    TableSpec,
    TargetType,
    TimestampFormat,
    folded,
)

T = TypeVar("T")

TIMESTAMP_SUFFIXES = ("_timestamp", "_at", "_start", "_end")
MAX_KEY_COLUMNS = 16
"""Source: https://cloud.google.com/bigquery/docs/primary-foreign-keys"""
MAX_NAME_LENGTH = 300
"""Source: https://cloud.google.com/bigquery/docs/schemas#column_names"""
_RESERVED_PREFIXES = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_change_")
_KEY_TYPES_REFUSED = (TargetType.JSON,)
"""GoogleSQL has no equality for them."""

_DECLARED_TYPES = {
    "BOOLEAN": TargetType.BOOL,
    "BOOL": TargetType.BOOL,
    "ANY": TargetType.STRING,
    "": TargetType.STRING,
}
_AFFINITY_TYPES = {
    Affinity.INTEGER: TargetType.INT64,
    Affinity.REAL: TargetType.FLOAT64,
    Affinity.NUMERIC: TargetType.FLOAT64,
    Affinity.BLOB: TargetType.BYTES,
    Affinity.TEXT: TargetType.STRING,
}
_PLAIN_KEYS = frozenset({
    (TargetType.INT64, Affinity.INTEGER), (TargetType.STRING, Affinity.TEXT), (TargetType.FLOAT64, Affinity.REAL),
    (TargetType.BYTES, Affinity.BLOB),
})
"""Where SQLite itself sees to it that a value which can be delivered is of the very type of its target."""
_BY_SCALAR = {
    ProtoScalar.INTEGER: TargetType.INT64,
    ProtoScalar.FLOATING: TargetType.FLOAT64,
    ProtoScalar.BOOL: TargetType.BOOL,
    ProtoScalar.STRING: TargetType.STRING,
    ProtoScalar.BYTES: TargetType.BYTES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDraft:
    """A column whose type is settled, or settled but for a look at its values."""

    source: SourceColumn
    target_name: str
    target_type: TargetType
    timestamp_format: TimestampFormat | None = None
    fallback: TargetType | None = None
    """The type if the values are not instants; None: they have to be."""
    required: bool = False
    description: str | None = None
    default_value_expression: str | None = None

    @property
    def needs_probe(self) -> bool:
        """Whether the meaning of its values is still open."""
        return self.target_type is TargetType.TIMESTAMP and self.timestamp_format is None


_BY_CONTENTS = (ROW_ID_COLUMN,)
"""The key of a table that has none."""
_ROW_ID = ColumnDraft(
    source=SourceColumn(name=ROW_ID_COLUMN, declared_type="BLOB", affinity=Affinity.BLOB, not_null=True),
    target_name=ROW_ID_COLUMN, target_type=TargetType.BYTES,
    description="What bqsync knows this row by: a digest of its contents, and which of its likes it is",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDraft:
    """A mapping before the values were looked at."""

    source: SourceTable
    section: TableSection
    key: tuple[str, ...]
    columns: tuple[ColumnDraft, ...]
    warnings: tuple[str, ...]


def draft(source: SourceTable, section: TableSection, message: Sequence[ProtoField] | None) -> TableDraft:
    """
    Draft the mapping of a table.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID, where columns, names or key don't allow a mapping.
    """
    _check_names(source, section)
    fields = _fields_by_column(source, message or ())
    ignored = {name for name, field in fields.items() if field.ignored}
    kept = [column for column in source.columns if folded(column.name) not in ignored]
    columns = tuple(_draft_column(column, section, fields.get(folded(column.name)), message) for column in kept)
    _check_target_names(source, columns)
    key = _choose_key(source, section)
    if key == _BY_CONTENTS:
        columns += (_ROW_ID,)
    _check_key(source, key, columns)
    return TableDraft(source=source, section=section, key=key, columns=columns,
                      warnings=_warnings(source, section, message))


def finish(
    table: TableDraft,
    formats: Mapping[str, TimestampFormat | None],
    allot: Callable[[Sequence[tuple[str, TargetType]]], Sequence[int]],
) -> TableSpec:
    """
    Complete a draft.

    Args:
        table: the draft.
        formats: by source name, what the values of each column with `needs_probe` turned out to be; None where they
            are no instants of one unit.
        allot: gives the protobuf field number of each (source column, target type).
    """
    settled = [_settle(column, formats) for column in table.columns]
    numbers = allot([(column.source.name, column.target_type) for column in settled])
    zero = table.section.null_values is NullValues.ZERO
    columns = tuple(
        ColumnSpec(
            source_name=column.source.name,
            target_name=column.target_name,
            target_type=column.target_type,
            field_number=number,
            required=column.required,
            timestamp_format=column.timestamp_format,
            zero_for_null=zero and column.source.name not in table.key,
            description=column.description,
            default_value_expression=column.default_value_expression,
        )
        for column, number in zip(settled, numbers, strict=True)
    )
    return TableSpec(
        source_name=table.source.name,
        target_name=table.section.target,
        columns=columns,
        key=table.key,
        key_is_plain=all((column.target_type, column.source.affinity) in _PLAIN_KEYS for column in settled
                         if column.source.name in table.key),
        deletes=_deletes(table.section),
        mode=table.section.mode,
        contents=contents_of([column.source for column in settled if column.source.name != ROW_ID_COLUMN])
        if table.key == _BY_CONTENTS else (),
        partitioning=wanted_partitioning(table.section, columns),
    )


def _deletes(section: TableSection) -> DeletePolicy:
    # Without sweeps nothing tells what is gone; and where rows are only ever added, nothing is.
    is_unjudged = section.sweep is SweepPolicy.OFF or section.mode is TableMode.APPEND
    return DeletePolicy.IGNORE if is_unjudged else section.deletes


def with_target(
    spec: TableSpec, required: frozenset[str], gone: tuple[str, ...] = (), partitioning: Partitioning | None = None
) -> TableSpec:
    """
    The mapping with what its existing target adds.

    Args:
        spec: the mapping.
        required: lower-case names of the target columns that refuse NULL; beside those that a message requires.
        gone: target columns whose source column exists no more.
        partitioning: of the target, whatever was wanted.
    """
    columns = tuple(replace(column, required=column.required or column.target_name.lower() in required)
                    for column in spec.columns)
    return replace(spec, columns=columns, gone=gone, partitioning=partitioning)


def legal_name(name: str) -> str:
    """A BigQuery column name: letters, digits and underscores, not starting with a digit."""
    legal = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return legal if legal[:1].isalpha() or legal.startswith("_") else f"_{legal}"


def is_reserved(name: str) -> bool:
    """Whether BigQuery refuses a column name, though all its characters are allowed."""
    return name.lower().startswith(_RESERVED_PREFIXES) or len(name) > MAX_NAME_LENGTH


def _draft_column(
    column: SourceColumn, section: TableSection, field: ProtoField | None, message: Sequence[ProtoField] | None
) -> ColumnDraft:
    chosen = _lookup(section.types, column.name)
    configured = _lookup(section.timestamps, column.name)
    basis = ColumnDraft(
        source=column,
        target_name=(field.target_name if field else None) or legal_name(column.name),
        target_type=_BY_SCALAR[field.scalar] if field else declared_type(column),
        timestamp_format=configured,
        required=bool(field and field.required),
        description=field.description if field else None,
        default_value_expression=field.default_value_expression if field else None,
    )
    override = chosen or (field.type_override if field else None)
    if override or configured:
        return replace(basis, target_type=override or TargetType.TIMESTAMP)
    if field and message is not None:
        return replace(basis, target_type=TargetType.TIMESTAMP) if named_as_instant(column) else basis
    if _may_be_instant(column):
        return replace(basis, target_type=TargetType.TIMESTAMP, fallback=basis.target_type)
    return basis


def _fields_by_column(source: SourceTable, message: Sequence[ProtoField]) -> dict[str, ProtoField]:
    """
    The field of each column, by the column's name in lower case.

    A field may give, as its JSON name, a column whose own name can't be that of a field.
    """
    by_json_name = {folded(field.json_name): field for field in message
                    if field.json_name is not None and source.column(field.name) is None}
    by_name = {folded(field.name): field for field in message}
    names = (folded(column.name) for column in source.columns)
    return {name: field for name in names if (field := by_name.get(name) or by_json_name.get(name))}


def _lookup(settings: Mapping[str, T], column: str) -> T | None:
    return next((value for name, value in settings.items() if folded(name) == folded(column)), None)


def named_as_instant(column: SourceColumn) -> bool:
    """By the convention of the endings, which a message turns into a rule."""
    return column.name.lower().endswith(TIMESTAMP_SUFFIXES)


def _may_be_instant(column: SourceColumn) -> bool:
    if column.affinity in (Affinity.INTEGER, Affinity.REAL, Affinity.NUMERIC):
        return named_as_instant(column) or _declared_as_instant(column)
    return False


def _declared_as_instant(column: SourceColumn) -> bool:
    return column.declared_type.upper().split("(")[0].strip() in ("DATETIME", "TIMESTAMP")


def declared_type(column: SourceColumn) -> TargetType:
    """The lossless target type for what SQLite declares. STRING takes numbers as well, as their exact text."""
    declared = column.declared_type.upper()
    if declared in _DECLARED_TYPES:
        return _DECLARED_TYPES[declared]
    if column.affinity is Affinity.NUMERIC and ("DATE" in declared or "TIME" in declared):
        return TargetType.STRING
    return _AFFINITY_TYPES[column.affinity]


def _settle(column: ColumnDraft, formats: Mapping[str, TimestampFormat | None]) -> ColumnDraft:
    if not column.needs_probe:
        return column
    found = formats.get(column.source.name)
    if found is None and column.fallback is not None:
        return replace(column, target_type=column.fallback)
    return replace(column, timestamp_format=found)


def _choose_key(source: SourceTable, section: TableSection) -> tuple[str, ...]:
    if section.key:
        return tuple(_existing(source, name, "key").name for name in section.key)
    if source.primary_key:
        return source.primary_key
    if source.unique_keys:
        return source.unique_keys[0]
    if section.mode is TableMode.APPEND:
        return _BY_CONTENTS
    raise _invalid(
        f"table {source.name} has no key",
        "it declares neither a PRIMARY KEY nor a UNIQUE constraint over NOT NULL columns, and SQLite's implicit rowid "
        "changes with VACUUM",
        f"name the columns that identify a row: key = [...] in the [[tables]] entry of {source.name}; or, if rows are "
        'only ever added to it: mode = "append"',
    )


def _check_key(source: SourceTable, key: tuple[str, ...], columns: Sequence[ColumnDraft]) -> None:
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


def _check_names(source: SourceTable, section: TableSection) -> None:
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


def _check_target_names(source: SourceTable, columns: Sequence[ColumnDraft]) -> None:
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


def _warnings(
    source: SourceTable, section: TableSection, message: Sequence[ProtoField] | None
) -> tuple[str, ...]:
    if message is None:
        return ()
    fields = _fields_by_column(source, message)
    lacking = [column.name for column in source.columns if folded(column.name) not in fields]
    used = {field.name for field in fields.values()}
    extra = [field.name for field in message if field.name not in used and not field.ignored]
    return tuple(
        [f"message {section.message} lacks column {name}: its type is taken from SQLite" for name in lacking]
        + [f"message {section.message} has a field {name} that table {source.name} lacks: not delivered"
           for name in extra]
    )


def _invalid(what: str, why: str, fix: str) -> BqsyncError:
    return BqsyncError(ErrorKind.SOURCE_TABLE_INVALID, what=what, why=why, fix=fix)
