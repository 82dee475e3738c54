"""Configurations that nobody means: a configuration comes of them, or an error with a fix, and nothing else."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.amounts import examples, seeds
from tests.workbench import ROOT

from bqsync.config import load
from bqsync.config.schema import SECTIONS, TableSection
from bqsync.errors import BqsyncError, ConfigurationError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHIPPED = (ROOT / "config.toml").read_bytes()
LEAST = '[source]\ndb = "a.db"\n[bigquery]\nproject = "p"\ndataset = "d"\n{more}\n[[tables]]\nname = "t"\n'
HUGE = "1" + "0" * 400
ODD_VALUES = ("nan", "-inf", "-1", HUGE, f"-{HUGE}", "1" * 5000, "1e999", "0x7fffffffffffffffffff", "2024-02-30",
              "00:00:00", "true",
              '""', '"\\u0000"', '"\\u001b[31m\\n"', '"' + "x" * 20_000 + '"', "[[[[]]]]", "{a = {b = 1}}",
              f'"{HUGE} h"', f'"{HUGE} MiB"', '"../../etc"', '[1, "a"]', "[" * 2000, "[" * 2000 + "]" * 2000,
              "{a=" * 2000 + "1" + "}" * 2000)
KEYS = [f"[{name}]\n{key}" for name, declared in SECTIONS.items() for key in declared.__struct_encode_fields__]
KEYS += [f"[[tables]]\n{key}" for key in TableSection.__struct_encode_fields__]


def outcome(path: Path, environ: Mapping[str, str] | None = None) -> BqsyncError | None:
    """None for a configuration. Whatever else is raised is a fault, and fails the test."""
    try:
        load(path, environ=environ or {})
    except BqsyncError as raised:
        error = raised
    else:
        return None
    assert error.kind in {ErrorKind.CONFIG_INVALID, ErrorKind.CONFIG_MISSING}
    if isinstance(error, ConfigurationError):
        assert all(problem.fix and "\n" not in problem.message for problem in error.problems)
    return error


@pytest.mark.parametrize("value", ODD_VALUES)
def test_an_odd_value_of_any_key_is_taken_or_refused(tmp_path: Path, value: str) -> None:
    for key in KEYS:
        path = tmp_path / "config.toml"
        path.write_text(f"{key} = {value}\n", encoding="utf-8")
        error = outcome(path)
        assert isinstance(error, ConfigurationError), key


@pytest.mark.parametrize(("more", "words"), [
    (f"[sync]\npage_rows = {HUGE}", ("line 7", "sync.page_rows", "out of range")),
    (f"[sync]\noverlap = {HUGE}", ("line 7", "sync.overlap", "out of range")),
    (f"[sync]\nsweep_duty = -{HUGE}", ("line 7", "sync.sweep_duty", "out of range")),
    (f"[sync]\npage_rows = {'1' * 5000}", ("line 7", "too many digits")),
    ("[sync]\nx =\n [\n" + "[" * 3000, ("line 7", "not valid TOML")),
    ("[sync]\nx = " + "[" * 3000, ("line 7", "nested too deeply")),
    ("[sync]\nx" + ".a" * 20_000 + " = 1", ("line 7", "more than 32,768 characters")),
])
def test_what_no_parser_survives_is_told_with_its_line(tmp_path: Path, more: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "config.toml"
    path.write_text(LEAST.format(more=more), encoding="utf-8")
    error = outcome(path)
    assert error is not None
    assert [word for word in words if word not in error.render()] == []


def test_a_file_that_is_none_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large").write_bytes(b"#" * (16 << 20) + b"\n")
    for name in ("pipe", "loop", ".", "missing", "n" * 5000, "/dev/zero", "large"):
        assert outcome(tmp_path / name) is not None, name


def test_an_environment_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(LEAST.format(more=""), encoding="utf-8")
    (tmp_path / ".env").write_bytes(b"#" * (1 << 20) + b"\n")
    error = outcome(tmp_path / "config.toml")
    assert error is not None
    assert ".env can't be read: it is larger than 1 MiB" in error.render()


@examples(60)
@given(content=st.binary(max_size=60), value=st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_any_environment_is_taken_or_refused(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "config.toml").write_text(LEAST.format(more=""), encoding="utf-8")
    (tmp_path / ".env").write_bytes(b"DB_FILE=" + content)
    outcome(tmp_path / "config.toml", {"BIGQUERY_PROJECT_ID": value, "BQSYNC_LOG_LEVEL": value,
                                       "BIGQUERY_EMULATOR_HOST": value, "DB_FILE": "\udcff"})


def test_the_shipped_configuration_with_changed_bytes_is_taken_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for seed in seeds(150):
        rng, content = random.Random(seed), bytearray(SHIPPED)
        for _ in range(rng.choice((1, 2, 9))):
            at = rng.randrange(len(content))
            put = rng.choice((b"", b"\0", b"\xff", b'"', b"[", b"\r\n", b"=", rng.randbytes(3)))
            content[at : at + rng.choice((0, 1, 30))] = put
        path.write_bytes(bytes(content))
        outcome(path)
