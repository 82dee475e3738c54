"""What SQLite's declaration of a column says of its type in BigQuery. Pure."""

from __future__ import annotations

from bqsync.model import Affinity, SourceColumn, TargetType

TIMESTAMP_SUFFIXES = ("_timestamp", "_at", "_start", "_end")
_DECLARED_TYPES = {
    "BOOLEAN": TargetType.BOOL,
    "BOOL": TargetType.BOOL,
    "ANY": TargetType.STRING,
    "": TargetType.STRING,
}
_AFFINITY_TYPES = {
    Affinity.INTEGER: TargetType.INT64,
    Affinity.REAL: TargetType.FLOAT64,
    Affinity.NUMERIC: TargetType.FLOAT64,
    Affinity.BLOB: TargetType.BYTES,
    Affinity.TEXT: TargetType.STRING,
}


def named_as_instant(column: SourceColumn) -> bool:
    """By the convention of the endings, which a message turns into a rule."""
    return column.name.lower().endswith(TIMESTAMP_SUFFIXES)


def may_be_instant(column: SourceColumn) -> bool:
    """By its name or its type; its values have to say whether it is."""
    if column.affinity in (Affinity.INTEGER, Affinity.REAL, Affinity.NUMERIC):
        return named_as_instant(column) or _declared_as_instant(column)
    return False


def _declared_as_instant(column: SourceColumn) -> bool:
    return column.declared_type.upper().split("(")[0].strip() in ("DATETIME", "TIMESTAMP")


def declared_type(column: SourceColumn) -> TargetType:
    """The lossless target type for what SQLite declares. STRING takes numbers as well, as their exact text."""
    declared = column.declared_type.upper()
    if declared in _DECLARED_TYPES:
        return _DECLARED_TYPES[declared]
    if column.affinity is Affinity.NUMERIC and ("DATE" in declared or "TIME" in declared):
        return TargetType.STRING
    return _AFFINITY_TYPES[column.affinity]
