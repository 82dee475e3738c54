"""
Reads messages out of a compiled descriptor set.

A descriptor set is data, so nothing here depends on the protobuf version that made it (generated `_pb2` modules do).
The set is loaded into a pool of its own: other protobuf code of the process neither sees nor disturbs it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ProtoField, ProtoScalar, TargetType
from bqsync.regular_file import MIB, read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

MAX_SET_BYTES = 64 * MIB
"""Messages of some ten thousand tables."""
_OPTION = "gen_bq_schema.bigquery"
_OPTION_KINDS: Mapping[str, type] = {"require": bool, "ignore": bool, "name": str, "type_override": str,
                                    "description": str, "default_value_expression": str}
_NOT_TABLES = ("google.protobuf.", "gen_bq_schema.")
"""Packages that a set carries because they are imported: their messages describe no table."""

_SCALARS: dict[int, ProtoScalar] = {
    FieldDescriptor.CPPTYPE_INT32: ProtoScalar.INTEGER,
    FieldDescriptor.CPPTYPE_INT64: ProtoScalar.INTEGER,
    FieldDescriptor.CPPTYPE_UINT32: ProtoScalar.INTEGER,
    FieldDescriptor.CPPTYPE_UINT64: ProtoScalar.INTEGER,
    FieldDescriptor.CPPTYPE_FLOAT: ProtoScalar.FLOATING,
    FieldDescriptor.CPPTYPE_DOUBLE: ProtoScalar.FLOATING,
    FieldDescriptor.CPPTYPE_BOOL: ProtoScalar.BOOL,
    FieldDescriptor.CPPTYPE_STRING: ProtoScalar.STRING,
}

_TYPE_NAMES: dict[str, TargetType] = {
    **{target_type.value: target_type for target_type in TargetType},
    "INTEGER": TargetType.INT64,
    "FLOAT": TargetType.FLOAT64,
    "BOOLEAN": TargetType.BOOL,
    "DECIMAL": TargetType.NUMERIC,
    "BIGDECIMAL": TargetType.BIGNUMERIC,
}
"""GoogleSQL's names and the legacy ones. Source: https://cloud.google.com/bigquery/docs/data-types"""


@dataclass(frozen=True, slots=True)
class _DescriptorSet:
    path: Path
    tables: Mapping[str, tuple[_Table, ...]]
    """Messages by simple name and, where they have a package, by full name too."""
    names: tuple[str, ...]
    """Simple names, in the order of the file."""
    options_class: type[Message]


@dataclass(frozen=True, slots=True)
class _Table:
    descriptor: Descriptor
    options: Mapping[str, bytes]
    """Serialized FieldOptions by field name."""


def load_messages(path: Path, names: Iterable[str] | None = None) -> dict[str, tuple[ProtoField, ...]]:
    """
    The messages of a descriptor set, each with its fields in the order of the file.

    Args:
        path: a serialized FileDescriptorSet, imports included, as `bqsync protos` writes it.
        names: the messages that are wanted, by simple or full name. All others may then hold what no table row can.
            None asks for every top-level message, by simple name.

    Raises:
        BqsyncError: PROTO_INVALID for a file that is missing, unreadable or no descriptor set, for a name that is
            unknown or stands for several messages, for a field that no column can hold, and for an unknown
            type_override.
    """
    loaded = _load(path)
    wanted = loaded.names if names is None else tuple(names)
    return {name: _fields(loaded, _find(loaded, name)) for name in wanted}


def _load(path: Path) -> _DescriptorSet:
    files = _parse(path)
    pool = _pool(path, files)
    tables: defaultdict[str, list[_Table]] = defaultdict(list)
    for file, message in _table_messages(files):
        full_name = f"{file.package}.{message.name}".lstrip(".")
        options = {field.name: field.options.SerializeToString() for field in message.field}
        table = _Table(pool.FindMessageTypeByName(full_name), options)
        for name in {message.name, full_name}:
            tables[name].append(table)
    simple_names = dict.fromkeys(message.name for _, message in _table_messages(files))
    options_class = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
    return _DescriptorSet(path, {name: tuple(found) for name, found in tables.items()}, tuple(simple_names),
                          options_class)


def _parse(path: Path) -> list[descriptor_pb2.FileDescriptorProto]:
    try:
        files = list(descriptor_pb2.FileDescriptorSet.FromString(read_regular(path, MAX_SET_BYTES)).file)
    except OSError as error:
        raise _invalid(path, f"{path} can't be read", str(error.strerror or error)) from error
    except DecodeError as error:
        raise _invalid(path, f"{path} is no protobuf descriptor set", "its bytes do not parse as one") from error
    if not files:
        raise _invalid(path, f"{path} is no protobuf descriptor set", "it holds no file")
    return files


def _pool(path: Path, files: list[descriptor_pb2.FileDescriptorProto]) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    try:
        if all(file.name != descriptor_pb2.DESCRIPTOR.name for file in files):
            # A set without options does not carry it, and a set made without --include_imports imports it.
            pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
        for file in files:
            pool.AddSerializedFile(file.SerializeToString())
            pool.FindFileByName(file.name)
    except (TypeError, KeyError, ValueError) as error:
        why = f"its files do not fit together: {error}"
        raise _invalid(path, f"{path} is no complete protobuf descriptor set", why) from error
    return pool


def _table_messages(
    files: Iterable[descriptor_pb2.FileDescriptorProto],
) -> Iterator[tuple[descriptor_pb2.FileDescriptorProto, descriptor_pb2.DescriptorProto]]:
    for file in files:
        if not f"{file.package}.".startswith(_NOT_TABLES):
            for message in file.message_type:
                yield file, message


def _find(loaded: _DescriptorSet, name: str) -> _Table:
    found = loaded.tables.get(name, ())
    if not found:
        nearest = _nearest(name, loaded.names)
        raise BqsyncError(ErrorKind.PROTO_INVALID, what=f"{loaded.path} has no message {name}",
                          why=f"it has {', '.join(loaded.names) or 'no message at all'}",
                          fix=f"name one of them{nearest}, or add it to a .proto file and run `bqsync protos`")
    if len(found) > 1:
        full_names = ", ".join(table.descriptor.full_name for table in found)
        raise BqsyncError(ErrorKind.PROTO_INVALID, what=f"{loaded.path} has {len(found)} messages {name}",
                          why=f"the name may mean any of {full_names}",
                          fix="rename one of them, or name the message with its package, and run `bqsync protos`")
    return found[0]


def _fields(loaded: _DescriptorSet, table: _Table) -> tuple[ProtoField, ...]:
    return tuple(_field(loaded, field, table.options[field.name]) for field in table.descriptor.fields)


def _field(loaded: _DescriptorSet, field: FieldDescriptor, serialized_options: bytes) -> ProtoField:
    option = _option(loaded, field, serialized_options)
    ignored = bool(option.get("ignore"))
    return ProtoField(
        name=field.name,
        # The type of an ignored field means nothing: any scalar will do.
        scalar=ProtoScalar.BYTES if ignored else _scalar(loaded.path, field),
        json_name=_json_name(loaded.path, field),
        target_name=option.get("name") or None,
        type_override=None if ignored else _type_override(loaded.path, field, option.get("type_override")),
        required=bool(option.get("require")) or field.is_required,
        ignored=ignored,
        description=option.get("description") or None,
        default_value_expression=option.get("default_value_expression") or None,
    )


def _json_name(path: Path, field: FieldDescriptor) -> str | None:
    """
    The name that a field was given for JSON; None for the one that protoc gives to a field that names none.

    Source: https://protobuf.dev/programming-guides/json
    """
    try:
        given = str(field.json_name)
    except UnicodeDecodeError as error:
        raise _invalid(path, f"{path} is damaged", f"the json_name of {field.full_name} is no text") from error
    first, *others = field.name.split("_")
    return None if given == first + "".join(part[:1].upper() + part[1:] for part in others) else given


def _option(loaded: _DescriptorSet, field: FieldDescriptor, serialized: bytes) -> dict[str, Any]:
    """What a field's options say, by name: only those that are set, whatever version of bq_field.proto was used."""
    try:
        options = loaded.options_class.FromString(serialized)
    except DecodeError as error:
        raise _invalid(loaded.path, f"{loaded.path} is damaged", f"the options of {field.full_name} do not parse",
                       ) from error
    found = {
        member.name: value
        for extension, option in options.ListFields()
        if extension.full_name == _OPTION and extension.message_type is not None
        for member, value in option.ListFields()
    }
    for name, kind in _OPTION_KINDS.items():
        if not isinstance(found.get(name, kind()), kind):
            raise _invalid(loaded.path, f"{loaded.path}: the option {name} of {field.full_name} is no {kind.__name__}",
                           "its bq_field.proto is not the one that bqsync ships, or the file is damaged")
    return found


def _scalar(path: Path, field: FieldDescriptor) -> ProtoScalar:
    if field.is_repeated:
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        raise _unfit(path, field, "a map" if is_map else "repeated")
    if field.message_type is not None:
        raise _unfit(path, field, f"a message ({field.message_type.full_name})")
    if field.enum_type is not None:
        raise _unfit(path, field, f"an enum ({field.enum_type.full_name})")
    return ProtoScalar.BYTES if field.type == FieldDescriptor.TYPE_BYTES else _SCALARS[field.cpp_type]


def _type_override(path: Path, field: FieldDescriptor, name: str | None) -> TargetType | None:
    if not name:
        return None
    target_type = _TYPE_NAMES.get(name.strip().upper())
    if target_type is None:
        nearest = _nearest(name.upper(), _TYPE_NAMES)
        raise BqsyncError(ErrorKind.PROTO_INVALID, what=f"{path}: unknown type_override '{name}' on {field.full_name}",
                          why=f"the types are {', '.join(target.value for target in TargetType)}",
                          fix=f"write one of them{nearest}, and run `bqsync protos`")
    return target_type


def _nearest(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f" (nearest: {close[0]})" if close else ""


def _unfit(path: Path, field: FieldDescriptor, kind: str) -> BqsyncError:
    return BqsyncError(ErrorKind.PROTO_INVALID, what=f"{path}: no column can hold {field.full_name}",
                       why=f"the field is {kind}; a cell of SQLite is one integer, float, bool, string or bytes",
                       fix="give it a scalar type, with type_override where that does not tell the column's type, or "
                           "mark it `[(gen_bq_schema.bigquery).ignore = true]`, and run `bqsync protos`")


def _invalid(path: Path, what: str, why: str) -> BqsyncError:
    fix = f"run `bqsync protos`, or `protoc --include_imports --descriptor_set_out={path}` on your .proto files"
    return BqsyncError(ErrorKind.PROTO_INVALID, what=what, why=why, fix=fix)
