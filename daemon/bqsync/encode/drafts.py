"""A mapping before the values were looked at."""

from __future__ import annotations

from dataclasses import dataclass

from bqsync.config import TableSection
from bqsync.model import SourceColumn, SourceTable, TargetType, TimestampFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDraft:
    """A column whose type is settled, or settled but for a look at its values."""

    source: SourceColumn
    target_name: str
    target_type: TargetType
    timestamp_format: TimestampFormat | None = None
    fallback: TargetType | None = None
    """The type if the values are not instants; None: they have to be."""
    required: bool = False
    description: str | None = None
    default_value_expression: str | None = None

    @property
    def needs_probe(self) -> bool:
        """Whether the meaning of its values is still open."""
        return self.target_type is TargetType.TIMESTAMP and self.timestamp_format is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDraft:
    """A mapping before the values were looked at."""

    source: SourceTable
    section: TableSection
    key: tuple[str, ...]
    columns: tuple[ColumnDraft, ...]
    warnings: tuple[str, ...]
