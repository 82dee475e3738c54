"""The clock that the state is stamped by."""

from __future__ import annotations

import time


def now_us() -> int:
    """Wall-clock time in Unix microseconds."""
    return time.time_ns() // 1000
