"""
A column of a page, as Arrow has it, becomes the values of the wire; or it is shown to hold something else.

What is not copied goes through the conversions of `encode`, so that there is one table of types.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

import pyarrow as pa

from bqsync.columnar import kernels as pc
from bqsync.columnar.messages import UnfitError
from bqsync.encode.columns import ColumnEncoder
from bqsync.encode.rejection import Rejected
from bqsync.encode.timestamps import MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, whole_unit_us
from bqsync.encode.values import ZERO_VALUES
from bqsync.errors import BqsyncError
from bqsync.model import ColumnSpec, TargetType, TimestampFormat

WIRE_TYPES: dict[TargetType, pa.DataType] = {
    TargetType.INT64: pa.int64(),
    TargetType.FLOAT64: pa.float64(),
    TargetType.BOOL: pa.bool_(),
    TargetType.STRING: pa.string(),
    TargetType.BYTES: pa.binary(),
    TargetType.TIMESTAMP: pa.int64(),
    TargetType.NUMERIC: pa.string(),
    TargetType.BIGNUMERIC: pa.string(),
    TargetType.DATE: pa.int32(),
    TargetType.DATETIME: pa.string(),
    TargetType.TIME: pa.string(),
    TargetType.JSON: pa.string(),
}
"""As `encode.rows.PROTO_TYPES`."""

_TEXTS = frozenset((TargetType.STRING, TargetType.DATE, TargetType.DATETIME, TargetType.TIME, TargetType.JSON))
_FLOAT_EXACT = float(1 << 53)
"""Below, a double that was made of an integer is that integer; and no conversion tells 5.0 from 5."""


def is_text(column: ColumnSpec) -> bool:
    """Whether the values of a column are texts, where they are what the mapping says."""
    return column.target_type in _TEXTS or column.timestamp_format is TimestampFormat.ISO8601


class ColumnWires:
    """
    Pages of one column.

    Args:
        column: of the mapping.
        zone: meaning of ISO texts without an offset.
        is_key: it is a part of the key.
    """

    def __init__(self, column: ColumnSpec, zone: tzinfo, *, is_key: bool) -> None:
        self._column = column
        self._type = WIRE_TYPES[column.target_type]
        self._encoder = ColumnEncoder(column, zone, is_key=is_key)
        self._zero = ZERO_VALUES.get(column.target_type) if column.zero_for_null else None
        self._may_be_null = not (is_key or (column.required and self._zero is None))
        self._is_text = is_text(column)
        self._is_blob = column.target_type is TargetType.BYTES
        self._unit_us = whole_unit_us(column.timestamp_format)

    def of(self, values: Any) -> Any:
        """
        The wire values of a page; NULL where the field stays absent.

        Args:
            values: an array of Arrow, as the driver took it for.

        Raises:
            UnfitError: what they are is not certain, or one of them can't be delivered.
        """
        if values.null_count and not self._may_be_null:
            raise UnfitError(f"NULL in column {self._column.source_name}")
        if values.null_count == len(values):
            wires = pa.nulls(len(values), self._type)
        else:
            self._require_certain(values)
            wires = self._copied(values)
            if wires is None:
                wires = self._converted(values)
        return wires if self._zero is None or not wires.null_count else pc.fill_null(wires, self._zero)

    def _require_certain(self, values: Any) -> None:
        """That no value is another one than SQLite has; see `scan`."""
        if pa.types.is_string(values.type):
            if not self._is_text:
                raise self._unfit("texts")
            try:
                values.validate(full=True)
            except pa.ArrowInvalid:
                raise self._unfit("a text that is no UTF-8") from None
        elif pa.types.is_floating(values.type):
            if self._is_text or self._is_blob:
                raise self._unfit("numbers")
            least, greatest = pc.min_max(values).values()
            if not (least.as_py() > -_FLOAT_EXACT and greatest.as_py() < _FLOAT_EXACT):
                raise self._unfit("large numbers")
        elif pa.types.is_binary(values.type):
            if not self._is_blob:
                raise self._unfit("blobs")
        elif not pa.types.is_int64(values.type) or self._is_blob:
            raise self._unfit(str(values.type))

    def _copied(self, values: Any) -> Any:
        """The wire values of those that are them already, or nearly; None for all others."""
        target = self._column.target_type
        if values.type == self._type and target in (
            TargetType.INT64, TargetType.FLOAT64, TargetType.STRING, TargetType.BYTES
        ):
            return values
        if not pa.types.is_int64(values.type):
            return None
        least, greatest = (bound.as_py() for bound in pc.min_max(values).values())
        if target is TargetType.BOOL and least >= 0 and greatest <= 1:
            return pc.cast(values, pa.bool_())
        unit_us = self._unit_us
        if target is TargetType.TIMESTAMP and unit_us and (
            least * unit_us >= MIN_TIMESTAMP_US and greatest * unit_us <= MAX_TIMESTAMP_US
        ):
            return pc.multiply(values, unit_us)
        return None

    def _converted(self, values: Any) -> Any:
        try:
            return pa.array(self._encoder.wire(values.to_pylist()).values, self._type)
        except (Rejected, BqsyncError, ValueError, OverflowError):
            raise self._unfit("values that can't be delivered") from None

    def _unfit(self, what: str) -> UnfitError:
        return UnfitError(f"{what} in column {self._column.source_name}")
