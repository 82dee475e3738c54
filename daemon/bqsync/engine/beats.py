"""Whether the cycles that are running make progress. Each call, wait, answer and page of a cycle is a beat."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bqsync.engine.agenda import TableKey

STALL_S = 900.0
"""A cycle that has made no progress for so long hangs: no call, no wait and no page takes a tenth of it."""


class Beats:
    """
    The last beat of each cycle. Thread-safe.

    Args:
        stall_s: for how long a cycle may be silent.
        clock: monotonic, in seconds.
    """

    def __init__(self, stall_s: float = STALL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall_s = stall_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last_s: dict[TableKey, float] = {}

    def beat(self, key: TableKey) -> None:
        """The cycle of that table begins, or makes progress."""
        with self._lock:
            self._last_s[key] = self._clock()

    def end(self, key: TableKey) -> None:
        """The cycle has ended."""
        with self._lock:
            self._last_s.pop(key, None)

    def silent_s(self) -> dict[TableKey, float]:
        """The cycles that hang, with the seconds since their last beat."""
        now_s = self._clock()
        with self._lock:
            silent = {key: now_s - last_s for key, last_s in self._last_s.items()}
        return {key: silent_s for key, silent_s in silent.items() if silent_s > self._stall_s}
