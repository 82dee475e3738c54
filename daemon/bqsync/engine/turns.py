"""So many cycles work at a time, in the order in which they came; a long one gives way to those that wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

QUANTUM_S = 1.0
"""For so long a cycle works before it gives way: changing turns costs, and the caches of the table are warm."""


class Turns:
    """
    A fair gate.

    Args:
        places: how many may be inside at a time.
        quantum_s: how long one that is inside need not give way.
        clock: monotonic, in seconds.
    """

    def __init__(
        self, places: int, *, quantum_s: float = QUANTUM_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._free = places
        self._quantum_s = quantum_s
        self._clock = clock
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._is_open = False

    def enter(self) -> Turn:
        """Wait for a place, behind those that wait already."""
        with self._changed:
            self._wait()
        return Turn(self, self._clock())

    def open(self) -> None:
        """Keep nobody waiting any more: everybody is to come to an end."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def _wait(self) -> None:
        ticket = object()
        self._queue.append(ticket)
        self._changed.wait_for(lambda: self._is_open or (self._free > 0 and self._queue[0] is ticket))
        self._queue.remove(ticket)
        self._free -= 1
        # The next in the queue may find a place as well.
        self._changed.notify_all()

    def leave(self) -> None:
        """Give a place back."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def give_way(self, since_s: float) -> float:
        """Let those that wait go first, if the turn has lasted; returns when the present turn began."""
        if self._clock() < since_s + self._quantum_s:
            return since_s
        with self._changed:
            if self._queue and not self._is_open:
                self._free += 1
                self._changed.notify_all()
                self._wait()
        return self._clock()


class Turn:
    """A place inside, for one thread."""

    def __init__(self, turns: Turns, since_s: float) -> None:
        self._turns = turns
        self._since_s = since_s

    def give_way(self) -> None:
        """Let those that wait go first, if this turn has lasted long enough. Returns once it may go on."""
        self._since_s = self._turns.give_way(self._since_s)

    def leave(self) -> None:
        """Give the place back."""
        self._turns.leave()
