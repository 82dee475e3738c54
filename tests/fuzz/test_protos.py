"""Descriptor sets with changed bytes or strange options: messages come of them, or an error that says what to run."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2
from tests.fuzz.amounts import seeds
from tests.workbench import ROOT

from bqsync.encode.descriptors import load_messages
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = (ROOT / "protos" / "db_schemas.binpb").read_bytes()
OPTION_NUMBER = 1021
Field = descriptor_pb2.FieldDescriptorProto


def outcome(path: Path, content: bytes) -> BqsyncError | None:
    """None for messages. Whatever else is raised is a fault, and fails the test."""
    path.write_bytes(content)
    try:
        load_messages(path)
    except BqsyncError as raised:
        error = raised
    else:
        return None
    assert error.kind is ErrorKind.PROTO_INVALID
    return error


def test_a_descriptor_set_with_changed_bytes_is_read_or_refused(tmp_path: Path) -> None:
    for seed in seeds(1500):
        rng, content = random.Random(seed), bytearray(SHIPPED)
        at = rng.randrange(len(content))
        match rng.randrange(4):
            case 0:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                del content[at:]
            case 2:
                del content[at : at + rng.randrange(20)]
            case _:
                content[at:at] = rng.randbytes(rng.randrange(20))
        outcome(tmp_path / "protos.binpb", bytes(content))


def with_option(name: str, kind: Field.Type.ValueType, label: Field.Label.ValueType, value: bytes) -> bytes:
    """A set whose bq_field.proto is not ours: one option of that type, and a field that carries it."""
    whole = descriptor_pb2.FileDescriptorSet()
    whole.file.add().MergeFromString(descriptor_pb2.DESCRIPTOR.serialized_pb)
    theirs = whole.file.add(name="bq_field.proto", package="gen_bq_schema", syntax="proto2")
    theirs.dependency.append("google/protobuf/descriptor.proto")
    theirs.message_type.add(name="Options").field.add(name=name, number=1, type=kind, label=label)
    theirs.extension.add(name="bigquery", number=OPTION_NUMBER, label=Field.LABEL_OPTIONAL, type=Field.TYPE_MESSAGE,
                         type_name=".gen_bq_schema.Options", extendee=".google.protobuf.FieldOptions")
    tables = whole.file.add(name="tables.proto", syntax="proto2")
    tables.dependency.append("bq_field.proto")
    column = tables.message_type.add(name="Things").field.add(name="a", number=1, type=Field.TYPE_STRING,
                                                              label=Field.LABEL_OPTIONAL)
    # Field 1021, length-delimited: its tag is the number 8170.
    column.options.MergeFromString(b"\xea\x3f" + bytes([len(value)]) + value)
    return whole.SerializeToString()


@pytest.mark.parametrize(("name", "kind", "label", "value"), [
    ("name", Field.TYPE_INT32, Field.LABEL_OPTIONAL, b"\x08\x05"),
    ("name", Field.TYPE_BYTES, Field.LABEL_OPTIONAL, b"\n\x02\xff\xff"),
    ("name", Field.TYPE_STRING, Field.LABEL_REPEATED, b"\n\x01a\n\x01b"),
    ("name", Field.TYPE_STRING, Field.LABEL_OPTIONAL, b"\n\x09cut"),
    ("type_override", Field.TYPE_INT32, Field.LABEL_OPTIONAL, b"\x08\x05"),
    ("description", Field.TYPE_INT32, Field.LABEL_OPTIONAL, b"\x08\x05"),
    ("ignore", Field.TYPE_BOOL, Field.LABEL_REPEATED, b"\x08\x00"),
])
def test_an_option_of_another_type_is_refused(
    tmp_path: Path, name: str, kind: Field.Type.ValueType, label: Field.Label.ValueType, value: bytes,
) -> None:
    error = outcome(tmp_path / "protos.binpb", with_option(name, kind, label, value))
    assert error is not None
    assert "Things.a" in error.render()
