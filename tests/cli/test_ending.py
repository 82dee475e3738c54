"""The quick end of a command's process leaves out nothing that anybody waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

import pytest

_PROGRAM = """
import atexit, sys, threading
from bqsync.cli.ending import QuickEnd

class Module:
    def __del__(self):
        print("taken apart")

end, kept = QuickEnd(), Module()
atexit.register(print, "exit function")
threading.Thread(target=lambda: print("thread")).start()
sys.stdout.write("unflushed ")
"""


def _ends(last: str, output: IO[str] | int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    # What is written at once could not be lost.
    return subprocess.run([sys.executable, "-c", _PROGRAM + last], stdout=output, stderr=subprocess.PIPE, text=True,
                          check=False, env={**os.environ, "PYTHONUNBUFFERED": ""})


def test_threads_exit_functions_and_output_come_before_the_end_and_nothing_is_taken_apart() -> None:
    done = _ends("end.code = 3; sys.exit(3)")
    assert done.returncode == 3, done.stderr
    assert sorted(done.stdout.replace("unflushed ", "").split("\n")) == ["", "exit function", "thread"]
    assert "unflushed " in done.stdout


@pytest.mark.parametrize(("last", "code"), [("sys.exit(7)", 7), ("1 / 0", 1)])
def test_a_process_whose_code_is_not_known_ends_as_any(last: str, code: int) -> None:
    done = _ends(last)
    assert done.returncode == code
    assert done.stdout.endswith("taken apart\n")


def test_output_that_can_not_be_written_is_no_success() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = _ends("end.code = 0; sys.exit(0)", full)
    assert done.returncode != 0
    assert "OSError" in done.stderr
