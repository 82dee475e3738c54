"""
How far apart the cycles of a table begin while BigQuery asks for fewer calls. Pure.

A table that meets a quota or a rate limit waits twice as long between two cycles, so that each MERGE carries more; each
cycle that was delivered without meeting one halves that again, down to what is configured. One whose bytes
billed come near their daily limit waits for as long as the rest of them asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_S = 2.0
"""What a table without an interval of its own begins with."""
LONGEST_S = 300.0


@dataclass(slots=True)
class Pace:
    """
    The seconds at least between the beginnings of two cycles of one table.

    Attributes:
        configured_s: as the operator wants it; never less, and the longest where it is more than `LONGEST_S`.
    """

    configured_s: float
    _widened_s: float = 0.0
    _spaced_s: float = 0.0
    _cause: str = "quota"

    @property
    def cause(self) -> str:
        """What has decided about it last: "quota" or "daily limit"."""
        return self._cause

    @property
    def interval_s(self) -> float:
        """As it is now."""
        return max(self.configured_s, self._widened_s, self._spaced_s)

    def ended(self, *, was_throttled: bool, has_sent: bool, spaced_s: float = 0.0) -> bool:
        """
        A cycle has ended.

        Args:
            was_throttled: BigQuery has asked for fewer calls.
            has_sent: it has delivered something.
            spaced_s: what the bytes that may be billed today ask for.

        Returns:
            Whether the interval is another one now.
        """
        before_s, spaced_before_s = self.interval_s, self._spaced_s
        self._spaced_s = spaced_s
        if was_throttled:
            self._widened_s = min(max(FIRST_S, 2 * before_s), LONGEST_S)
        elif has_sent:
            narrowed_s = self._widened_s / 2
            self._widened_s = narrowed_s if narrowed_s >= FIRST_S else 0.0
        deciding_s = max(spaced_s, spaced_before_s)
        self._cause = "daily limit" if deciding_s == max(self.interval_s, before_s) and deciding_s else "quota"
        return self.interval_s != before_s
