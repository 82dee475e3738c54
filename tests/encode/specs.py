"""Mappings for tests, and a reader of staged bytes that shares nothing with the code that wrote them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from bqsync.encode.rows import RowEncoder
from bqsync.model import FIRST_FIELD_NUMBER, ColumnSpec, EncodedRow, RejectedRow, TableSpec, TargetType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bqsync.model import SqlValue


def column(name: str, target_type: TargetType = TargetType.STRING, **rest: Any) -> ColumnSpec:
    """A column; `table` gives it its number."""
    return ColumnSpec(source_name=name, target_name=rest.pop("target_name", name), target_type=target_type,
                      field_number=rest.pop("field_number", 0), **rest)


def table(*columns: ColumnSpec, key: Sequence[str] | None = None) -> TableSpec:
    """A mapping of those columns; the first is the key if none is named."""
    numbered = tuple(
        replace(one, field_number=one.field_number or FIRST_FIELD_NUMBER + index) for index, one in enumerate(columns)
    )
    return TableSpec(source_name="things", target_name="things", columns=numbered,
                     key=tuple(key or (columns[0].source_name,)))


def parsed(encoder: RowEncoder, data: bytes) -> dict[str, object]:
    """The fields that stand in a serialized row; a field that is absent is not in the result."""
    file = descriptor_pb2.FileDescriptorProto(name="theirs.proto", package="theirs", syntax="proto2")
    file.message_type.add().CopyFrom(encoder.descriptor)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    theirs = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"theirs.{encoder.descriptor.name}"))
    message = theirs.FromString(data)
    fields = {field.name: value for field, value in theirs.ListFields(message)}
    theirs.DiscardUnknownFields(message)
    assert theirs.ByteSize(message) == len(data), "every byte belongs to a field of the descriptor"
    return fields


def accepted(encoder: RowEncoder, row: Sequence[SqlValue]) -> EncodedRow:
    outcome = encoder.encode(row)
    assert isinstance(outcome, EncodedRow), outcome
    return outcome


def rejected(encoder: RowEncoder, row: Sequence[SqlValue]) -> RejectedRow:
    outcome = encoder.encode(row)
    assert isinstance(outcome, RejectedRow), outcome
    return outcome
