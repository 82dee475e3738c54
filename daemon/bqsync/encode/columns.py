"""
A column of a page becomes its pieces of the rows' bytes: what `Cell` does one by one, for thousands at once.

Nearly all columns hold values of one type, with or without NULLs. Which it is, is looked at for every page: SQLite
promises nothing. Whatever is of another type goes through the same conversions as a single cell does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from types import NoneType
from typing import Any, NamedTuple, cast

from bqsync.encode.rejection import Rejected
from bqsync.encode.timestamps import whole_instants
from bqsync.encode.values import PASSED_UNCHANGED, ZERO_VALUES, converter
from bqsync.encode.wire_form import Pieces, bytes_fields, double_fields, spread, varint_fields
from bqsync.model import ColumnSpec, Reason, SqlValue, TargetType, WireValue

_NONE = frozenset((NoneType,))
_FLAGS = frozenset((0, 1))


class WireColumn(NamedTuple):
    """The wire values of a column of a page."""

    values: Sequence[WireValue]
    """None where the field stays absent."""
    is_plain: bool
    """They are the very values of the source."""
    has_gaps: bool
    """Some are None."""


class ColumnEncoder:
    """
    Encodes pages of one column.

    Args:
        column: of the mapping.
        zone: meaning of ISO texts without an offset.
        is_key: it is a part of the key.

    Attributes:
        plain: the type of the values that need no conversion; None where all do.
    """

    def __init__(self, column: ColumnSpec, zone: tzinfo, *, is_key: bool) -> None:
        self._column = column
        self.plain = PASSED_UNCHANGED.get(column.target_type)
        self._convert = converter(column, zone)
        self._zero = ZERO_VALUES.get(column.target_type) if column.zero_for_null else None
        self._may_be_null = not (is_key or (column.required and self._zero is None))
        self._write = _WRITERS[column.target_type]

    def wire(self, values: Sequence[SqlValue]) -> WireColumn:
        """
        The wire values of a column of a page.

        Raises:
            Rejected: a value can't be delivered; which one, the encoding of single rows finds out.
        """
        kinds = set(map(type, values))
        has_nulls = NoneType in kinds
        if has_nulls and not self._may_be_null:
            raise Rejected(Reason.NULL_REQUIRED)
        others = kinds - _NONE
        is_plain = others <= {self.plain}
        if is_plain and not has_nulls:
            return WireColumn(values, is_plain=True, has_gaps=False)
        present = [value for value in values if value is not None] if has_nulls else values
        wire: Sequence[WireValue] = present if is_plain else self._converted(present, others)
        if not has_nulls:
            return WireColumn(wire, is_plain=False, has_gaps=False)
        found = iter(wire)
        return WireColumn([self._zero if value is None else next(found) for value in values], is_plain=is_plain,
                          has_gaps=self._zero is None)

    def pieces(self, wire: WireColumn) -> Iterable[Pieces]:
        """
        The pieces of the rows that this column is.

        Raises:
            ValueError: a text can't be encoded.
        """
        if not wire.has_gaps:
            return self._write(self._column.field_number, wire.values)
        present = [value for value in wire.values if value is not None]
        if not present:
            return ()
        return (spread(self._write(self._column.field_number, present), [value is not None for value in wire.values]),)

    def _converted(self, values: Sequence[SqlValue], kinds: set[type]) -> Sequence[WireValue]:
        if kinds == {int}:
            numbers = cast("Sequence[int]", values)
            if self._column.target_type is TargetType.TIMESTAMP:
                instants_us = whole_instants(self._column.timestamp_format, numbers)
                if instants_us is not None:
                    return instants_us
            elif self._column.target_type is TargetType.BOOL and _FLAGS.issuperset(numbers):
                return list(map(bool, numbers))
        return list(map(self._convert, values))


_Writer = Callable[[int, Sequence[Any]], tuple[Pieces, ...]]


def _flags(field_number: int, values: Sequence[bool]) -> tuple[Pieces, ...]:
    return varint_fields(field_number, map(int, values))


def _texts(field_number: int, values: Sequence[str]) -> tuple[Pieces, ...]:
    return bytes_fields(field_number, list(map(str.encode, values)))


_WRITERS: dict[TargetType, _Writer] = {
    TargetType.INT64: varint_fields,
    TargetType.FLOAT64: double_fields,
    TargetType.BOOL: _flags,
    TargetType.STRING: _texts,
    TargetType.BYTES: bytes_fields,
    TargetType.TIMESTAMP: varint_fields,
    TargetType.NUMERIC: _texts,
    TargetType.BIGNUMERIC: _texts,
    TargetType.DATE: varint_fields,
    TargetType.DATETIME: _texts,
    TargetType.TIME: _texts,
    TargetType.JSON: _texts,
}
