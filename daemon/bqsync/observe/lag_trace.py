"""The lag of one table over the last hour, in 240 steps. Pure: the monotonic clock is passed in."""

from __future__ import annotations

from array import array

STEP_S = 15.0
STEPS = 240
LEAST_SCALE_S = 1.0
"""Of a drawing: lags of milliseconds are drawn as what they are, nothing."""


class LagTrace:
    """
    The worst lag in each step.

    Lag grows with the clock from the moment of a change until it is delivered, so its whole course is known from its
    end: nothing is sampled, and a table that is never behind costs nothing.
    """

    __slots__ = ("_last", "_worst_s")

    def __init__(self) -> None:
        self._worst_s: array[float] | None = None
        self._last = 0
        """The last step that was noted."""

    def note(self, until_s: float, lag_s: float) -> None:
        """
        A change has been delivered.

        Args:
            until_s: when, by the monotonic clock.
            lag_s: how long it had waited.
        """
        last = _step(until_s)
        if self._worst_s is None:
            self._worst_s, self._last = array("f", bytes(4 * STEPS)), last
        for step in range(self._last + 1, min(last, self._last + STEPS) + 1):
            self._worst_s[step % STEPS] = 0.0
        self._last = max(self._last, last)
        for step in range(max(_step(until_s - lag_s), last - STEPS + 1), last + 1):
            worst_s = _worst_s(step, until_s - lag_s, until_s)
            self._worst_s[step % STEPS] = max(worst_s, self._worst_s[step % STEPS])

    def points(self, now_s: float, waiting_s: float | None) -> tuple[float, ...]:
        """
        Seconds in each step of the hour, the oldest first; empty where there was no lag in it.

        Args:
            now_s: the monotonic clock; what was noted later than that is a part of the hour, too.
            waiting_s: how long the oldest change has waited that is not delivered; None where there is none.
        """
        # A delivery may have been noted since the clock was read.
        last = max(_step(now_s), self._last)
        points = self._noted_s(last)
        if waiting_s is not None:
            since_s = now_s - waiting_s
            for step in range(max(_step(since_s), last - STEPS + 1), last + 1):
                place = step - last - 1
                points[place] = max(points[place], _worst_s(step, since_s, now_s))
        return tuple(point_s and round(point_s, 1) for point_s in points) if any(points) else ()

    def _noted_s(self, last: int) -> list[float]:
        """The hour that ends with a step, as far as it was noted."""
        passed = last - self._last
        if self._worst_s is None or passed >= STEPS:
            return [0.0] * STEPS
        oldest = (self._last + 1) % STEPS
        noted = [*self._worst_s[oldest:], *self._worst_s[:oldest]]
        return noted[passed:] + [0.0] * passed


def _step(moment_s: float) -> int:
    return int(moment_s // STEP_S)


def _worst_s(step: int, since_s: float, until_s: float) -> float:
    """Of a change that waits from one moment to another, the lag at the end of a step."""
    return max(0.0, min((step + 1) * STEP_S, until_s) - since_s)
