"""The compiler's output is deterministic, whole or absent, and its complaints reach the operator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bqsync.encode.compiler import compile_protos, is_fresh, protos_command, shipped_protos
from bqsync.encode.descriptors import load_messages
from bqsync.errors import BqsyncError, ErrorKind

PROTOS = Path(__file__).parents[2] / "protos"
ROW = 'syntax = "proto3";\nmessage Row {\n  optional int64 x = 1;\n}\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "row.proto"
    path.write_text(ROW)
    return path


def refusal(sources: list[Path], out: Path) -> BqsyncError:
    with pytest.raises(BqsyncError) as caught:
        compile_protos(sources, out)
    assert caught.value.kind is ErrorKind.PROTO_INVALID
    return caught.value


def test_the_checked_in_descriptor_set_is_fresh() -> None:
    assert is_fresh([PROTOS / "db_schemas.proto"], PROTOS / "db_schemas.binpb"), "run `make protos`"


def test_the_shipped_protos_are_those_of_the_checkout() -> None:
    assert shipped_protos() == PROTOS.resolve()


def test_plain_protoc_makes_one_module_that_imports_alone(tmp_path: Path) -> None:
    """The seed's `cd protos && protoc --python_out=. db_schemas.proto`."""
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "-I", ".", f"--python_out={tmp_path}", "db_schemas.proto"]
    subprocess.run(protoc, cwd=PROTOS, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["db_schemas_pb2.py"]
    program = "from db_schemas_pb2 import Prompt; print(Prompt(prompt_temperature=0.0).HasField('prompt_temperature'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_a_second_compilation_leaves_the_file_untouched(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "row.binpb"
    first = compile_protos([source], out)
    before = out.stat()
    second = compile_protos([source], out)
    after = out.stat()
    assert (first.fresh, first.written) == (False, True)
    assert (second.fresh, second.written) == (True, False)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert first.byte_count == after.st_size


def test_the_same_source_compiles_to_the_same_bytes_in_another_folder(source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "row.proto"
    copy.write_text("// a comment changes nothing\n" + ROW)
    compile_protos([source], tmp_path / "row.binpb")
    assert is_fresh([copy], tmp_path / "row.binpb")


def test_a_check_reports_a_changed_source_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "row.binpb"
    assert not is_fresh([source], out)
    assert not out.exists()
    compile_protos([source], out)
    before = out.read_bytes()
    source.write_text(ROW.replace("x = 1", "y = 2"))
    result = protos_command([source], out, check=True)
    assert (result.fresh, result.written) == (False, False)
    assert out.read_bytes() == before
    assert result.as_dict()["fresh"] is False


def test_a_user_file_imports_the_shipped_options(tmp_path: Path) -> None:
    source = tmp_path / "mine.proto"
    source.write_text('syntax = "proto3"; import "bq_field.proto"; import "google/protobuf/any.proto";'
                      "message Row { optional int64 x = 1 [(gen_bq_schema.bigquery).require = true]; }")
    compile_protos([source], tmp_path / "mine.binpb")
    assert load_messages(tmp_path / "mine.binpb")["Row"][0].required


def test_a_syntax_error_is_told_with_file_and_line_and_keeps_the_old_set(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "row.binpb"
    compile_protos([source], out)
    before = out.read_bytes()
    source.write_text(ROW.replace("int64 x", "int65 x"))
    error = refusal([source], out)
    assert str(source) in error.what
    assert "row.proto:3:" in error.why
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["row.binpb", "row.proto"]


def test_a_missing_import_is_told_by_name(tmp_path: Path) -> None:
    source = tmp_path / "row.proto"
    source.write_text('syntax = "proto3";\nimport "nowhere.proto";\n')
    assert "nowhere.proto" in refusal([source], tmp_path / "row.binpb").why


def test_a_missing_source_is_told_by_name(tmp_path: Path) -> None:
    assert "none.proto" in refusal([tmp_path / "none.proto"], tmp_path / "none.binpb").what
    refusal([], tmp_path / "none.binpb")


def test_a_folder_that_is_missing_is_told_by_name(source: Path, tmp_path: Path) -> None:
    assert "row.binpb can't be written" in refusal([source], tmp_path / "missing" / "row.binpb").what


def test_packages_in_the_working_folder_do_not_shadow_the_compiler(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "grpc_tools").mkdir()
    (tmp_path / "grpc_tools" / "__init__.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert compile_protos([Path("row.proto")], Path("row.binpb")).written


def test_without_grpcio_tools_the_error_says_what_to_install(source: Path) -> None:
    program = f"""
import sys
from pathlib import Path
sys.modules["grpc_tools"] = None
from bqsync.encode.compiler import compile_protos
from bqsync.errors import BqsyncError
try:
    compile_protos([Path({str(source)!r})], Path("never"))
except BqsyncError as error:
    print(error.kind.value, error.fix)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "proto_invalid pip install 'bqsync[embedded]'\n"
