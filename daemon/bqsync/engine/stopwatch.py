"""Where the time of a cycle goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by stage."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.durations_s: dict[str, float] = {}

    def total_s(self, *stages: str) -> float:
        """Seconds of some stages together."""
        return sum(self.durations_s.get(name, 0.0) for name in stages)

    def add(self, seconds: float, to: str) -> None:
        """Add what another process has done for a stage."""
        if seconds > 0:
            self.durations_s[to] = self.durations_s.get(to, 0.0) + seconds

    def move(self, seconds: float, source: str, to: str) -> None:
        """Take a part of the time of one stage for another one's."""
        if seconds > 0:
            self.durations_s[source] = max(0.0, self.durations_s.get(source, 0.0) - seconds)
            self.durations_s[to] = self.durations_s.get(to, 0.0) + seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = self._clock()
        try:
            yield
        finally:
            self.durations_s[name] = self.durations_s.get(name, 0.0) + self._clock() - start
