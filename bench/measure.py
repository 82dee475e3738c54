"""Medians of several runs, and the table that shows them."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the results."""

    name: str
    value: str
    floor: str
    ratio: float


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
        "| what | figure | floor | ratio |",
        "|---|---|---|---|",
    ]
    lines += [f"| {f.name} | {f.value} | {f.floor} | {f.ratio:.2f} |" for f in figures]
    return "\n".join(lines) + "\n"
