"""The processes that read columns for this one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 60.0


def readers() -> list[int]:
    """Those that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int(_fields(folder)[1])
        except OSError:
            continue
        if b"bqsync.columnar.serve" in command and parent == os.getpid():
            found.append(int(folder.name))
    return found


def gate(then: Callable[[int], object] = lambda _: None, *, after: int = 1) -> Callable[[], None]:
    """
    What a cycle calls between its chunks: it holds the cycle until the process that it has started is ready.

    Args:
        then: is told of the process, once.
        after: so many times it was ready.
    """
    told: list[int] = []

    def wait() -> None:
        for process in readers():
            until_s = time.monotonic() + PATIENCE_S
            waits = 0
            # One that imports or computes does not sleep.
            while waits < 20:
                waits = waits + 1 if _fields(Path(f"/proc/{process}"))[0] == "S" else 0
                assert time.monotonic() < until_s
                time.sleep(0.01)
            told.append(process)
            if len(told) == after:
                then(process)

    return wait


def _fields(folder: Path) -> list[str]:
    """State, parent, and so on."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
