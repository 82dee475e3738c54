"""
Compiles `.proto` files into the descriptor set that the daemon loads, with the compiler that grpcio-tools carries.

The same files work with any other protoc: `protoc --include_imports --descriptor_set_out=FILE` makes the same set.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from bqsync.encode.descriptors import MAX_SET_BYTES
from bqsync.encode.proto_sources import require_sources
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.regular_file import read_regular, replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence


_COMPILER_S = 120.0
"""Thousands of messages take a second."""
_LINES = 20
"""Of what the compiler says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileResult:
    """What a compilation found and did."""

    proto_files: tuple[Path, ...]
    descriptor_set: Path
    fresh: bool
    """The file held, before the call, exactly what the sources compile to."""
    written: bool
    byte_count: int
    """Size of the compiled set, written or not."""

    def as_dict(self) -> dict[str, object]:
        """The same for `--json`."""
        return {
            "proto_files": [str(file) for file in self.proto_files],
            "descriptor_set": str(self.descriptor_set),
            "fresh": self.fresh,
            "written": self.written,
            "bytes": self.byte_count,
        }


def protos_command(proto_files: Sequence[Path], descriptor_set: Path, *, check: bool) -> CompileResult:
    """
    What `bqsync protos` does: brings the descriptor set up to date, or with `check` only says whether it is.

    Raises:
        BqsyncError: PROTO_INVALID; see `compile_protos`.
    """
    compiled = _compile(proto_files)
    fresh = _holds(descriptor_set, compiled)
    write = not fresh and not check
    if write:
        _replace(descriptor_set, compiled)
    return CompileResult(proto_files=tuple(proto_files), descriptor_set=descriptor_set, fresh=fresh, written=write,
                         byte_count=len(compiled))


def compile_protos(proto_files: Sequence[Path], out: Path) -> CompileResult:
    """
    Compile `proto_files` with all their imports into `out`, whole or not at all; an equal file is left as it is.

    A file may import what lies in its own folder, what bqsync ships (`bq_field.proto`) and what protoc carries
    (`google/protobuf/…`).

    Raises:
        BqsyncError: PROTO_INVALID when grpcio-tools is not installed, a file is missing or does not compile (`why`
            holds the compiler's words with file and line), or `out` can't be written.
    """
    return protos_command(proto_files, out, check=False)


def is_fresh(proto_files: Sequence[Path], out: Path) -> bool:
    """
    Whether `out` holds exactly what `proto_files` compile to. Writes nothing.

    Raises:
        BqsyncError: PROTO_INVALID; see `compile_protos`.
    """
    return protos_command(proto_files, out, check=True).fresh


def shipped_protos() -> Path:
    """The folder of the .proto files that come with bqsync."""
    return Path(str(resources.files("bqsync").joinpath("protos"))).resolve()


def _compile(proto_files: Sequence[Path]) -> bytes:
    require_compiler()
    files = [file.absolute() for file in proto_files]
    if not files:
        raise _invalid("there is no .proto file to compile", "none was named", "name at least one .proto file")
    folders = dict.fromkeys([*(file.parent for file in files), shipped_protos()])
    require_sources(files, tuple(folders))
    with tempfile.TemporaryDirectory(prefix="bqsync-protos-") as name:
        out = Path(name, "descriptors.binpb")
        # The compiler takes `a:b` for two folders and `a=b` for a mapping, so each folder goes by a link.
        links = {folder: Path(name, str(number)) for number, folder in enumerate(folders)}
        for folder, link in links.items():
            link.symlink_to(folder)
        said = _run_compiler([links[file.parent] / file.name for file in files], tuple(links.values()), out)
        if said is None:
            return out.read_bytes()
    for folder, link in links.items():
        said = said.replace(f"{link}{os.sep}", f"{folder}{os.sep}")
    raise _invalid(f"{', '.join(map(str, files))} can't be compiled", said, "correct the line that the compiler names")


def _run_compiler(files: Sequence[Path], folders: Sequence[Path], out: Path) -> str | None:
    """What the compiler finds wrong; None where it has written `out`."""
    includes = [f"--proto_path={folder}" for folder in folders]
    # -P keeps the working folder off the import path: a folder `google` or `grpc` there must not shadow the packages.
    # The module itself adds the folder with google/protobuf/*.proto.
    command = [sys.executable, "-P", "-m", "grpc_tools.protoc", *includes, "--include_imports",
               f"--descriptor_set_out={out}", *map(str, files)]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                                  stdin=subprocess.DEVNULL, timeout=_COMPILER_S)
    except subprocess.TimeoutExpired:
        return f"protoc has not ended within {_COMPILER_S:.0f} s"
    if finished.returncode == 0:
        return None
    lines = (finished.stderr or finished.stdout).strip().splitlines()
    more = [f"… and {len(lines) - _LINES:,} more lines"] if len(lines) > _LINES else []
    return "\n".join([*lines[:_LINES], *more]) or f"protoc ended with code {finished.returncode}"


def require_compiler() -> None:
    """
    See that protos can be compiled at all.

    Raises:
        BqsyncError: PROTO_INVALID, where grpcio-tools is not installed.
    """
    if importlib.util.find_spec("grpc_tools") is None:
        raise _invalid("the protobuf compiler is not installed", "the package grpcio-tools is missing",
                       "pip install 'bqsync[embedded]'")




def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_regular(path, MAX_SET_BYTES) == content
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _invalid(f"{path} can't be read", str(error.strerror or error), "make it a readable file") from error


def _replace(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise _invalid(f"{path} can't be written", str(error.strerror or error),
                       "make its folder exist and writable") from error


def _invalid(what: str, why: str, fix: str) -> BqsyncError:
    return BqsyncError(ErrorKind.PROTO_INVALID, what=what, why=why, fix=fix)
