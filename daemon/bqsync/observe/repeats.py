"""A line that says what was said a moment ago is left out, and counted. Thread-safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

SELDOM_S = 600.0
"""What stays the same is told once in so long."""


class Repeats:
    """
    Lets one line of a kind pass in each interval.

    Args:
        interval_s: between two lines of the same key.
        clock: monotonic, in seconds.
    """

    def __init__(self, interval_s: float = SELDOM_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[Hashable, tuple[float, int]] = {}

    def admit(self, key: Hashable) -> int | None:
        """How many lines of that key were left out since the last one that passed; None if this one is to be, too."""
        now_s = self._clock()
        with self._lock:
            passed_s, left_out = self._last.get(key, (None, 0))
            if passed_s is not None and now_s < passed_s + self._interval_s:
                self._last[key] = (passed_s, left_out + 1)
                return None
            self._last[key] = (now_s, 0)
            return left_out

    def forget(self, is_over: Callable[[Hashable], bool]) -> None:
        """The next lines of such keys pass: what they tell is new."""
        with self._lock:
            self._last = {key: passed for key, passed in self._last.items() if not is_over(key)}
