"""Looking at processes from outside."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 60.0
"""For what comes within a second or two on a machine that has nothing else to do."""


def within(seconds: float, condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def servers_of(folder: Path) -> list[int]:
    """The processes of an embedded BigQuery whose data is in that folder or below it."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if _serves(path, folder)]


def peak_memory_kb(pid: int) -> int | None:
    """The most memory that a process ever held; None when it has ended. Its children are not counted."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found[1]) if found else None


def _serves(cmdline: Path, folder: Path) -> bool:
    try:
        arguments = cmdline.read_bytes().split(b"\0")
    except OSError:
        return False
    return b"bqsync.embedded.server" in arguments and any(
        argument.startswith(str(folder).encode()) for argument in arguments)
