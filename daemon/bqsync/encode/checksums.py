"""
Checksums of source rows, the very ones that a target computes of what it holds. Pure.

`bqsync.deliver.checksum_sql` is the other half: the same text for the same row, the same digest, the same buckets. A
page is converted column by column, since millions of cells pass by here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from struct import Struct
from types import NoneType
from typing import Any

from bqsync.encode.rejection import Rejected
from bqsync.encode.rows import MAX_ROW_BYTES, RowEncoder
from bqsync.encode.target_keys import check_key
from bqsync.encode.values import PASSED_UNCHANGED, ZERO_VALUES, converter
from bqsync.model import ColumnSpec, Reason, RejectedRow, SqlValue, TargetType, WireValue

MAX_DIGITS = 4
_ROWS_PER_BUCKET = 128
"""While an application writes, each commit makes its buckets differ, whose rows are read: they had better be few."""
_HEAD_BITS = 16
_DIGEST = Struct(">H2xQ4x")
"""The first four digits, and the 64 bits that are summed."""
_ONE_ROW = 1 << 128
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - of civil times, which have no zone
_MICROSECOND = timedelta(microseconds=1)
_MAX_UTF8_BYTES = 4
_FIELD_BYTES = 16
"""What protobuf adds to a field at most, and more than a number takes."""


def bucket_digits(rows: int) -> int:
    """How many hexadecimal digits tell the buckets of so many rows apart: few rows in each, and a short answer."""
    digits = 1
    while digits < MAX_DIGITS and rows > _ROWS_PER_BUCKET * 16**digits:
        digits += 1
    return digits


class RowDigests:
    """
    The digests of the rows of one table.

    Args:
        encoder: of the table: what it can't encode has no digest.
        zone: meaning of ISO timestamps without an offset.
    """

    def __init__(self, encoder: RowEncoder, zone: tzinfo = UTC) -> None:
        self._encoder = encoder
        spec = encoder.spec
        self._columns = tuple(_texts(column, zone, is_key=column.source_name in spec.key) for column in spec.columns)
        # So long a text may be of a row that is too large; of anything shorter it is certain that it is not.
        self._doubtful_length = (MAX_ROW_BYTES - _FIELD_BYTES * len(spec.columns)) // _MAX_UTF8_BYTES

    def of(self, rows: Sequence[Sequence[SqlValue]]) -> list[bytes | None]:
        """The digest of each row; None where it can't be delivered."""
        if not rows:
            return []
        try:
            return list(self._of_all(rows))
        except (Rejected, ValueError):
            return [self._of_one(row) for row in rows]

    def _of_all(self, rows: Sequence[Sequence[SqlValue]]) -> Iterator[bytes | None]:
        md5, longest = hashlib.md5, self._doubtful_length
        cells = [texts(column) for texts, column in zip(self._columns, zip(*rows, strict=True), strict=True)]
        for row, text in zip(rows, map(",".join, zip(*cells, strict=True)), strict=True):
            if len(text) > longest and isinstance(self._encoder.encode(row), RejectedRow):
                yield None
            else:
                yield md5(text.encode(), usedforsecurity=False).digest()

    def _of_one(self, row: Sequence[SqlValue]) -> bytes | None:
        try:
            return next(self._of_all([row]))
        except (Rejected, ValueError):
            return None


class BucketSums:
    """
    Number of rows and sum of their digests, bucket by bucket.

    Args:
        digits: hexadecimal digits that tell buckets apart.
    """

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self._shift = _HEAD_BITS - 4 * digits
        # Of each bucket one number: the rows above, the sum below.
        self._totals = [0] * 16**digits

    def add(self, digests: Sequence[bytes | None]) -> None:
        """Count some rows; None is none."""
        unpack, totals, shift = _DIGEST.unpack, self._totals, self._shift
        for digest in digests:
            if digest is not None:
                head, number = unpack(digest)
                totals[head >> shift] += _ONE_ROW + number

    def bucket_of(self, digest: bytes) -> str:
        """The digits of the bucket of a row."""
        return digest.hex()[: self.digits]

    def differing(self, there: Mapping[str, tuple[int, int]]) -> set[str]:
        """
        The buckets in which the other side has other rows.

        Args:
            there: by digits, the number of rows and the sum of their digests; what is missing is empty.
        """
        found = set()
        for at, total in enumerate(self._totals):
            bucket = f"{at:0{self.digits}x}"
            if divmod(total, _ONE_ROW) != there.get(bucket, (0, 0)):
                found.add(bucket)
        return found


def _texts(
    column: ColumnSpec, zone: tzinfo, *, is_key: bool
) -> Callable[[Sequence[SqlValue]], Sequence[str]]:
    """From the cells of a column to their texts; raises Rejected where one of them can't be delivered."""
    plain, convert, spell = PASSED_UNCHANGED.get(column.target_type), converter(column, zone), _spelling(column)
    zero = ZERO_VALUES.get(column.target_type) if column.zero_for_null else None
    (empty,) = spell([zero])
    is_needed = is_key or (column.required and zero is None)
    plain_kinds = {plain, NoneType}

    def texts(cells: Sequence[SqlValue]) -> Sequence[str]:
        values: Sequence[WireValue] = cells
        if not plain_kinds.issuperset(map(type, cells)):
            values = [value if value is None or type(value) is plain else convert(value) for value in cells]
        if is_needed and None in values:
            raise Rejected(Reason.NULL_KEY if is_key else Reason.NULL_REQUIRED)
        if is_key and plain is str:
            check_key(values)
        found = spell(values)
        return found if zero is None else [empty if value is None else text
                                           for value, text in zip(values, found, strict=True)]

    return texts


def _spelling(column: ColumnSpec) -> Callable[[Sequence[Any]], Sequence[str]]:
    """The texts of the wire values of a column; a NULL is empty, and nothing else is."""
    match column.target_type:
        case TargetType.INT64 | TargetType.TIMESTAMP | TargetType.DATE:
            return lambda values: ["" if value is None else str(value) for value in values]
        case TargetType.STRING:
            return lambda values: ["" if value is None else f"{len(value)}:{value}" for value in values]
        case TargetType.FLOAT64:
            return lambda values: ["" if value is None else f"{value:.17e}" if value else "0" for value in values]
        case TargetType.BYTES:
            return lambda values: ["" if value is None else f"x{value.hex()}" for value in values]
        case _:
            one = _ONE_BY_ONE[column.target_type]
            return lambda values: ["" if value is None else one(value) for value in values]


def _bool_text(value: WireValue) -> str:
    return "true" if value else "false"


def _decimal_text(value: WireValue) -> str:
    """The literal that is sent, without the zero in front of its point."""
    sign, digits = ("-", str(value)[1:]) if str(value).startswith("-") else ("", str(value))
    return sign + (digits.removeprefix("0") or "0")


def _datetime_text(value: WireValue) -> str:
    return str((datetime.fromisoformat(str(value)) - _NAIVE_EPOCH) // _MICROSECOND)


def _time_text(value: WireValue) -> str:
    found = time.fromisoformat(str(value))
    seconds = (found.hour * 60 + found.minute) * 60 + found.second
    return str(seconds * 1_000_000 + found.microsecond)


def _json_text(value: WireValue) -> str:
    """As BigQuery prints it. Where another engine prints it otherwise, the rows themselves tell that they are equal."""
    text = json.dumps(json.loads(str(value)), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{len(text)}:{text}"


_ONE_BY_ONE: Mapping[TargetType, Callable[[WireValue], str]] = {
    TargetType.BOOL: _bool_text,
    TargetType.NUMERIC: _decimal_text,
    TargetType.BIGNUMERIC: _decimal_text,
    TargetType.DATETIME: _datetime_text,
    TargetType.TIME: _time_text,
    TargetType.JSON: _json_text,
}
