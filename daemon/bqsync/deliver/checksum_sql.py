"""
The text of the statements that compare a target by checksums. Pure; `bqsync.encode.checksums` makes the same sums.

A row becomes one text, the text an MD5 digest, and the first hexadecimal digits of the digest say which bucket the row
is in. Of each bucket there are the number of its rows and the sum of 64 bits of their digests, in two halves: a SUM of
64-bit numbers would overflow. So a table without differences is one short answer, whatever its keys are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bqsync.deliver.merge_sql import ROW, quote, where
from bqsync.model import MARK_COLUMN, ColumnSpec, Partitioning, TargetRef, TargetType

BUCKET = "_bqsync_bucket"
_UNMARKED = f"{ROW}.{quote(MARK_COLUMN)} IS NULL"
_DIGEST, _HALF_DIGITS = "D", 8
_HIGH_AT, _LOW_AT = 9, 17
"""Where the two halves of the sum stand among the 32 digits; the first four are those of buckets."""


def sums_statement(
    target: TargetRef, columns: Sequence[ColumnSpec], digits: int, *, unmarked_only: bool = False,
    partitioning: Partitioning | None = None,
) -> str:
    """
    Of each bucket that has rows: its digits, the number of its rows, and the two halves of the sum of their digests.

    Args:
        target: to be read, once and whole.
        columns: that are compared.
        digits: hexadecimal digits that tell buckets apart, 1 to 4.
        unmarked_only: leave out what is marked as deleted.
        partitioning: of the target.
    """
    digest = f"{_DIGEST}.{quote('digest')}"
    high, low = (f"SUM(CAST(CONCAT('0x', SUBSTR({digest}, {at}, {_HALF_DIGITS})) AS INT64))"
                 for at in (_HIGH_AT, _LOW_AT))
    condition = where(partitioning, [_UNMARKED] if unmarked_only else [])
    return (f"SELECT SUBSTR({digest}, 1, {digits}) AS bucket, COUNT(*) AS row_count, {high} AS high, {low} AS low"
            f" FROM (SELECT {_digest(columns)} AS {quote('digest')} FROM {target.sql} AS {ROW}{condition})"
            f" AS {_DIGEST} GROUP BY bucket")


def bucket_rows_statement(
    target: TargetRef, columns: Sequence[ColumnSpec], expressions: Sequence[str], digits: int,
    *, buckets: Collection[str] | None, unmarked_only: bool = False, partitioning: Partitioning | None = None,
) -> str:
    """
    Read the rows of some buckets, each with the digits of its bucket behind what is wanted of it.

    Args:
        target: to be read.
        columns: as for the sums.
        expressions: what is wanted of each row, by the alias `ROW`.
        digits: as for the sums.
        buckets: their digits; None reads all of them.
        unmarked_only: leave out what is marked as deleted.
        partitioning: of the target.
    """
    bucket = f"SUBSTR({_digest(columns)}, 1, {digits})"
    conditions = [_UNMARKED] if unmarked_only else []
    if buckets is not None:
        listed = ", ".join(f"'{one}'" for one in sorted(buckets))
        conditions.append(f"{bucket} IN ({listed})")
    return (f"SELECT {', '.join(expressions)}, {bucket} AS {quote(BUCKET)} FROM {target.sql} AS {ROW}"
            f"{where(partitioning, conditions)}")


def _digest(columns: Sequence[ColumnSpec]) -> str:
    return f"TO_HEX(MD5({_row_text(columns)}))"


def _row_text(columns: Sequence[ColumnSpec]) -> str:
    """
    One text for the cells of a row, another one for any other row.

    Numbers and instants end at a comma, texts tell their length in front, and a NULL, alone, is empty.
    """
    # As one list: some engines nest what is concatenated piece by piece, and bound the depth.
    return f"ARRAY_TO_STRING([{', '.join(map(_cell_text, columns))}], ',', '')"


def _cell_text(column: ColumnSpec) -> str:
    return _TEXTS[column.target_type].replace("{cell}", f"{ROW}.{quote(column.target_name)}")


def _counted(text: str) -> str:
    return f"CONCAT(CAST(CHAR_LENGTH({text}) AS STRING), ':', {text})"


def _decimal_text() -> str:
    """As few digits as it takes: engines print another number of zeros, at either end."""
    text = "REGEXP_REPLACE(CAST({cell} AS STRING), r'^(-?)0*[.]', r'\\1.')"
    return f"IF({{cell}} = 0, '0', RTRIM(REGEXP_REPLACE({text}, r'([.][0-9]*?)0*$', r'\\1'), '.'))"


_TEXTS = {
    TargetType.INT64: "CAST({cell} AS STRING)",
    # 18 digits tell every double from every other; -0.0 is the 0.0 that it equals.
    TargetType.FLOAT64: "IF({cell} = 0, '0', FORMAT('%.17e', {cell}))",
    TargetType.BOOL: "CAST({cell} AS STRING)",
    TargetType.STRING: _counted("{cell}"),
    TargetType.BYTES: "CONCAT('x', TO_HEX({cell}))",
    TargetType.TIMESTAMP: "CAST(UNIX_MICROS({cell}) AS STRING)",
    TargetType.NUMERIC: _decimal_text(),
    TargetType.BIGNUMERIC: _decimal_text(),
    TargetType.DATE: "CAST(UNIX_DATE({cell}) AS STRING)",
    TargetType.DATETIME: "CAST(UNIX_MICROS(TIMESTAMP({cell})) AS STRING)",
    TargetType.TIME: "CAST(TIME_DIFF({cell}, TIME '00:00:00', MICROSECOND) AS STRING)",
    TargetType.JSON: _counted("TO_JSON_STRING({cell})"),
}
"""Of a cell that is not NULL, its text; nothing else has the same one."""
