"""Tables: as the source declares them, as a message does, and as they are delivered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bqsync.model.partitions import Partitioning
from bqsync.model.policies import DeletePolicy, TableMode
from bqsync.model.values import TargetType, TimestampFormat, folded


class Affinity(StrEnum):
    """SQLite's column affinities. Source: https://www.sqlite.org/datatype3.html#determination_of_column_affinity"""

    INTEGER = "INTEGER"
    REAL = "REAL"
    NUMERIC = "NUMERIC"
    TEXT = "TEXT"
    BLOB = "BLOB"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """A column as SQLite declares it."""

    name: str
    declared_type: str
    affinity: Affinity
    not_null: bool
    generated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """A table as SQLite declares it."""

    name: str
    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    """Declared key columns in key order; empty where none is declared."""
    unique_keys: tuple[tuple[str, ...], ...] = ()
    """UNIQUE constraints whose columns are all NOT NULL: each serves as a key."""

    def column(self, name: str) -> SourceColumn | None:
        """The column of that name, compared as SQLite compares names: without regard to ASCII case."""
        return next((column for column in self.columns if folded(column.name) == folded(name)), None)


class ProtoScalar(StrEnum):
    """The scalar types of a protobuf field that a table row may have."""

    INTEGER = "integer"
    FLOATING = "floating"
    BOOL = "bool"
    STRING = "string"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoField:
    """A field of a message in `protos/`, with the gen_bq_schema options that steer it."""

    name: str
    scalar: ProtoScalar
    json_name: str | None = None
    """Where the file gives one of its own: the source column, if its name can't be that of a field."""
    target_name: str | None = None
    type_override: TargetType | None = None
    required: bool = False
    ignored: bool = False
    description: str | None = None
    default_value_expression: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """How one source column becomes one target column."""

    source_name: str
    target_name: str
    target_type: TargetType
    field_number: int
    """Protobuf field number on the wire: allotted once per (column, target type), never reused."""
    required: bool = False
    timestamp_format: TimestampFormat | None = None
    zero_for_null: bool = False
    description: str | None = None
    default_value_expression: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """The mapping of one table: everything that encode and deliver need to know about it."""

    source_name: str
    target_name: str
    columns: tuple[ColumnSpec, ...]
    key: tuple[str, ...]
    """Source names of the key columns, in key order."""
    deletes: DeletePolicy = DeletePolicy.DELETE
    gone: tuple[str, ...] = ()
    """Target columns whose source column exists no more: they go NULL with every row that is sent."""
    key_is_plain: bool = True
    """Every source key that can be delivered is, value by value, the target key that becomes of it."""
    mode: TableMode = TableMode.UPSERT
    contents: tuple[str, ...] = ()
    """Of a table without a key: what each column is that tells its rows apart. Empty where a key does."""
    partitioning: Partitioning | None = None
    """Of the target: as it is, or as it is to be created."""

    @property
    def key_columns(self) -> tuple[ColumnSpec, ...]:
        """The specs of the key columns, in key order."""
        by_name = {column.source_name: column for column in self.columns}
        return tuple(by_name[name] for name in self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRef:
    """A BigQuery table by its three names."""

    project: str
    dataset: str
    table: str

    def __str__(self) -> str:
        """As error messages and client calls name it: project.dataset.table."""
        return f"{self.project}.{self.dataset}.{self.table}"

    @property
    def sql(self) -> str:
        """As GoogleSQL names it."""
        return f"`{self.project}`.`{self.dataset}`.`{self.table}`"
