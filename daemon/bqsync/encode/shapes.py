"""What is done with a row is decided by the types of its cells, once for all rows that have the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from operator import itemgetter
from types import NoneType

from bqsync.encode.rejection import Rejected
from bqsync.encode.values import PASSED_UNCHANGED, ZERO_VALUES, Converter, converter
from bqsync.model import ColumnSpec, Reason, SqlValue, WireValue


class Cell:
    """The conversion of one column, NULL included."""

    __slots__ = ("convert_value", "is_key", "name", "plain_type", "required", "source_name", "zero")

    def __init__(self, column: ColumnSpec, zone: tzinfo, *, is_key: bool) -> None:
        self.name = column.target_name
        self.source_name = column.source_name
        self.plain_type = PASSED_UNCHANGED.get(column.target_type)
        self.convert_value = converter(column, zone)
        self.zero = ZERO_VALUES.get(column.target_type) if column.zero_for_null else None
        self.is_key = is_key
        # A NULL in a key is refused as such, by the check of the key.
        self.required = column.required and not is_key

    def convert(self, value: SqlValue) -> WireValue:
        """The wire value; None where the field stays absent."""
        if value is not None:
            return self.convert_value(value)
        if self.zero is None and self.required:
            raise Rejected(Reason.NULL_REQUIRED)
        return self.zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is done with rows whose cells have certain types."""

    deliverable: bool
    """No NULL stands where none may be."""
    plain_names: tuple[str, ...]
    plain_values: Callable[[Sequence[SqlValue]], tuple[WireValue, ...]]
    """The cells of `plain_names`, which travel as they are."""
    converted: tuple[tuple[str, int, Converter], ...]
    """Field, position and conversion of the others that are not NULL."""
    zeros: Mapping[str, WireValue]
    """What stands for the NULLs that are not absent."""
    key_is_plain: bool
    """The target key, decoded, is the very source key."""


def shape_of(cells: Sequence[Cell], types: Sequence[type], key_positions: Sequence[int]) -> Shape:
    plain = [at for at, cell in enumerate(cells) if types[at] is cell.plain_type]
    empty = [at for at, kind in enumerate(types) if kind is NoneType]
    others = [at for at in range(len(cells)) if at not in plain and at not in empty]
    return Shape(
        deliverable=not any(cells[at].is_key or (cells[at].required and cells[at].zero is None) for at in empty),
        plain_names=tuple(cells[at].name for at in plain),
        plain_values=_picker(plain),
        converted=tuple((cells[at].name, at, cells[at].convert_value) for at in others),
        zeros={cells[at].name: cells[at].zero for at in empty if cells[at].zero is not None},
        key_is_plain=set(key_positions) <= set(plain),
    )


def _picker(positions: Sequence[int]) -> Callable[[Sequence[SqlValue]], tuple[WireValue, ...]]:
    if len(positions) > 1:
        return itemgetter(*positions)
    # For a single position itemgetter would return the cell and not a tuple.
    return lambda row: tuple(row[at] for at in positions)
