"""
Columns of wire values become the encoded rows of a page: the bytes of `encode.rows`, made by ptars.

Each page is believed only after its first and its last row were encoded the other way as well, with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import ptars
import pyarrow as pa
import xxhash
from google.protobuf import descriptor_pb2, descriptor_pool

from bqsync.columnar import kernels as pc
from bqsync.columnar.messages import Assignment, UnfitError
from bqsync.columnar.wires import ColumnWires
from bqsync.encode.rows import MAX_ROW_BYTES, PROTO_TYPES, RowEncoder
from bqsync.model import EncodedPage, EncodedRow, Operation, TargetType

_Field = descriptor_pb2.FieldDescriptorProto
_INT64_OFFSET = 1 << 63
_INT_KEY_BYTES = 9
_SEVEN_BITS = 7


class PageEncoder:
    """
    Encodes pages of one table.

    Args:
        assignment: the table.
    """

    def __init__(self, assignment: Assignment) -> None:
        spec = assignment.spec
        self._rows = RowEncoder(spec, assignment.zone)
        self._wires = [ColumnWires(column, assignment.zone, is_key=column.source_name in spec.key)
                       for column in spec.columns]
        names = [column.source_name for column in spec.columns]
        self._key = [(names.index(column.source_name), column.target_type) for column in spec.key_columns]
        # As the protobuf library does, fields are written in the order of their numbers.
        self._order = sorted(range(len(names)), key=lambda at: spec.columns[at].field_number)
        self._data = _Message([(spec.columns[at].field_number, PROTO_TYPES[spec.columns[at].target_type])
                               for at in self._order])
        self._envelope = _Message([(1, _Field.TYPE_BYTES), (2, _Field.TYPE_STRING), (3, _Field.TYPE_INT64)])
        self._frame = _Message([(1, _Field.TYPE_BYTES)])

    def encode(self, columns: Sequence[Any], first_sequence: int | None) -> EncodedPage:
        """
        Encode a page.

        Args:
            columns: its cells, as arrays of Arrow.
            first_sequence: sequence number of its first row, for rows as they are staged; None for their data alone.

        Raises:
            UnfitError: a row of it can't be delivered, or nobody can tell.
        """
        wires = [one.of(column) for one, column in zip(self._wires, columns, strict=True)]
        data = self._data.serialize([wires[at] for at in self._order])
        keys = self._keys(wires)
        if _longest(data) + _longest(keys) > MAX_ROW_BYTES:
            raise UnfitError("a row that is too large")
        contents = data.to_pylist()
        self._require_equal(columns, contents, keys)
        digests = np.fromiter(map(xxhash.xxh3_64_intdigest, contents), np.uint64, len(contents))
        key_bytes = _common_length(keys) if _ascend(keys) else 0
        lengths = _lengths(data)
        if first_sequence is None:
            body, begins, ends = _body(data), _bounds(data)[:-1], b""
        else:
            staged = self._staged(data, keys, first_sequence)
            framed = self._frame.serialize([staged])
            body, begins = _body(framed), _bounds(framed)[:-1] + _head_bytes(_lengths(staged))
            ends = _bounds(framed)[1:].tobytes()
        return EncodedPage(
            key_bytes=key_bytes, packed_keys=_body(keys) if key_bytes else b"",
            loose_keys=[] if key_bytes else keys.to_pylist(),
            prints=(digests ^ np.uint64(_INT64_OFFSET)).astype("<u8").tobytes(), body=body,
            bounds=np.stack((begins, begins + lengths), axis=1).astype(np.int32).tobytes(), ends=ends,
            first_sequence=first_sequence or 0, took_s=0.0)

    def _staged(self, data: Any, keys: Any, first_sequence: int) -> Any:
        """The data of each row, followed by its envelope."""
        count = len(data)
        sequence = pa.array(np.arange(first_sequence, first_sequence + count))
        operation = pa.repeat(pa.scalar(Operation.UPSERT.value), count)
        return pc.binary_join_element_wise(data, self._envelope.serialize([keys, operation, sequence]),
                                           pa.scalar(b"", pa.binary()))

    def _keys(self, wires: Sequence[Any]) -> Any:
        """As `encode.keys`."""
        parts = [_int_part(wires[at]) if kind is TargetType.INT64 else _text_part(wires[at]) for at, kind in self._key]
        return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))

    def _require_equal(self, columns: Sequence[Any], contents: Sequence[bytes], keys: Any) -> None:
        for at in (0, len(contents) - 1):
            row = self._rows.encode([column[at].as_py() for column in columns])
            if not isinstance(row, EncodedRow) or (row.row, row.key) != (contents[at], keys[at].as_py()):
                raise UnfitError("the two ways to encode a row differ")


class _Message:
    """
    A proto2 message of optional fields, which ptars serializes.

    Args:
        fields: number and type of each.
    """

    def __init__(self, fields: Sequence[tuple[int, _Field.Type.ValueType]]) -> None:
        # A file of its own for each: ptars keeps what it has learned of a message by its name.
        message = descriptor_pb2.DescriptorProto(name="Row")
        for number, kind in fields:
            message.field.add(name=f"f{number}", number=number, type=kind, label=_Field.LABEL_OPTIONAL)
        file = descriptor_pb2.FileDescriptorProto(name="row.proto", syntax="proto2", message_type=[message])
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        descriptor = pool.FindMessageTypeByName("Row")
        self._names = [f"f{number}" for number, _ in fields]
        self._handler = ptars.HandlerPool([descriptor.file]).get_for_message(descriptor)

    def serialize(self, columns: Sequence[Any]) -> Any:
        return self._handler.record_batch_to_array(pa.RecordBatch.from_arrays(columns, names=self._names))


def _int_part(values: Any) -> Any:
    """Its tag, and the number so that the order of the bytes is its own."""
    count = len(values)
    parts = np.empty((count, _INT_KEY_BYTES), np.uint8)
    parts[:, 0] = 3
    numbers = values.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64) ^ np.uint64(1 << 63)
    parts[:, 1:] = numbers.astype(">u8").view(np.uint8).reshape(count, 8)
    fixed = pa.Array.from_buffers(pa.binary(_INT_KEY_BYTES), count, [None, pa.py_buffer(parts.tobytes())])
    return pc.cast(fixed, pa.binary())


def _text_part(values: Any) -> Any:
    """Its tag, the text, and its end. A text with a NUL in it is no key that can be delivered."""
    texts = pc.cast(values, pa.binary())
    if pc.any(pc.match_substring(values, "\0")).as_py():
        raise UnfitError("a key with a NUL")
    none = pa.scalar(b"", pa.binary())
    return pc.binary_join_element_wise(pa.scalar(b"\5", pa.binary()), texts, pa.scalar(b"\0\0", pa.binary()), none)


def _bounds(values: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
    """From where to where each value stands, counted from the first one on."""
    bounds = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, 4 * values.offset)
    counted: np.ndarray[Any, np.dtype[np.int32]] = bounds - bounds[0]
    return counted


def _lengths(values: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.diff(_bounds(values))


def _common_length(values: Any) -> int:
    """Of all values; 0 where they have several."""
    lengths = _lengths(values)
    return int(lengths[0]) if (lengths == lengths[0]).all() else 0


def _ascend(values: Any) -> bool:
    """Whether each value is greater than the one before."""
    return bool(pc.all(pc.less(values.slice(0, len(values) - 1), values.slice(1))).as_py())


def _longest(values: Any) -> int:
    return int(_lengths(values).max())


def _head_bytes(lengths: np.ndarray[Any, np.dtype[np.int32]]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """One byte of tag, and those of a length as a varint."""
    heads = np.full(len(lengths), 2, np.int32)
    for bits in (_SEVEN_BITS, 2 * _SEVEN_BITS, 3 * _SEVEN_BITS):
        heads += lengths >> bits > 0
    return heads


def _body(values: Any) -> bytes:
    """All values, one after the other."""
    first, last = np.frombuffer(values.buffers()[1], np.int32)[[values.offset, values.offset + len(values)]]
    return bytes(values.buffers()[2][int(first) : int(last)])
