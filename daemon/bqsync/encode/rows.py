"""
Rows become bytes: data fields for the fingerprint, data plus envelope for the staging table.

The wire form is a proto2 message derived from the table's mapping: every field optional, so that NULL is an absent
field and 0, false and '' are present ones. A staged row is the serialized data followed by the serialized envelope:
concatenated protobuf messages are one message, so a row is serialized once.
Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from operator import itemgetter
from types import NoneType
from typing import Any

import xxhash
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from bqsync.encode.keys import BrokenKeyError, decode_key, encode_key
from bqsync.encode.partitions import partition_column, partition_reader
from bqsync.encode.rejection import Rejected
from bqsync.encode.target_keys import check_key, target_key_reader
from bqsync.encode.values import PASSED_UNCHANGED, ZERO_VALUES, Converter, converter, rereader
from bqsync.model import (
    ColumnSpec,
    EncodedRow,
    Operation,
    Reason,
    RejectedRow,
    SqlValue,
    StagingColumn,
    TableSpec,
    TargetType,
    WireValue,
)

ENCODING_VERSION = 1
"""To be raised with every change of the bytes that a row becomes: the ledger then has every row encoded once more."""
MAX_ROW_BYTES = 9_800_000
"""
A larger row, its key included, goes to quarantine. The service refuses append requests over 10 MB (20 MB by newer
pages); the rest is room for the request around it. Source: https://cloud.google.com/bigquery/quotas#write-api-limits
"""

_Field = descriptor_pb2.FieldDescriptorProto

PROTO_TYPES: dict[TargetType, _Field.Type.ValueType] = {
    TargetType.INT64: _Field.TYPE_INT64,
    TargetType.FLOAT64: _Field.TYPE_DOUBLE,
    TargetType.BOOL: _Field.TYPE_BOOL,
    TargetType.STRING: _Field.TYPE_STRING,
    TargetType.BYTES: _Field.TYPE_BYTES,
    TargetType.TIMESTAMP: _Field.TYPE_INT64,
    TargetType.NUMERIC: _Field.TYPE_STRING,
    TargetType.BIGNUMERIC: _Field.TYPE_STRING,
    TargetType.DATE: _Field.TYPE_INT32,
    TargetType.DATETIME: _Field.TYPE_STRING,
    TargetType.TIME: _Field.TYPE_STRING,
    TargetType.JSON: _Field.TYPE_STRING,
}
"""Source: https://cloud.google.com/bigquery/docs/supported-data-types"""

_KEY_NUMBER, _OPERATION_NUMBER, _SEQUENCE_NUMBER = 1, 2, 3
_LENGTH_DELIMITED, _VARINT = 2, 0
_KEY_TAG = bytes([_KEY_NUMBER << 3 | _LENGTH_DELIMITED])
_SEQUENCE_TAG = bytes([_SEQUENCE_NUMBER << 3 | _VARINT])
_OPERATION_FIELDS = {
    operation: bytes([_OPERATION_NUMBER << 3 | _LENGTH_DELIMITED, 1]) + operation.value.encode()
    for operation in Operation
}


def row_descriptor(spec: TableSpec) -> descriptor_pb2.DescriptorProto:
    """The self-contained proto2 message of a staged row: envelope and data fields, all optional."""
    message = descriptor_pb2.DescriptorProto(name="Row")
    envelope = (
        (StagingColumn.KEY, _KEY_NUMBER, _Field.TYPE_BYTES),
        (StagingColumn.OPERATION, _OPERATION_NUMBER, _Field.TYPE_STRING),
        (StagingColumn.SEQUENCE, _SEQUENCE_NUMBER, _Field.TYPE_INT64),
    )
    data = ((column.target_name, column.field_number, PROTO_TYPES[column.target_type]) for column in spec.columns)
    for name, number, proto_type in (*envelope, *data):
        # Its own name as JSON name: the default would have `foo_bar` and `fooBar` meet in `fooBar`, which is refused.
        message.field.add(name=name, number=number, type=proto_type, label=_Field.LABEL_OPTIONAL, json_name=name)
    return message


class RowEncoder:
    """
    Encodes the rows of one table under one mapping.

    Args:
        spec: the mapping; its columns name the cells of a row, in order.
        zone: meaning of ISO timestamps without an offset.
    """

    def __init__(self, spec: TableSpec, zone: tzinfo = UTC) -> None:
        self.spec = spec
        self.descriptor = row_descriptor(spec)
        self._message = _message_class(self.descriptor)
        # Taken from the class: a column may have the name of a method, and hide it on the instances.
        self._serialize: Callable[[Any], bytes] = self._message.SerializeToString
        self._cells = tuple(_Cell(column, zone, is_key=column.source_name in spec.key) for column in spec.columns)
        self._shapes: dict[tuple[type, ...], _Shape] = {}
        positions = {column.source_name: index for index, column in enumerate(spec.columns)}
        self._key_positions = tuple(positions[name] for name in spec.key)
        self._key_names = tuple(column.target_name for column in spec.key_columns)
        self.target_keys = target_key_reader(spec, zone)
        column = partition_column(spec)
        self._partition_name = "" if column is None else column.target_name
        self._partition_of = partition_reader(spec.partitioning) if column and spec.partitioning else None
        self._rereaders = tuple(rereader(column) for column in spec.columns)
        self._key_rereaders = tuple(rereader(column) for column in spec.key_columns)

    def encode(self, row: Sequence[SqlValue]) -> EncodedRow | RejectedRow:
        """Encode one row, or say which column keeps it from BigQuery and why."""
        types = tuple(map(type, row))
        shape = self._shapes.get(types) or self._learn(types)
        if not shape.deliverable:
            return self._rejection(row)
        try:
            fields = dict(zip(shape.plain_names, shape.plain_values(row), strict=True))
            for name, position, convert in shape.converted:
                fields[name] = convert(row[position])
            data = self._serialize(self._message(**fields, **shape.zeros))
            key_values = [fields[name] for name in self._key_names]
            check_key(key_values)
        except (Rejected, ValueError):
            return self._rejection(row)
        key = encode_key(key_values)
        if len(data) + len(key) > MAX_ROW_BYTES:
            return self._reject(row, key, self._largest_column(row), Reason.ROW_TOO_LARGE)
        source_key = None if shape.key_is_plain else encode_key([row[at] for at in self._key_positions])
        partition = None
        if self._partition_of is not None:
            partition = self._partition_of(fields.get(self._partition_name, shape.zeros.get(self._partition_name)))
        return EncodedRow(key, data, xxhash.xxh3_64_intdigest(data) - _INT64_OFFSET, source_key, partition)

    def stage_upsert(self, row: EncodedRow, sequence: int) -> bytes:
        """The staged form of a row to insert or update."""
        return row.row + _envelope(row.key, Operation.UPSERT, sequence)

    def stage_delete(self, key: bytes, sequence: int) -> bytes:
        """
        The staged form of a delete: the typed key columns and nothing else of the row.

        Raises:
            BrokenKeyError: the key is none of this table.
        """
        try:
            message = self._message(**dict(zip(self._key_names, decode_key(key), strict=True)))
        except (TypeError, ValueError) as exc:
            raise BrokenKeyError("an encoded key has other types than the columns of its table") from exc
        return self._serialize(message) + _envelope(key, Operation.DELETE, sequence)

    def _learn(self, types: tuple[type, ...]) -> _Shape:
        """What to do with every row whose cells have these types: decided once, since tables have few such shapes."""
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        shape = self._shapes[types] = _shape_of(self._cells, types, self._key_positions)
        return shape

    def _rejection(self, row: Sequence[SqlValue]) -> RejectedRow:
        """Convert cell by cell until the one is found that the fast path stumbled over."""
        key_values: dict[str, WireValue] = {}
        first: tuple[str, Reason] | None = None
        for cell, value in zip(self._cells, row, strict=True):
            try:
                wire = cell.convert(value)
                if cell.name in self._key_names:
                    check_key([wire])
                    key_values[cell.name] = wire
            except Rejected as rejected:
                first = first or (cell.source_name, rejected.reason)
        if first is None:
            raise AssertionError(f"a row of {self.spec.source_name} was refused by protobuf but by no conversion")
        whole = len(key_values) == len(self._key_names)
        key = encode_key(key_values[name] for name in self._key_names) if whole else None
        return self._reject(row, key, *first)

    def _reject(self, row: Sequence[SqlValue], key: bytes | None, column: str, reason: Reason) -> RejectedRow:
        fingerprint = xxhash.xxh3_64_intdigest(encode_key(row)) - _INT64_OFFSET
        key_values = [row[at] for at in self._key_positions]
        if None in key_values:
            # Several rows may have the same NULLs in their key: their contents tell them apart.
            key_values.append(fingerprint)
        return RejectedRow(encode_key(key_values), key, column, reason, fingerprint)

    def refuse(self, row: EncodedRow, reason: Reason, *, is_copy: bool = False) -> RejectedRow:
        """
        The verdict on a row that can be encoded and is not to be delivered all the same.

        Args:
            row: the row.
            reason: why.
            is_copy: another row has the very same source key; its contents tell this one from it.
        """
        source_key = row.owner + (encode_key([row.fingerprint]) if is_copy else b"")
        return RejectedRow(source_key, row.key, self.spec.key[0], reason, row.fingerprint)

    def reread(self, values: Sequence[WireValue]) -> tuple[WireValue, ...]:
        """
        Wire values as they were sent, from those that BigQuery printed: it spells some literals in its own way.

        Args:
            values: of all columns, in order, as the SELECT expressions for wire values give them.
        """
        return tuple(
            value if value is None else reread(value) for reread, value in zip(self._rereaders, values, strict=True)
        )

    def reread_key(self, values: Sequence[WireValue]) -> bytes | None:
        """The encoded key of a row of the target, from its printed key columns; None where one of them is NULL."""
        if None in values:
            return None
        return encode_key(reread(value) for reread, value in zip(self._key_rereaders, values, strict=True))

    def partition_of(self, value: WireValue) -> int | None:
        """The partition of a row of the target, from its printed column; None where the target has none."""
        return None if self._partition_of is None else self._partition_of(value)

    def key_of(self, values: Sequence[WireValue]) -> bytes:
        """The encoded key within the wire values of all columns; a NULL in it stays one."""
        return encode_key(values[at] for at in self._key_positions)

    def fingerprint(self, values: Sequence[WireValue]) -> int:
        """One signed 64-bit number for the wire values of all columns, to compare source and target by."""
        return xxhash.xxh3_64_intdigest(encode_key(values)) - _INT64_OFFSET

    def wire_row(self, row: Sequence[SqlValue]) -> tuple[WireValue, ...]:
        """
        The wire values of a row that can be encoded.

        Raises:
            Rejected: it can't.
        """
        return tuple(cell.convert(value) for cell, value in zip(self._cells, row, strict=True))

    def _largest_column(self, row: Sequence[SqlValue]) -> str:
        sizes = [len(value) if isinstance(value, str | bytes) else 0 for value in row]
        return self.spec.columns[sizes.index(max(sizes))].source_name


_INT64_OFFSET = 1 << 63
_MAX_SHAPES = 4096


class _Cell:
    """The conversion of one column, NULL included."""

    __slots__ = ("convert_value", "is_key", "name", "plain_type", "required", "source_name", "zero")

    def __init__(self, column: ColumnSpec, zone: tzinfo, *, is_key: bool) -> None:
        self.name = column.target_name
        self.source_name = column.source_name
        self.plain_type = PASSED_UNCHANGED.get(column.target_type)
        self.convert_value = converter(column, zone)
        self.zero = ZERO_VALUES.get(column.target_type) if column.zero_for_null else None
        self.is_key = is_key
        # A NULL in a key is refused as such, by the check of the key.
        self.required = column.required and not is_key

    def convert(self, value: SqlValue) -> WireValue:
        """The wire value; None where the field stays absent."""
        if value is not None:
            return self.convert_value(value)
        if self.zero is None and self.required:
            raise Rejected(Reason.NULL_REQUIRED)
        return self.zero


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What is done with rows whose cells have certain types."""

    deliverable: bool
    """No NULL stands where none may be."""
    plain_names: tuple[str, ...]
    plain_values: Callable[[Sequence[SqlValue]], tuple[WireValue, ...]]
    """The cells of `plain_names`, which travel as they are."""
    converted: tuple[tuple[str, int, Converter], ...]
    """Field, position and conversion of the others that are not NULL."""
    zeros: Mapping[str, WireValue]
    """What stands for the NULLs that are not absent."""
    key_is_plain: bool
    """The target key, decoded, is the very source key."""


def _shape_of(cells: Sequence[_Cell], types: Sequence[type], key_positions: Sequence[int]) -> _Shape:
    plain = [at for at, cell in enumerate(cells) if types[at] is cell.plain_type]
    empty = [at for at, kind in enumerate(types) if kind is NoneType]
    others = [at for at in range(len(cells)) if at not in plain and at not in empty]
    return _Shape(
        deliverable=not any(cells[at].is_key or (cells[at].required and cells[at].zero is None) for at in empty),
        plain_names=tuple(cells[at].name for at in plain),
        plain_values=_picker(plain),
        converted=tuple((cells[at].name, at, cells[at].convert_value) for at in others),
        zeros={cells[at].name: cells[at].zero for at in empty if cells[at].zero is not None},
        key_is_plain=set(key_positions) <= set(plain),
    )


def _picker(positions: Sequence[int]) -> Callable[[Sequence[SqlValue]], tuple[WireValue, ...]]:
    if len(positions) > 1:
        return itemgetter(*positions)
    # For a single position itemgetter would return the cell and not a tuple.
    return lambda row: tuple(row[at] for at in positions)


def _message_class(descriptor: descriptor_pb2.DescriptorProto) -> Any:  # noqa: ANN401 - built at run time
    file = descriptor_pb2.FileDescriptorProto(name="row.proto", syntax="proto2", message_type=[descriptor])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(descriptor.name))


def _envelope(key: bytes, operation: Operation, sequence: int) -> bytes:
    return b"".join((_KEY_TAG, _varint(len(key)), key, _OPERATION_FIELDS[operation], _SEQUENCE_TAG, _varint(sequence)))


def _varint(number: int) -> bytes:
    """A non-negative number in protobuf's base-128 form."""
    if number < 128:
        return bytes((number,))
    parts = bytearray()
    while number >= 128:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)
