"""The compiled part: its fingerprints, its memory, and what goes on without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from package.native import build
from tests.properties import MODEST

import bqsync
from bqsync.native.library import FILE, library

ROOT = Path(__file__).parents[2]
_SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g", "-O1", "-DEXACT_ROOM", "-Werror")
_EVERY_LENGTH = "test_fingerprints_are_those_of_the_package_for_every_length"
_LOADED = "from bqsync.native.library import library; print(library() is not None)"


def fingerprint(data: bytes) -> int:
    found = library()
    assert found is not None
    return int(found.bqsync_xxh3(data, len(data)))


def test_fingerprints_are_those_of_the_package_for_every_length() -> None:
    data = bytes(range(251)) * 20
    for length in (*range(2_200), 4_096, 4_097, len(data)):
        assert fingerprint(data[:length]) == xxhash.xxh3_64_intdigest(data[:length]), length


@MODEST
@given(st.binary(max_size=3_000))
def test_fingerprints_are_those_of_the_package(data: bytes) -> None:
    assert fingerprint(data) == xxhash.xxh3_64_intdigest(data)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The package once more, without its compiled part."""
    shutil.copytree(Path(bqsync.__file__).parent, tmp_path / "bqsync", ignore=shutil.ignore_patterns("*.so.0", "*.pyc"))
    yield tmp_path
    shutil.rmtree(tmp_path)


def run(copy: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(copy), str(ROOT))), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=ROOT,
                          env=environment | more)


def test_memory_is_never_touched_where_it_is_not_ours(copy: Path) -> None:
    """The compiler looks after every access while odd pages are read, encoded and refused."""
    compiler = shutil.which("cc")
    assert compiler is not None
    asked = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    sanitizer = asked.stdout.strip()
    if not Path(sanitizer).is_absolute():
        pytest.skip("the compiler has no libasan")
    assert build(ROOT, *_SANITIZED, product=copy / "bqsync/native/libpages.so.0") == ""
    done = run(copy, "-m", "pytest", "-q", "-p", "no:randomly", "tests/native/test_same_bytes.py",
               "tests/native/test_pages.py", f"{__file__}::{_EVERY_LENGTH}", LD_PRELOAD=sanitizer,
               ASAN_OPTIONS="detect_leaks=0")
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert " passed" in done.stdout


def test_the_compiler_has_nothing_to_say(tmp_path: Path) -> None:
    """Here alone a warning is an error: a newer compiler with more to say still makes the compiled part."""
    assert build(ROOT, "-Werror", product=tmp_path / FILE.name) == ""


def test_without_the_compiled_part_everything_is_read_by_rows(copy: Path) -> None:
    assert run(copy, "-c", _LOADED).stdout == "False\n"


def test_a_part_that_was_made_of_other_sources_is_not_used(copy: Path) -> None:
    place = copy / FILE.relative_to(FILE.parents[2])
    assert build(ROOT, product=place) == ""
    assert run(copy, "-c", _LOADED).stdout == "True\n"
    other = copy / "other"
    (other / "daemon/bqsync").mkdir(parents=True)
    shutil.copytree(FILE.parent, other / "daemon/bqsync/native")
    header = other / "daemon/bqsync/native/pages.h"
    header.write_text(header.read_text().replace("int32_t key_size;", "int64_t key_size;"))
    assert build(other, "-Wno-conversion", product=place) == ""
    assert run(copy, "-c", _LOADED).stdout == "False\n"


def test_what_is_no_library_is_not_used(copy: Path) -> None:
    (copy / FILE.relative_to(FILE.parents[2])).write_bytes(b"\x7fELF")
    assert run(copy, "-c", _LOADED).stdout == "False\n"


def test_no_compiler_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "daemon/bqsync").mkdir(parents=True)
    shutil.copytree(FILE.parent, tmp_path / "daemon/bqsync/native")
    program = "import pathlib, sys, package.native; print(package.native.build(pathlib.Path(sys.argv[1])))"
    done = run(ROOT, "-c", program, str(tmp_path), CC="no-such-compiler")
    assert done.stdout == "there is no C compiler 'no-such-compiler'\n"
    assert not (tmp_path / "daemon/bqsync/native/libpages.so.0").exists(), "an old one would fit no longer"
