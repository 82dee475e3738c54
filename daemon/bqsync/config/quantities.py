"""Durations and sizes as people write them. Pure."""

import re

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_QUANTITY = re.compile(r"\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-z]+)\s*", re.ASCII)

DURATION_FORMS = '"200ms", "2s", "5 min", "1h" or a number of seconds'
SIZE_FORMS = '"8 MiB", "8MB" or a number of bytes'


def parse_duration(value: object) -> float | None:
    """Seconds; None when `value` is no duration."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    number, unit = _split(value)
    # 200 / 1000, not 200 * 0.001: the nearest double of what was written.
    if unit == "ms":
        return number / 1000
    return number * _SECONDS[unit] if unit in _SECONDS else None


def parse_size(value: object) -> int | None:
    """Bytes; None when `value` is no size, or not a whole number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number, unit = _split(value)
    count = number * _BYTES.get(unit.lower(), 0)
    return int(count) if unit.lower() in _BYTES and count.is_integer() else None


def _split(value: object) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    return (float(match["number"]), match["unit"]) if match else (0.0, "")


def format_duration(seconds: float) -> str:
    """The shortest spelling that `parse_duration` reads back."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:.15g} ms"
    unit = next((unit for unit in ("h", "min") if seconds and seconds % _SECONDS[unit] == 0), "s")
    return f"{seconds / _SECONDS[unit]:.15g} {unit}"


def format_size(count: float) -> str:
    """The shortest spelling that `parse_size` reads back."""
    for unit, name in (("tib", "TiB"), ("gib", "GiB"), ("mib", "MiB"), ("kib", "KiB")):
        if count and count % _BYTES[unit] == 0:
            return f"{count / _BYTES[unit]:.15g} {name}"
    return f"{count:.15g} B"
