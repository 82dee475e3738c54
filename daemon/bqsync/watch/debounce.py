"""When to look at a database whose files keep changing. Pure: the caller passes the clock, monotonic seconds."""

from __future__ import annotations

_BREATH = 1 / 8
"""
The part of the debounce without an event that is a breath: 25 ms of 200 ms.

Longer than the gaps inside one commit (its events come within a few ms), shorter than those between the commits of a
writer that is worth a look of its own.
"""


class Debounce:
    """
    Gathers events into few looks.

    Events are gathered for `debounce_s` from the first one. Then a look is due at the next breath in the writing, and
    `max_delay_s` after the first event at the latest: a writer that never pauses must not put looks off for ever.

    Args:
        debounce_s: how long events are gathered at least.
        max_delay_s: how long the first of them waits at most. Where it is the shorter of the two, it wins.
    """

    def __init__(self, *, debounce_s: float, max_delay_s: float) -> None:
        self._debounce_s = debounce_s
        self._breath_s = debounce_s * _BREATH
        self._max_delay_s = max_delay_s
        self._first_s: float | None = None
        self._last_s = 0.0

    @property
    def first_s(self) -> float | None:
        """When the oldest waiting event came; None while nothing waits."""
        return self._first_s

    def note(self, now_s: float) -> None:
        """Take in an event."""
        if self._first_s is None:
            self._first_s = self._last_s = now_s
        else:
            self._last_s = max(self._last_s, now_s)

    def due_s(self) -> float | None:
        """When to look, if nothing more happens; None while nothing waits."""
        if self._first_s is None:
            return None
        gathered_s = max(self._first_s + self._debounce_s, self._last_s + self._breath_s)
        return min(gathered_s, self._first_s + self._max_delay_s)

    def take(self) -> float | None:
        """Begin a look: forget what waits, and tell when the first event of it came."""
        first_s, self._first_s = self._first_s, None
        return first_s
