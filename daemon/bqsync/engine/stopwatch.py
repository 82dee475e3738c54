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

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = self._clock()
        try:
            yield
        finally:
            self.durations_s[name] = self.durations_s.get(name, 0.0) + self._clock() - start
