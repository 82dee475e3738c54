"""What is printed: a line for each thing that happens, and the sums at the end."""

from __future__ import annotations

import time
from collections import Counter


class SoakError(Exception):
    """Something is wrong: with what is tested, or with the soak."""


class Report:
    """Lines with the time since the beginning, and counters."""

    def __init__(self) -> None:
        self._begun_s = time.monotonic()
        self.faults: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.deeds: Counter[str] = Counter()
        """What the application did beside writing rows, and what happened to the state."""

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._begun_s

    def say(self, text: str) -> None:
        """One line."""
        print(f"{self.elapsed_s:7.1f} s  {text}", flush=True)

    def total(self, what: str, value: object) -> None:
        """One line of the summary."""
        print(f"  {what:<24} {value}", flush=True)

    def totals(self, what: str, counter: Counter[str]) -> None:
        """One line of the summary, of something that was counted by kind."""
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(counter.items()))
        self.total(what, f"{counter.total()}" + (f" ({kinds})" if kinds else ""))
