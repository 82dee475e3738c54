"""Cells of two tables, compared."""

from __future__ import annotations

import struct


def is_same(one: object, other: object) -> bool:
    """Of one type, and equal; of floats every bit."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    return type(one) is type(other) and one == other
