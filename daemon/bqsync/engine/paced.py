"""What is made when somebody asks, and seldom enough that whoever asks all the time costs next to nothing."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Made = TypeVar("_Made")

APART_S = 1.0
"""Whoever asks sooner gets the same again."""
DUTY = 0.05
"""The fraction of the time that may go into the making."""
_OLD_S = 30.0
"""What was made longer ago is not told as new, only because the next one is not ready."""


class Paced(Generic[_Made]):
    """
    Keeps what was made last. Thread-safe, and nobody waits for what another one has asked for.

    Args:
        make: makes it anew; None where it can't yet.
        apart_s: seconds at least between two times; longer where it takes long.
    """

    def __init__(self, make: Callable[[], _Made | None], apart_s: float = 0.0) -> None:
        self._make = make
        self._apart_s = apart_s
        self._lock = threading.Lock()
        self._last: tuple[float, _Made | None] = (-math.inf, None)
        """With the monotonic instant at which it was begun."""
        self._next_s = -math.inf

    def take(self) -> _Made | None:
        """The newest one; None while another thread makes the first one. Raises what the making raises."""
        if not self._lock.acquire(blocking=False):
            begun_s, made = self._last
            return made if time.monotonic() < begun_s + _OLD_S else None
        try:
            begun_s = time.monotonic()
            if begun_s >= self._next_s:
                self._remake(begun_s)
            return self._last[1]
        finally:
            self._lock.release()

    def _remake(self, begun_s: float) -> None:
        try:
            self._last = begun_s, self._make()
        finally:
            ended_s = time.monotonic()
            self._next_s = max(begun_s + self._apart_s, ended_s + (ended_s - begun_s) / DUTY)
