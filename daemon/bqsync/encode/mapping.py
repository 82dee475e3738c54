"""
The mapping of a table: which source column becomes which target column, of which type.

A proto message steers it where the table names one; SQLite's own declaration decides everything else, so that a column
that the message lacks is still delivered. The mapping is made in two steps, because a column of epoch numbers is a
TIMESTAMP only if its values say so: `draft` names the columns whose values have to be looked at, `finish` takes what
was found there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from bqsync.config import TableSection
from bqsync.encode.column_names import legal_name
from bqsync.encode.declared_types import declared_type, may_be_instant, named_as_instant
from bqsync.encode.drafts import ColumnDraft, TableDraft
from bqsync.encode.mapping_rules import BY_CONTENTS, check_key, check_names, check_target_names, choose_key
from bqsync.encode.partitions import wanted_partitioning
from bqsync.encode.row_ids import contents_of
from bqsync.model import (
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
    SweepPolicy,
    TableMode,
    TableSpec,
    TargetType,
    TimestampFormat,
    folded,
)

T = TypeVar("T")
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
_ROW_ID = ColumnDraft(
    source=SourceColumn(name=ROW_ID_COLUMN, declared_type="BLOB", affinity=Affinity.BLOB, not_null=True),
    target_name=ROW_ID_COLUMN, target_type=TargetType.BYTES,
    description="What bqsync knows this row by: a digest of its contents, and which of its likes it is",
)


def draft(source: SourceTable, section: TableSection, message: Sequence[ProtoField] | None) -> TableDraft:
    """
    Draft the mapping of a table.

    Raises:
        BqsyncError: SOURCE_TABLE_INVALID, where columns, names or key don't allow a mapping.
    """
    check_names(source, section)
    fields = _fields_by_column(source, message or ())
    ignored = {name for name, field in fields.items() if field.ignored}
    kept = [column for column in source.columns if folded(column.name) not in ignored]
    columns = tuple(_draft_column(column, section, fields.get(folded(column.name)), message) for column in kept)
    check_target_names(source, columns)
    key = choose_key(source, section)
    if key == BY_CONTENTS:
        columns += (_ROW_ID,)
    check_key(source, key, columns)
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
        if table.key == BY_CONTENTS else (),
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
    if may_be_instant(column):
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


def _settle(column: ColumnDraft, formats: Mapping[str, TimestampFormat | None]) -> ColumnDraft:
    if not column.needs_probe:
        return column
    found = formats.get(column.source.name)
    if found is None and column.fallback is not None:
        return replace(column, target_type=column.fallback)
    return replace(column, timestamp_format=found)


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
