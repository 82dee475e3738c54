"""Messages of a descriptor set become fields, or are refused with what to do."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2

from bqsync.encode.compiler import compile_protos
from bqsync.encode.descriptors import load_messages
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import ProtoField, ProtoScalar, TargetType

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TYPE_NAMES = [
    ("NUMERIC", TargetType.NUMERIC), ("bignumeric", TargetType.BIGNUMERIC), ("Json", TargetType.JSON),
    ("DATE", TargetType.DATE), ("DATETIME", TargetType.DATETIME), ("TIME", TargetType.TIME),
    ("TIMESTAMP", TargetType.TIMESTAMP), ("INTEGER", TargetType.INT64), ("INT64", TargetType.INT64),
    ("FLOAT", TargetType.FLOAT64), ("boolean", TargetType.BOOL), ("DECIMAL", TargetType.NUMERIC),
    ("BIGDECIMAL", TargetType.BIGNUMERIC), ("STRING", TargetType.STRING), ("BYTES", TargetType.BYTES),
]


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], Path]:
    """Compiles the body of a proto3 file that may use the field options."""

    def compile_body(body: str) -> Path:
        source = tmp_path / "case.proto"
        source.write_text('syntax = "proto3";\nimport "bq_field.proto";\n' + dedent(body))
        return compile_protos([source], tmp_path / "case.binpb").descriptor_set

    return compile_body


def refusal(path: Path, *names: str) -> BqsyncError:
    with pytest.raises(BqsyncError) as caught:
        load_messages(path, names or None)
    assert caught.value.kind is ErrorKind.PROTO_INVALID
    return caught.value


def test_every_scalar_type_of_protobuf_has_its_kind(compiled: Callable[[str], Path]) -> None:
    integers = ["int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64"]
    kinds = {
        **dict.fromkeys(integers, ProtoScalar.INTEGER),
        "float": ProtoScalar.FLOATING, "double": ProtoScalar.FLOATING, "bool": ProtoScalar.BOOL,
        "string": ProtoScalar.STRING, "bytes": ProtoScalar.BYTES,
    }
    lines = [f"optional {name} f_{name} = {number};" for number, name in enumerate(kinds, start=1)]
    fields = load_messages(compiled("message All {" + " ".join(lines) + "}"))["All"]
    assert {field.name.removeprefix("f_"): field.scalar for field in fields} == kinds


def test_every_option_reaches_its_field(compiled: Callable[[str], Path]) -> None:
    path = compiled("""
        message Invoice {
          optional string amount = 1 [(gen_bq_schema.bigquery) = {
            require: true, type_override: "NUMERIC", name: "total", description: "gross",
            policy_tags: "private", default_value_expression: "0"}];
          optional string note = 2;
        }""")
    assert load_messages(path)["Invoice"] == (
        ProtoField(name="amount", scalar=ProtoScalar.STRING, target_name="total", type_override=TargetType.NUMERIC,
                   required=True, description="gross", default_value_expression="0"),
        ProtoField(name="note", scalar=ProtoScalar.STRING),
    )


def test_type_override_takes_current_and_legacy_names_in_any_case(compiled: Callable[[str], Path]) -> None:
    lines = [
        f'optional string x{number} = {number} [(gen_bq_schema.bigquery).type_override = "{name}"];'
        for number, (name, _) in enumerate(TYPE_NAMES, start=1)
    ]
    fields = load_messages(compiled("message M {" + " ".join(lines) + "}"))["M"]
    assert [field.type_override for field in fields] == [target_type for _, target_type in TYPE_NAMES]


def test_an_unknown_type_override_names_the_field_and_the_nearest_type(compiled: Callable[[str], Path]) -> None:
    path = compiled('message M { optional int64 x = 1 [(gen_bq_schema.bigquery).type_override = "timestmp"]; }')
    error = refusal(path)
    assert "'timestmp'" in error.what
    assert "M.x" in error.what
    assert "nearest: TIMESTAMP" in error.fix


@pytest.mark.parametrize(("field", "kind"), [
    ("repeated int64 x = 1", "repeated"),
    ("map<string, string> x = 1", "a map"),
    ("Other x = 1", "a message (Other)"),
    ("Colour x = 1", "an enum (Colour)"),
])
def test_a_field_that_no_cell_can_fill_is_refused_unless_ignored(
    compiled: Callable[[str], Path], field: str, kind: str,
) -> None:
    others = "message Other { optional int64 y = 1; } enum Colour { COLOUR_UNSPECIFIED = 0; }"
    error = refusal(compiled(f"{others} message M {{ {field}; }}"))
    assert "M.x" in error.what
    assert kind in error.why
    ignored = compiled(f"{others} message M {{ {field} [(gen_bq_schema.bigquery).ignore = true]; }}")
    assert load_messages(ignored)["M"][0].ignored


def test_a_message_that_no_table_names_may_hold_anything(compiled: Callable[[str], Path]) -> None:
    path = compiled("message Request { repeated int64 x = 1; } message Row { optional int64 y = 1; }")
    assert list(load_messages(path, ["Row"])) == ["Row"]
    assert "Request.x" in refusal(path, "Request").what


def test_messages_come_in_the_order_of_the_file_without_those_of_the_options(compiled: Callable[[str], Path]) -> None:
    path = compiled("message Zebra { optional int64 x = 1; } message Ant { optional int64 x = 1; }")
    assert list(load_messages(path)) == ["Zebra", "Ant"]


def test_an_unknown_message_is_refused_with_the_nearest_name(compiled: Callable[[str], Path]) -> None:
    error = refusal(compiled("message JobRuns { optional int64 x = 1; }"), "JobRun")
    assert "no message JobRun" in error.what
    assert "nearest: JobRuns" in error.fix


def test_a_name_of_two_packages_is_refused_until_it_carries_its_package(tmp_path: Path) -> None:
    for package in ("red", "blue"):
        text = f'syntax = "proto3"; package {package}; message Row {{ optional int64 {package} = 1; }}'
        (tmp_path / f"{package}.proto").write_text(text)
    path = compile_protos([tmp_path / "red.proto", tmp_path / "blue.proto"], tmp_path / "both.binpb").descriptor_set
    error = refusal(path)
    assert "red.Row, blue.Row" in error.why
    assert load_messages(path, ["blue.Row"])["blue.Row"][0].name == "blue"


def test_a_required_field_of_proto2_is_required(tmp_path: Path) -> None:
    text = 'syntax = "proto2"; message Row { required int64 a = 1; optional int64 b = 2; }'
    (tmp_path / "old.proto").write_text(text)
    path = compile_protos([tmp_path / "old.proto"], tmp_path / "old.binpb").descriptor_set
    assert [field.required for field in load_messages(path)["Row"]] == [True, False]


def test_a_set_with_older_options_reads_those_that_it_has(tmp_path: Path) -> None:
    """Copies of bq_field.proto in the field lack the later options."""
    (tmp_path / "bq_field.proto").write_text(
        'syntax = "proto2"; package gen_bq_schema; import "google/protobuf/descriptor.proto";'
        "message BigQueryFieldOptions { optional bool require = 1; optional string type_override = 2; }"
        "extend google.protobuf.FieldOptions { optional BigQueryFieldOptions bigquery = 1021; }")
    (tmp_path / "case.proto").write_text(
        'syntax = "proto3"; import "bq_field.proto";'
        'message M { optional string x = 1 [(gen_bq_schema.bigquery).type_override = "DATE"]; }')
    path = compile_protos([tmp_path / "case.proto"], tmp_path / "case.binpb").descriptor_set
    assert load_messages(path)["M"][0].type_override is TargetType.DATE


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path / "none.binpb")
    assert "none.binpb" in error.what
    assert "bqsync protos" in error.fix


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\xff", b'syntax = "proto3"; message Row { }\n'])
def test_a_file_that_is_no_descriptor_set_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.binpb"
    path.write_bytes(content)
    assert "no protobuf descriptor set" in refusal(path).what


def test_a_set_cut_short_is_refused(compiled: Callable[[str], Path]) -> None:
    path = compiled("message Row { optional int64 x = 1; }")
    whole = path.read_bytes()
    for length in range(0, len(whole), 31):
        path.write_bytes(whole[:length])
        refusal(path, "Row")


def test_a_set_without_its_imports_is_refused_with_the_flag_to_use(compiled: Callable[[str], Path]) -> None:
    path = compiled("message Row { optional int64 x = 1; }")
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    path.write_bytes(descriptor_pb2.FileDescriptorSet(file=[files[-1]]).SerializeToString())
    error = refusal(path)
    assert "no complete protobuf descriptor set" in error.what
    assert "--include_imports" in error.fix


def test_the_descriptors_of_protobuf_itself_need_not_be_in_the_set(compiled: Callable[[str], Path]) -> None:
    path = compiled('message Row { optional string x = 1 [(gen_bq_schema.bigquery).type_override = "DATE"]; }')
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    kept = [file for file in files if file.package != "google.protobuf"]
    assert len(kept) == len(files) - 1
    path.write_bytes(descriptor_pb2.FileDescriptorSet(file=kept).SerializeToString())
    assert load_messages(path)["Row"][0].type_override is TargetType.DATE


def test_a_json_name_counts_only_where_the_file_gives_one_of_its_own(compiled: Callable[[str], Path]) -> None:
    path = compiled('message M { optional string order_id = 1; optional string a_b = 2 [json_name = "a b"]; '
                    "optional string _x = 3; }")
    assert [(field.name, field.json_name) for field in load_messages(path)["M"]] == [
        ("order_id", None), ("a_b", "a b"), ("_x", None)]
