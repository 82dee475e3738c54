"""Processes of a measurement: how they are started, told and ended, and what the kernel says of them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ENDING_S = 20.0
_MEMORY_LOOK_S = 0.05


class Child:
    """A Python module as a process of its own, which answers in lines of JSON and ends with its standard input."""

    def __init__(self, *arguments: str) -> None:
        # The child sees the modules that this process sees, wherever it was started from.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), *sys.path]))}
        self.process = subprocess.Popen([sys.executable, "-P", "-m", *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None,
                 _trace: TracebackType | None) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, line: str) -> None:
        """Send it one line."""
        if self.process.stdin is None:
            raise AssertionError
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:  # noqa: ANN401 - whatever the module answers
        """The next line that it answers."""
        if self.process.stdout is None:
            raise AssertionError
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        """Have it end, and wait for that."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_ROOT = Path(__file__).parent.parent


def cpu_s(pid: int) -> float:
    """
    Seconds of a core that a process has used, in all its threads; its children do not count.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (utime and stime)
    """
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """The memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


class Memory:
    """
    The most memory that a process and its children hold together, as looks at short intervals find it.

    Args:
        pid: of the process.
    """

    def __init__(self, pid: int) -> None:
        self.peak_kib = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None,
                 _trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_MEMORY_LOOK_S):
            with contextlib.suppress(OSError, ValueError, IndexError):
                found_bytes = sum(map(rss_bytes, (self._pid, *_children(self._pid))))
                self.peak_kib = max(self.peak_kib, found_bytes // 1024)


def _children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children")
            for child in path.read_text(encoding="ascii").split()]


def switches_by_thread(pid: int) -> dict[str, int]:
    """How often each thread has gone to sleep of its own, by its number and name: an idle one should hardly do so."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text(encoding="utf-8")
        values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        found[f"{task.name} {values['Name'].strip()}"] = int(values["voluntary_ctxt_switches"])
    return found


def load() -> str:
    """How busy the machine is: runnable processes over the last minute, and cores."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def wait_until(is_so: Any, timeout_s: float, look_s: float = 0.02) -> bool:  # noqa: ANN401
    """Whether something comes true in time."""
    until_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > until_s:
            return False
        time.sleep(look_s)
    return True
