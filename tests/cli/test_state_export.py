"""The state is shown and exported without a cell; its keys only where they are asked for."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.command_line import bqsync, failure
from tests.state.entries import put

from bqsync.encode.keys import encode_key
from bqsync.errors import ErrorKind
from bqsync.state.ledger import Ledger
from bqsync.state.store import Store
from bqsync.state.tables import TableState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workbench import Workbench

CELL, KEY = "CELLSENTINEL", "KEYSENTINEL"
CONFIG = """
[source]
db = "app.db"
[bigquery]
project = "p"
dataset = "d"
[state]
file = "state.db"
[[tables]]
name = "things"
"""


def exported(folder: Path, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bqsync(folder, "state", "export", *options).output.splitlines()]


def of(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["record"] == kind]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state with a ledger of several pages."""
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    with closing(Store(tmp_path / "state.db")) as store:
        table = TableState(store, store.source_id("app"), "things")
        put(Ledger(store, table.table_id), *((encode_key((number,)), number) for number in range(12_000)))
    return tmp_path


def change(home: Path, *rows: tuple[bytes, int]) -> None:
    with closing(Store(home / "state.db")) as store:
        put(Ledger(store, TableState(store, store.source_id("app"), "things").table_id), *rows)


def test_no_cell_is_shown_and_keys_only_where_they_are_asked_for(workbench: Workbench) -> None:
    workbench.fill("CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, v TEXT, at TEXT)", (
        "INSERT INTO t VALUES (?, ?, ?, ?)",
        [(f"{KEY} 1", 1, CELL, "2026-01-01 00:00:00"), (f"{KEY} 2", CELL, CELL, "2026-01-02 07:08:09")]))
    workbench.configure('[[tables]]\nname = "t"\nwatermark = ["at"]\n')
    workbench.sync()
    home = workbench.folder
    shown = [bqsync(home, "state", *words).output for words in (("show",), ("show", "--json"), ("export",))]
    assert [word for word in (CELL, KEY) for text in shown if word in text] == []
    assert "2026-01-02 07:08:09Z" in shown[0], "of a watermark, its instant"
    assert of(exported(home), "table")[0]["watermarks"][0]["reached_us"] == 1_767_337_689_000_000
    records = exported(home, "--with-keys")
    assert of(records, "ledger")[0]["key"] == [f"{KEY} 1"]
    assert of(records, "quarantine")[0]["source_key"] == [f"{KEY} 2"]
    assert CELL not in json.dumps(records)
    assert of(exported(home, "--no-rows"), "ledger") == []


def test_what_has_changed_between_two_exports_is_what_has_changed(home: Path) -> None:
    before = {record["key"]: record["fingerprint"] for record in of(exported(home), "ledger")}
    assert len(before) == 12_000
    assert bqsync(home, "state", "export").output == bqsync(home, "state", "export").output
    change(home, (encode_key((7,)), -1), (encode_key((20_000,)), 1))
    after = {record["key"]: record["fingerprint"] for record in of(exported(home), "ledger")}
    (changed,) = before.items() - after.items()
    assert changed[1] == f"{7:016x}"
    assert after.items() - before.items() >= {(changed[0], "f" * 16)}
    assert sorted(after[key] for key in after.keys() - before.keys()) == [f"{1:016x}"]


def test_another_table_or_state_has_other_digests(home: Path) -> None:
    with closing(Store(home / "state.db")) as store:
        other = TableState(store, store.source_id("app"), "other")
        Ledger(store, other.table_id).doubt([encode_key((7,))], [])
    keys = {record["table"]: record["key"] for record in of(exported(home), "ledger") if record["fingerprint"] in
            (None, f"{7:016x}")}
    assert len(set(keys.values())) == 2
    (home / "state.db").unlink()
    change(home, (encode_key((7,)), 7))
    assert of(exported(home), "ledger")[0]["key"] not in keys.values()


def test_the_file_is_private_whole_and_of_one_s_own(home: Path) -> None:
    out = home / "out.jsonl"
    out.write_text("old", encoding="utf-8")
    out.chmod(0o644)
    before = os.umask(0)
    try:
        bqsync(home, "state", "export", "--out", str(out))
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] == exported(home)
    whole = out.read_bytes()
    for place in ("/dev/null", str(home), str(home / "nowhere" / "out")):
        error = failure(home, "state", "export", "--out", place)
        assert (error.kind, "--out" in error.fix) == (ErrorKind.CONFIG_INVALID, True)
    change(home, (b"\x00no key", 1))
    error = failure(home, "state", "export", "--with-keys", "--out", str(out))
    assert error.kind is ErrorKind.STATE_DAMAGED
    assert out.read_bytes() == whole
    assert sorted(path.name for path in home.iterdir() if path.name.startswith(".")) == []


def test_a_reader_that_has_enough_ends_it_without_a_word(home: Path) -> None:
    command = [sys.executable, "-P", "-m", "bqsync", "state", "export"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["record"] == "state"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1
