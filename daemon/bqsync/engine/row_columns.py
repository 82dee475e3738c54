"""The cells of one row, side by side: source and BigQuery. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bqsync.encode.rows import RowEncoder
from bqsync.model import ColumnSpec, SqlValue, TargetType, WireValue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnView:
    """One column of a row."""

    name: str
    """In BigQuery."""
    source_name: str
    is_equal: bool | None
    """None where one of the two sides has no row, or the row can't be delivered."""
    source: str | None
    """The source's own value as text; None without a row."""
    target: str | None


def are_equal(here: WireValue, there: WireValue) -> bool:
    """Of the same value and type; a NaN is equal to itself."""
    are_nan = here != here and there != there  # noqa: PLR0124 - that is what tells a NaN
    return type(here) is type(there) and (here == there or are_nan)


def column_views(
    encoder: RowEncoder, row: Sequence[SqlValue] | None, there: Sequence[WireValue] | None, *, is_deliverable: bool
) -> tuple[ColumnView, ...]:
    """
    The columns of a row.

    Args:
        encoder: of the table.
        row: in the source; None where it is not there.
        there: its wire values in BigQuery, as it prints them; None where it is not there.
        is_deliverable: the row in the source can be encoded.
    """
    found = None if there is None else encoder.reread(there)
    wanted = encoder.reread(encoder.wire_row(row)) if row is not None and is_deliverable else None
    return tuple(
        ColumnView(
            name=column.target_name, source_name=column.source_name,
            is_equal=None if wanted is None or found is None else are_equal(wanted[at], found[at]),
            source=None if row is None else _text(row[at]),
            target=None if found is None else _target_text(column, found[at]),
        )
        for at, column in enumerate(encoder.spec.columns)
    )


def _target_text(column: ColumnSpec, value: WireValue) -> str:
    if isinstance(value, int) and column.target_type is TargetType.TIMESTAMP:
        return instant_text(value)
    if isinstance(value, int) and column.target_type is TargetType.DATE:
        return (_EPOCH + timedelta(days=value)).date().isoformat()
    return _text(value)


def _text(value: WireValue) -> str:
    if value is None:
        return "NULL"
    return f"x'{value.hex()}'" if isinstance(value, bytes) else str(value).encode("utf-8", "backslashreplace").decode()


def instant_text(instant_us: int) -> str:
    """An instant for people, in UTC; one that no calendar holds as its number."""
    try:
        return (_EPOCH + timedelta(microseconds=instant_us)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return str(instant_us)
