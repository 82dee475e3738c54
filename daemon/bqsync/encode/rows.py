"""
Rows become bytes: data fields for the fingerprint, data plus envelope for the staging table.

The wire form is a proto2 message derived from the table's mapping: every field optional, so that NULL is an absent
field and 0, false and '' are present ones. A staged row is the serialized data followed by the serialized envelope:
concatenated protobuf messages are one message, so a row is serialized once.
Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from itertools import repeat
from typing import Any

import xxhash
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from bqsync.encode.keys import BrokenKeyError, decode_key, encode_key
from bqsync.encode.pages import PageEncoder
from bqsync.encode.partitions import partition_column, partition_reader
from bqsync.encode.rejection import Rejected
from bqsync.encode.shapes import Cell, Shape, shape_of
from bqsync.encode.target_keys import check_key, target_key_reader
from bqsync.encode.values import rereader
from bqsync.encode.wire_form import LENGTH_DELIMITED, VARINT, bytes_fields, joined_rows, tag, varint, varint_fields
from bqsync.model import (
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
_KEY_TAG = tag(_KEY_NUMBER, LENGTH_DELIMITED)
_SEQUENCE_TAG = tag(_SEQUENCE_NUMBER, VARINT)
_OPERATION_FIELDS = {
    operation: tag(_OPERATION_NUMBER, LENGTH_DELIMITED) + b"\x01" + operation.value.encode()
    for operation in Operation
}
_FEW_ROWS = 16
"""So many are encoded one by one: a page is set up for more."""
_MOST_CELLS = 200_000
"""So many are encoded at a time: each takes some 60 bytes until its row is joined."""


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
        self._cells = tuple(Cell(column, zone, is_key=column.source_name in spec.key) for column in spec.columns)
        self._shapes: dict[tuple[type, ...], Shape] = {}
        positions = {column.source_name: index for index, column in enumerate(spec.columns)}
        self._key_positions = tuple(positions[name] for name in spec.key)
        self._key_names = tuple(column.target_name for column in spec.key_columns)
        self.target_keys = target_key_reader(spec, zone)
        column = partition_column(spec)
        self._partition_name = "" if column is None else column.target_name
        self._partition_of = partition_reader(spec.partitioning) if column and spec.partitioning else None
        self._pages = PageEncoder(spec, zone, max_row_bytes=MAX_ROW_BYTES, partition_of=self._partition_of)
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

    def encode_page(
        self, rows: Sequence[Sequence[SqlValue]], keys: Sequence[bytes | None]
    ) -> list[EncodedRow | RejectedRow]:
        """
        What `encode` makes of each row, in a quarter of the time where all of them can be delivered.

        Args:
            rows: of a page, or some of them.
            keys: what `target_keys` gives for these rows.
        """
        if len(rows) <= _FEW_ROWS:
            return [self.encode(row) for row in rows]
        try:
            if len(rows) * len(rows[0]) <= _MOST_CELLS:
                return [*self._pages.encode(rows, keys)]
        except (Rejected, ValueError):
            pass  # which of them it is, the halves tell
        middle = len(rows) // 2
        return self.encode_page(rows[:middle], keys[:middle]) + self.encode_page(rows[middle:], keys[middle:])

    def stage_upsert(self, row: EncodedRow, sequence: int) -> bytes:
        """The staged form of a row to insert or update."""
        return row.row + _envelope(row.key, Operation.UPSERT, sequence)

    def stage_upserts(self, rows: Sequence[EncodedRow], first: int) -> list[bytes]:
        """The staged form of rows to insert or update, numbered from the first on."""
        keys = [row.key for row in rows]
        return list(joined_rows((
            [row.row for row in rows], *bytes_fields(_KEY_NUMBER, keys), repeat(_OPERATION_FIELDS[Operation.UPSERT]),
            *varint_fields(_SEQUENCE_NUMBER, range(first, first + len(rows))))))

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

    def _learn(self, types: tuple[type, ...]) -> Shape:
        """What to do with every row whose cells have these types: decided once, since tables have few such shapes."""
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        shape = self._shapes[types] = shape_of(self._cells, types, self._key_positions)
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


def _message_class(descriptor: descriptor_pb2.DescriptorProto) -> Any:  # noqa: ANN401 - built at run time
    file = descriptor_pb2.FileDescriptorProto(name="row.proto", syntax="proto2", message_type=[descriptor])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(descriptor.name))


def _envelope(key: bytes, operation: Operation, sequence: int) -> bytes:
    return b"".join((_KEY_TAG, varint(len(key)), key, _OPERATION_FIELDS[operation], _SEQUENCE_TAG, varint(sequence)))
