"""What the libraries could do for others is never asked of them, and not loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

_UNUSED = ("chardet", "charset_normalizer", "cryptography", "fastavro", "numpy", "opentelemetry", "pandas", "pyarrow",
           "pygments", "rich")


@pytest.mark.parametrize("entry", ["bqsync.engine.daemon", "bqsync.engine.opening, bqsync.engine.sync"])
def test_no_library_is_loaded_that_is_not_used(entry: str) -> None:
    program = (f"import sys, bqsync.cli, {entry}\n"
               f"print([name for name in {_UNUSED} if sys.modules.get(name)])")
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", done.stderr


def test_what_signs_with_a_key_is_there_for_who_has_one() -> None:
    program = ("import bqsync.deliver.clients, sys\nfrom google.auth import crypt\n"
               "from google.auth import jwt\nprint(jwt.encode, crypt.RSASigner, 'cryptography' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("True\n"), done.stderr
