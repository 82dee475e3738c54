"""
What was counted since the process began. Thread-safe, and without a package of anybody.

Counted where the facts occur, and not from the lines of the log: these are filtered by level, and a failure that stays
the same is told once in ten minutes.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from bqsync.observe.metrics import METRICS, Metric

LabelValues = tuple[str, ...]
"""In the order of the metric's labels."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The observations of one histogram."""

    counts: tuple[int, ...]
    """Of each bucket by itself, the one above the last bound included."""
    total: float
    """The sum of all values."""


class Tally:
    """
    Counters that only grow, facts that replace each other, and distributions.

    One for the life of a daemon, so that a reload of the configuration counts on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Metric, dict[LabelValues, float]] = {}
        self._distributions: dict[Metric, dict[LabelValues, tuple[list[int], float]]] = {}

    def add(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Count something that has happened."""
        values = _values(metric, labels)
        with self._lock:
            kept = self._numbers.setdefault(metric, {})
            kept[values] = kept.get(values, 0) + amount

    def note(self, metric: Metric, value: float, **labels: str) -> None:
        """Keep what is so now, in place of what was."""
        values = _values(metric, labels)
        with self._lock:
            self._numbers.setdefault(metric, {})[values] = value

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add a value to a distribution."""
        values, bounds = _values(metric, labels), METRICS[metric].buckets
        with self._lock:
            kept = self._distributions.setdefault(metric, {})
            counts, total = kept.get(values) or ([0] * (len(bounds) + 1), 0.0)
            # The bound belongs to its bucket. Source: https://prometheus.io/docs/concepts/metric_types/#histogram
            counts[bisect_left(bounds, value)] += 1
            kept[values] = counts, total + value

    def numbers(self, metric: Metric) -> Mapping[LabelValues, float]:
        """What was counted or noted so far, by the values of the labels."""
        with self._lock:
            return dict(self._numbers.get(metric, {}))

    def distributions(self, metric: Metric) -> Mapping[LabelValues, Distribution]:
        """What was observed so far, by the values of the labels."""
        with self._lock:
            return {values: Distribution(tuple(counts), total)
                    for values, (counts, total) in self._distributions.get(metric, {}).items()}


def _values(metric: Metric, labels: Mapping[str, str]) -> LabelValues:
    wanted = METRICS[metric].labels
    if len(wanted) != len(labels):
        raise AssertionError(metric, labels)
    return tuple(labels[name] for name in wanted)
