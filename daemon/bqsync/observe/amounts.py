"""Durations, sizes and numbers for human eyes. Pure."""

from __future__ import annotations


def span(seconds: float) -> str:
    """A duration in its largest unit of which there are two."""
    whole = max(0, int(seconds))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if whole >= 2 * length:
            return f"{whole // length} {unit}"
    return f"{whole} s"


def size(amount_bytes: int) -> str:
    """An amount of bytes in its largest unit."""
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if amount_bytes >= length:
            return f"{amount_bytes / length:.1f} {unit}"
    return f"{amount_bytes} B"


def count(number: int, one: str) -> str:
    """So many of something: `1 row`, `2,000 rows`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def short_span(seconds: float) -> str:
    """A duration that may be less than a second: `0.4 s`, `12 s`, `5 min`."""
    return f"{seconds:.1f} s" if 0 < seconds < 10 else span(seconds)
