"""Amounts for human eyes: durations, sizes, numbers of things. Pure."""

from __future__ import annotations

import math

_LARGER = (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1))
_LONGEST_S = 1e12


def duration(seconds: float) -> str:
    """A duration as exact as it matters: `0.4 ms`, `412 ms`, `3.2 s`, `5 min 3 s`, `2 h 5 min`."""
    if not math.isfinite(seconds) or abs(seconds) > _LONGEST_S:
        return f"{seconds:.6g} s"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 59.5:
        return _below_a_minute(seconds)
    whole = round(seconds)
    for unit, length, smaller, smaller_length in _LARGER:
        if whole >= length:
            rest = whole % length // smaller_length
            return f"{whole // length} {unit} {rest} {smaller}" if rest else f"{whole // length} {unit}"
    raise AssertionError(seconds)


def _below_a_minute(seconds: float) -> str:
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:
        milliseconds = seconds * 1000
        return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
    return f"{f'{seconds:.1f}'.removesuffix('.0')} s" if seconds < 10 else f"{seconds:.0f} s"


def span(seconds: float) -> str:
    """A duration in its largest unit of which there are two."""
    whole = max(0, int(seconds))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if whole >= 2 * length:
            return f"{whole // length} {unit}"
    return f"{whole} s"


def short_span(seconds: float) -> str:
    """A duration that may be less than a second: `0.4 s`, `12 s`, `5 min`."""
    return f"{seconds:.1f} s" if 0 < seconds < 10 else span(seconds)


def size(amount_bytes: int) -> str:
    """An amount of bytes in its largest unit."""
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if amount_bytes >= length:
            return f"{amount_bytes / length:.1f} {unit}"
    return f"{amount_bytes} B"


def count(number: int, one: str) -> str:
    """So many of something: `1 row`, `2,000 rows`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"
