"""Whether there is compiled code for a table. What it needs is imported where a large table is read, and not before."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING

from bqsync.capture.order import Order
from bqsync.model import TableSpec, TargetType

if TYPE_CHECKING:
    from bqsync.native.reader import NativeReader

_KEY_TYPES = (TargetType.INT64, TargetType.STRING)


class UnfitError(Exception):
    """A page has to be read by rows. The text says why, without any value."""


def native_reader(spec: TableSpec, zone: tzinfo, order: Order) -> NativeReader | None:
    """
    Compiled code that reads a table; None where it is not there, or none for this table.

    Args:
        spec: the mapping.
        zone: meaning of ISO timestamps without an offset.
        order: of the table's pages, whose keys the source itself keeps unique.
    """
    if not (can_read(spec, order) and is_there()):
        return None
    from bqsync.native.reader import NativeReader

    return NativeReader(spec, zone, order)


def is_there() -> bool:
    """Whether there is a compiled part that can be used."""
    try:
        from bqsync.native.library import library
    except (ImportError, MemoryError):
        return False  # a Python without ctypes, or a system that forbids what ctypes does when it is imported
    return library() is not None


def can_read(spec: TableSpec, order: Order) -> bool:
    """
    Whether the pages of a table can be read by compiled code.

    Args:
        spec: the mapping.
        order: of the table's pages.
    """
    if spec.contents or spec.partitioning is not None or not spec.key_is_plain:
        return False
    return (all(column.target_type in _KEY_TYPES for column in spec.key_columns)
            and all(term.is_rowid or term.name in spec.key for term in order))
