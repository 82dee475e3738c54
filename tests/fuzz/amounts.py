"""How many examples are tried: a few in every run of the tests, `FUZZ=20` times as many when asked."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hypothesis import HealthCheck, settings

FUZZ = int(os.environ.get("FUZZ", "1"))


def examples(count: int) -> settings:
    """So many examples of Hypothesis, times FUZZ: the same ones on every machine."""
    return settings(max_examples=count * FUZZ, deadline=None, derandomize=True, database=None,
                    suppress_health_check=list(HealthCheck))


def seeds(count: int, *, first: int = 0) -> Iterator[int]:
    """So many seeds, times FUZZ."""
    return iter(range(first, first + count * FUZZ))
