"""What the libraries could do for others is never asked of them, and not loaded."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bqsync.state.store import Store

_UNUSED = ("chardet", "charset_normalizer", "cryptography", "fastavro", "numpy", "opentelemetry", "pandas", "pyarrow",
           "pygments", "rich")


@pytest.mark.parametrize("entry", ["bqsync.engine.daemon", "bqsync.engine.opening, bqsync.engine.sync"])
def test_no_library_is_loaded_that_is_not_used(entry: str) -> None:
    program = (f"import sys, bqsync.cli, {entry}\n"
               f"print([name for name in {_UNUSED} if sys.modules.get(name)])")
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", done.stderr


_OF_BIGQUERY = ("google", "grpc", "requests", "tenacity")


@pytest.mark.parametrize("command", ["status", "quarantine", "state show"])
def test_a_command_that_does_not_ask_bigquery_loads_no_client_of_it(command: str, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "app.db").close()
    (tmp_path / "config.toml").write_text(
        '[source]\ndb = "app.db"\n[bigquery]\nproject = "p"\ndataset = "d"\n[[tables]]\nname = "t"\n', encoding="utf-8")
    (tmp_path / ".bqsync").mkdir()
    Store(tmp_path / ".bqsync" / "state.db").close()
    program = ("import sys\nfrom bqsync.cli import commands\n"
               f"commands.main({command.split()!r}, standalone_mode=False)\n"
               f"print([name for name in {_OF_BIGQUERY} if name in sys.modules], file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr.endswith("[]\n"), done.stderr


def test_what_signs_with_a_key_is_there_for_who_has_one() -> None:
    program = ("import bqsync.deliver.clients, sys\nfrom google.auth import crypt\n"
               "from google.auth import jwt\nprint(jwt.encode, crypt.RSASigner, 'cryptography' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("True\n"), done.stderr
