"""What was found in a database, and what is proposed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bqsync.model import Reason, SourceColumn, SourceTable, TargetType, TimestampFormat


class Candidate(NamedTuple):
    """A type that a column could have in BigQuery, and what its instants are."""

    target_type: TargetType
    timestamp_format: TimestampFormat | None = None

    def __str__(self) -> str:
        """As a comment names it."""
        if self.timestamp_format is None:
            return self.target_type.value
        return f"{self.target_type.value} ({self.timestamp_format.value})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """All values of one column, counted."""

    column: SourceColumn
    in_key: bool
    nulls: int
    classes: Mapping[str, int]
    """Values by storage class: integer, real, text, blob."""
    kinds: Mapping[str, int]
    """As the product's probe counts them; empty where the column can't be taken for an instant."""
    rejected: Mapping[Candidate, Mapping[Reason, int]]
    """By type: the values that it does not take, by reason."""
    form: str | None = None
    """Of one of its ISO 8601 texts."""
    forms: int = 0
    """How many forms its texts have."""

    @property
    def values(self) -> int:
        """How many values are not NULL."""
        return sum(self.classes.values())

    def misfits(self, candidate: Candidate) -> int:
        """How many values a type does not take."""
        return sum(self.rejected[candidate].values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """One table, read once."""

    declared: SourceTable
    key: tuple[str, ...]
    key_reason: str
    rows: int
    size_bytes: int
    """Of its values, about."""
    null_keys: int
    """Rows with a NULL in their key."""
    oversized: int
    """Rows that no append to BigQuery takes."""
    columns: tuple[ColumnFacts, ...]
    indexed: frozenset[str]
    """Columns that an index starts with."""
    triggers: tuple[str, ...]
    differing: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Of two columns of instants: the rows in which they are not the same."""

    def column(self, name: str) -> ColumnFacts:
        """The facts of one column."""
        return next(facts for facts in self.columns if facts.column.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProposal:
    """One column, decided."""

    name: str
    field_name: str
    """Of the proto field; empty where none can stand for the column, whose type stands in `types` then."""
    target_name: str | None
    """In BigQuery, where it is not the name with `_` for what BigQuery refuses."""
    declared_type: str
    choice: Candidate
    undecided: bool
    """A TIMESTAMP without a value: the first ones tell what they are."""
    configured: bool
    """The choice has to stand in the configuration: the message and the column's name say something else."""
    remark: str = ""
    misfits: int = 0
    """Values that will be in quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkProposal:
    """A column that could be a watermark."""

    column: str
    chosen: bool
    indexed: bool
    usable: bool
    """Its values sort as the instants that they are."""
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProposal:
    """One table, decided."""

    name: str
    refused: str = ""
    """Why it can't be synced as it is; it is written as a comment."""
    wants_key: bool = False
    """All that it lacks is a key."""
    target: str | None = None
    """In BigQuery, where it is not the name with `_` for what BigQuery refuses."""
    message: str = ""
    key: tuple[str, ...] = ()
    key_reason: str = ""
    rows: int = 0
    size_bytes: int = 0
    columns: tuple[ColumnProposal, ...] = ()
    watermarks: tuple[WatermarkProposal, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def watermark(self) -> tuple[str, ...]:
        """The columns that are proposed as watermarks."""
        return tuple(item.column for item in self.watermarks if item.chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A whole database."""

    db: Path
    project: str | None
    """None: the BigQuery of this machine."""
    dataset: str
    name: str
    """Of the proto file."""
    tables: tuple[TableProposal, ...]

    @property
    def accepted(self) -> tuple[TableProposal, ...]:
        """The tables that can be synced."""
        return tuple(table for table in self.tables if not table.refused)
