"""
`.proto` texts that nobody means, each through compilation, mapping, a cycle and a comparison in BigQuery.

Each of them works, or is refused with a reason and a fix.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.capture.files import make
from tests.fuzz.amounts import seeds
from tests.workbench import ROOT

from bqsync.capture.schema import read_table
from bqsync.config import TableSection
from bqsync.encode.compiler import compile_protos
from bqsync.encode.descriptors import load_messages
from bqsync.encode.mapping import draft
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workbench import Workbench

TWO, THREE = 'syntax = "proto2"; import "bq_field.proto"; ', 'syntax = "proto3"; import "bq_field.proto"; '
ROW = "message T { optional int64 id = 1; optional string v = 2; }"
SHIPPED = (ROOT / "protos" / "db_schemas.proto").read_bytes()

WORKING = {
    "bom": "\ufeff" + TWO + ROW,
    "crlf": (TWO + ROW).replace(";", ";\r\n"),
    "edition": 'edition = "2023"; message T { int64 id = 1; string v = 2; }',
    "proto3": THREE + "message T { int64 id = 1; string v = 2; }",
    "oneof": TWO + "message T { optional int64 id = 1; oneof either { string v = 2; bytes w = 3; } }",
    "required": TWO + "message T { required int64 id = 1; optional string v = 2; }",
    "default": TWO + 'message T { optional int64 id = 1 [default = 7]; optional string v = 2 [default = "\\0\\377"]; }',
    "bounds": TWO + "message T { optional int64 id = 536870911; optional string v = 1; reserved 3 to max; }"
    .replace("reserved 3 to max", "reserved 3 to 100"),
    "nested types aside": TWO + ROW.replace("}", "message M { repeated M m = 1; } enum E { A = 0; } }"),
    "extensions": TWO + ROW.replace("}", "extensions 100 to max; } extend T { optional string other = 100; }"),
    "deep": TWO + ROW + "message D0 {" + "".join(f"message D{number} {{" for number in range(1, 25)) + "}" * 25,
    "ignored group": TWO + "message T { optional int64 id = 1; optional string v = 2; "
                     "repeated group G = 3 [(gen_bq_schema.bigquery).ignore = true] { optional int32 a = 1; } }",
    "wide": TWO + "message T { optional int64 id = 1; optional string v = 2; "
            + "".join(f"optional int64 c{number} = {number}; " for number in range(3, 900)) + "}",
    "upper case": TWO + "message T { optional int64 ID = 1; optional string V = 2; }",
    "json names": TWO + 'message T { optional int64 a = 1 [json_name = "id"]; '
                        'optional string b = 2 [json_name = "v"]; }',
    "named": TWO + 'message T { optional int64 id = 1; optional string v = 2 [(gen_bq_schema.bigquery).name = "w"]; }',
    "comments": "// */ \n" + TWO + "/* // \n message X { } */ " + ROW,
}
REFUSED = {
    "empty": "",
    "no syntax at all": "hello",
    "cut": TWO + ROW[:-8],
    "utf-16": (TWO + ROW).encode("utf-16"),
    "nul": (TWO + ROW).encode() + b"\0",
    "bytes": b"\xff\xfe\x00\x80" * 50,
    "missing import": TWO + 'import "nowhere.proto"; ' + ROW,
    "imports itself": TWO + 'import "t.proto"; ' + ROW,
    "imports outside": TWO + 'import "../t.proto"; ' + ROW,
    "imports a device": TWO + 'import "/dev/zero"; ' + ROW,
    "too deep": TWO + ROW + "message D {" * 5000 + "}" * 5000,
    "braces": TWO + "{" * 100_000,
    "twice": TWO + ROW + ROW,
    "field twice": TWO + "message T { optional int64 id = 1; optional string id = 2; }",
    "number twice": TWO + "message T { optional int64 id = 1; optional string v = 1; }",
    "number 0": TWO + "message T { optional int64 id = 0; }",
    "number too large": TWO + "message T { optional int64 id = 536870912; }",
    "number huge": TWO + "message T { optional int64 id = 99999999999999999999999; }",
    "reserved number": TWO + "message T { optional int64 id = 19000; }",
    "foreign letters": TWO + "message T { optional int64 id = 1; optional string größe = 2; }",
    "unknown option": TWO + "message T { optional int64 id = 1 [(gen_bq_schema.bigquery).nothing = true]; }",
    "option of another type": TWO + "message T { optional int64 id = 1 [(gen_bq_schema.bigquery).ignore = 5]; }",
    "option twice": TWO + "message T { optional int64 id = 1 [(gen_bq_schema.bigquery).name = 'a', "
                    "(gen_bq_schema.bigquery).name = 'b']; }",
    "unknown type": TWO + "message T { optional int64 id = 1 [(gen_bq_schema.bigquery).type_override = 'HUGE']; }",
    "repeated": TWO + "message T { optional int64 id = 1; repeated string v = 2; }",
    "map": THREE + "message T { int64 id = 1; map<string, string> v = 2; }",
    "enum": TWO + "enum E { A = 0; } message T { optional int64 id = 1; optional E v = 2; }",
    "message": TWO + "message T { optional int64 id = 1; optional T v = 2; }",
    "group": TWO + "message T { optional int64 id = 1; optional group V = 2 { optional int32 a = 1; } }",
    "timestamp message": THREE + 'import "google/protobuf/timestamp.proto"; '
                         "message T { int64 id = 1; google.protobuf.Timestamp v = 2; }",
    "no such message": TWO + "message U { optional int64 id = 1; }",
}
UNMAPPED = {
    "names that meet": 'optional int64 id = 1; optional string v = 2 [(gen_bq_schema.bigquery).name = "ID"];',
    "a reserved name": 'optional int64 id = 1; optional string v = 2 [(gen_bq_schema.bigquery).name = "_TABLE_x"];',
    "foreign letters": 'optional int64 id = 1; optional string v = 2 [(gen_bq_schema.bigquery).name = "é"];',
    "our own name": 'optional int64 id = 1; optional string v = 2 [(gen_bq_schema.bigquery).name = "_bqsync_key"];',
    "a key that is ignored": "optional int64 id = 1 [(gen_bq_schema.bigquery).ignore = true];",
    "a key of JSON": 'optional int64 id = 1 [(gen_bq_schema.bigquery).type_override = "JSON"];',
}


def compiled(folder: Path, text: str | bytes) -> Path:
    source = folder / "t.proto"
    source.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    compile_protos([source], folder / "t.binpb")
    return folder / "t.binpb"


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_no_message_of_a_table_is_refused_with_a_fix(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(BqsyncError) as caught:
        load_messages(compiled(tmp_path, text), ["T"])
    assert caught.value.kind is ErrorKind.PROTO_INVALID
    assert caught.value.fix
    assert len(caught.value.render()) < 8_000, "an operator reads it"


@pytest.mark.parametrize("fields", UNMAPPED.values(), ids=UNMAPPED)
def test_what_bigquery_would_refuse_is_refused_before(tmp_path: Path, fields: str) -> None:
    source = make(tmp_path / "app.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    declared = source.read(lambda connection: read_table(connection, "t"))
    message = load_messages(compiled(tmp_path, f"{TWO} message T {{ {fields} }}"), ["T"])["T"]
    with pytest.raises(BqsyncError) as caught:
        draft(declared, TableSection(name="t", target="t"), message)
    assert caught.value.kind is ErrorKind.SOURCE_TABLE_INVALID
    assert caught.value.fix


def test_odd_texts_that_are_messages_work_up_to_a_verified_copy(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
                   ("INSERT INTO t VALUES (?, ?)", [(1, "a"), (2, None), (3, ""), (-(1 << 63), "\0é")]))
    for number, (name, text) in enumerate(WORKING.items()):
        compiled(workbench.folder, text)
        workbench.configure(f'[[tables]]\nname = "t"\ntarget = "t{number}"\nmessage = "T"\n',
                            extra='[protos]\nfiles = ["t.proto"]\ndescriptor_set = "t.binpb"')
        workbench.lose_state()
        outcome = workbench.sync()["t"]
        assert (outcome.error, outcome.rows_upserted, outcome.rows_quarantined) == (None, 4, 0), name
        assert workbench.verify("t").rows_different == 0, name
        whole = workbench.query(f"SELECT * FROM {{d}}.t{number}")
        assert sum("" in row.values() for row in whole) == 1, name


def mutated() -> Iterator[tuple[int, bytes]]:
    """The shipped messages with changed letters."""
    words = [b"message ", b"}", b"{", b";", b'"', b"= 1", b"repeated ", b"optional ", b"[", b"import ", b"/*", b"\\x",
             b"\0", b"\xff", b"oneof x {", b"reserved 1 to max;", b"(gen_bq_schema.bigquery).ignore = true"]
    for seed in seeds(12):
        rng, content = random.Random(seed), bytearray(SHIPPED)
        for _ in range(rng.choice((1, 1, 3))):
            at = rng.randrange(len(content))
            content[at : at + rng.choice((0, 1, 20))] = rng.choice(words)
        yield seed, bytes(content)


def test_the_shipped_messages_with_changed_letters_are_read_or_refused(tmp_path: Path) -> None:
    refused = []
    for seed, content in mutated():
        try:
            load_messages(compiled(tmp_path, content))
        except BqsyncError as error:
            refused.append((seed, error.kind))
    assert {kind for _, kind in refused} == {ErrorKind.PROTO_INVALID}, refused


@pytest.mark.parametrize("name", ["a:b", "a=b", "a b", "-x", "ä\n", "$(x)"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "other.proto").write_text(TWO + "message O { }", encoding="utf-8")
    assert list(load_messages(compiled(folder, TWO + 'import "other.proto"; ' + ROW), ["T"])) == ["T"]
