"""Medians of several runs, and the table that shows them."""

from __future__ import annotations

import math
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the results."""

    name: str
    value: str
    floor: str
    ratio: float | None
    goal: str = ""
    is_met: bool | None = None
    """Whether the goal was met; None where there is none."""


def quantile(values: Sequence[float], fraction: float) -> float:
    """The smallest value that so large a fraction of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * fraction) - 1)]


def spread(values: Sequence[float], unit: str = "ms") -> str:
    """Median, 95th and 99th percentile, and the largest value."""
    found = [quantile(values, fraction) for fraction in (0.5, 0.95, 0.99, 1.0)]
    return " / ".join(f"{value:,.0f}" for value in found) + f" {unit}"


def median_s(action: Callable[[], object], runs: int) -> float:
    """Seconds that an action takes, the median of so many runs after one that does not count."""
    action()
    return statistics.median(_timed(action) for _ in range(runs))


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def report(figures: list[Figure], *, rows: int, runs: int) -> str:
    """The results as Markdown."""
    lines = [
        "# Results",
        "",
        (f"`make bench`: {rows:,} rows of 10 columns, medians of {runs} runs, {platform.machine()}, "
         f"Python {platform.python_version()}, protobuf {version('protobuf')}."),
        "A ratio compares two figures of the same run; absolute ones belong to the machine and its neighbours.",
        "",
        "| what | figure | floor | ratio | goal |",
        "|---|---|---|---|---|",
    ]
    lines += [line(figure) for figure in figures]
    return "\n".join(lines) + "\n"


def line(figure: Figure) -> str:
    """One figure as a row of the table."""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    goal = figure.goal if figure.is_met is None else f"{figure.goal}: {'met' if figure.is_met else '**missed**'}"
    return f"| {figure.name} | {figure.value} | {figure.floor} | {ratio} | {goal} |"
