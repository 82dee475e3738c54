"""An application as a process of its own, which can die in the middle of anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    db.execute(statement).fetchall()
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def application(path: Path, *statements: str) -> Iterator[subprocess.Popen[str]]:
    """It has run these statements, holds its connection, and dies by SIGKILL at the end of the block."""
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, str(path), *statements], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            yield process
        finally:
            process.kill()


def die_after(path: Path, *statements: str) -> None:
    """The application runs these statements and is killed: nothing is rolled back, closed or tidied up."""
    with application(path, *statements):
        pass
