"""How the columns of a table are encoded by compiled code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from bqsync.encode.columns import ColumnEncoder
from bqsync.encode.timestamps import whole_unit_us
from bqsync.encode.values import ZERO_VALUES
from bqsync.encode.wire_form import FIXED64, LENGTH_DELIMITED, VARINT, tag
from bqsync.model import ColumnSpec, TableSpec, TargetType
from bqsync.native.library import CellType, Column, Key, Kind, NullRule

_KINDS = {TargetType.INT64: Kind.INT64, TargetType.FLOAT64: Kind.DOUBLE, TargetType.BOOL: Kind.BOOL,
          TargetType.STRING: Kind.TEXT, TargetType.BYTES: Kind.BYTES}
_CONVERTED = {TargetType.TIMESTAMP: Kind.INT64, TargetType.DATE: Kind.INT64, TargetType.NUMERIC: Kind.TEXT,
              TargetType.BIGNUMERIC: Kind.TEXT, TargetType.DATETIME: Kind.TEXT, TargetType.TIME: Kind.TEXT,
              TargetType.JSON: Kind.TEXT}
"""What is converted by `encode` first."""
_WIRE_TYPES = {Kind.DOUBLE: FIXED64, Kind.TEXT: LENGTH_DELIMITED, Kind.BYTES: LENGTH_DELIMITED}
_KEY_TYPES = {TargetType.INT64: CellType.INTEGER, TargetType.STRING: CellType.TEXT}


class Plan:
    """
    How the rows of a table are encoded.

    Args:
        spec: the mapping.
        zone: meaning of ISO texts without an offset.

    Attributes:
        converted: those columns that `encode` converts, by their number.
        columns: how each goes onto the wire, in the order of their numbers there, as the protobuf library writes them.
        keys: the parts of the key.
    """

    def __init__(self, spec: TableSpec, zone: tzinfo) -> None:
        names = [column.source_name for column in spec.columns]
        self.converted = {at: ColumnEncoder(column, zone, is_key=column.source_name in spec.key)
                          for at, column in enumerate(spec.columns) if _kind(column) is None}
        order = sorted(range(len(names)), key=lambda at: spec.columns[at].field_number)
        self.columns = (Column * len(names))(*[_column(at, spec.columns[at], spec.key) for at in order])
        parts = [Key(names.index(column.source_name), _KEY_TYPES[column.target_type]) for column in spec.key_columns]
        self.keys = (Key * len(parts))(*parts)


def _kind(column: ColumnSpec) -> Kind | None:
    """None where `encode` has to convert its values."""
    if column.target_type is TargetType.TIMESTAMP and whole_unit_us(column.timestamp_format):
        return Kind.INSTANT
    return _KINDS.get(column.target_type)


def _column(at: int, column: ColumnSpec, key: Sequence[str]) -> Column:
    kind = _kind(column)
    wire = _CONVERTED[column.target_type] if kind is None else kind
    head = tag(column.field_number, _WIRE_TYPES.get(wire, VARINT))
    made = Column(cell=at, kind=wire, null_rule=NullRule.ABSENT if kind is None else _null_rule(column, key),
                  tag_size=len(head), unit_us=whole_unit_us(column.timestamp_format))
    made.tag[: len(head)] = head
    return made


def _null_rule(column: ColumnSpec, key: Sequence[str]) -> NullRule:
    if column.source_name in key:
        return NullRule.UNFIT
    if column.zero_for_null and column.target_type in ZERO_VALUES:
        return NullRule.ZERO
    return NullRule.UNFIT if column.required else NullRule.ABSENT
