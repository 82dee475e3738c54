"""Whether tables can be read by columns: the libraries are there, and the mapping is simple enough."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from bqsync.capture.order import Order
from bqsync.model import TableSpec, TargetType

_LIBRARIES = ("adbc_driver_manager", "adbc_driver_sqlite", "ptars")
_KEY_TYPES = frozenset((TargetType.INT64, TargetType.STRING))


@cache
def is_installed() -> bool:
    """Whether the extra `columnar` is there. Nothing of it is imported."""
    return all(find_spec(name) is not None for name in _LIBRARIES)


def can_read(spec: TableSpec, order: Order) -> bool:
    """
    Whether the pages of a table can be read by columns.

    Args:
        spec: the mapping.
        order: of the table's pages.
    """
    if spec.contents or spec.partitioning is not None or not spec.key_is_plain:
        return False
    return (all(column.target_type in _KEY_TYPES for column in spec.key_columns)
            and all(term.is_rowid or term.name in spec.key for term in order))
