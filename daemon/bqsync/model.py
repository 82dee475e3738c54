"""
The typed values that travel between the rooms: schema, mapping, rows, changes, outcomes.

Nothing here does I/O, reads a clock or logs. Everything is frozen: a room receives a value, it never shares one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase
from typing import NamedTuple

SqlValue = int | float | str | bytes | None
"""A cell as Python's sqlite3 returns it: the five storage classes of SQLite."""

WireValue = int | float | str | bytes | bool | None
"""A cell as it is set on a protobuf field; None is an absent field, which BigQuery stores as NULL."""


_FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)


def folded(name: str) -> str:
    """
    A name or a type of SQLite's in the form by which SQLite compares it.

    Only the letters of ASCII are the same in both cases: `É` and `é` are two columns.

    Source: https://www.sqlite.org/c3ref/stricmp.html
    """
    return name.translate(_FOLDED)


class TargetType(StrEnum):
    """A BigQuery column type, by its GoogleSQL name."""

    INT64 = "INT64"
    FLOAT64 = "FLOAT64"
    BOOL = "BOOL"
    STRING = "STRING"
    BYTES = "BYTES"
    TIMESTAMP = "TIMESTAMP"
    NUMERIC = "NUMERIC"
    BIGNUMERIC = "BIGNUMERIC"
    DATE = "DATE"
    DATETIME = "DATETIME"
    TIME = "TIME"
    JSON = "JSON"


class TimestampFormat(StrEnum):
    """What the values of a source column mean when its target is a TIMESTAMP."""

    UNIX_SECONDS = "unix_seconds"
    UNIX_MILLIS = "unix_millis"
    UNIX_MICROS = "unix_micros"
    UNIX_NANOS = "unix_nanos"
    JULIAN_DAYS = "julian_days"
    ISO8601 = "iso8601"


class Operation(StrEnum):
    """What a staged row asks of the target."""

    UPSERT = "U"
    DELETE = "D"


class StagingColumn(StrEnum):
    """The columns that a staging table has beside those of its target."""

    KEY = "_bqsync_key"
    OPERATION = "_bqsync_operation"
    SEQUENCE = "_bqsync_sequence"


FIRST_FIELD_NUMBER = 16
"""Protobuf field numbers below are for the envelope of a staged row."""


class DeletePolicy(StrEnum):
    """What happens in the target when a row leaves the source."""

    DELETE = "delete"
    MARK = "mark"
    """The row stays and `MARK_COLUMN` tells since when it is gone; whatever is marked counts as absent."""
    IGNORE = "ignore"


MARK_COLUMN = "_bqsync_deleted_at"
"""TIMESTAMP column of a target under `DeletePolicy.MARK`."""


class SweepPolicy(StrEnum):
    """Whether a table is ever compared whole."""

    ON = "on"
    OFF = "off"
    """Watermark passes alone, and a ledger of the overlap alone: for tables too large for more."""


class TableMode(StrEnum):
    """What becomes of the rows of a table."""

    UPSERT = "upsert"
    """They come, change and go."""
    APPEND = "append"
    """They are only ever added: none is deleted in the target, and a table without a key can be delivered."""


ROW_ID_COLUMN = "_bqsync_row_id"
"""BYTES column of the target of a table without a key: a digest of the row's contents, and which of its likes it is."""


class PartitionUnit(StrEnum):
    """How much time one partition of a target holds."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerRange:
    """The partitions of a target that goes by an integer: from `start` up to before `end`, `interval` in each."""

    start: int
    end: int
    interval: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioning:
    """
    How a target is partitioned.

    Partitions are numbered: hours or days since 1970-01-01 (UTC), months and years since year 0, ranges from 0 on.
    """

    column: str
    """Of the target; BigQuery's pseudocolumn where rows are partitioned by the time of their arrival."""
    column_type: TargetType
    unit: PartitionUnit | IntegerRange | None
    """None: by the time of arrival, which no row tells."""
    is_filter_required: bool = False
    """A statement has to say which partitions it reads."""


NULL_PARTITION = -(1 << 62)
"""The number of the partition of the rows whose column is NULL."""
OUTSIDE_PARTITION = NULL_PARTITION + 1
"""The number of the partition of the integers that are in no range."""


class NullValues(StrEnum):
    """Whether NULL stays NULL, or becomes 0 and '' as the reference script meant it."""

    NULL = "null"
    ZERO = "zero"


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


class Reason(StrEnum):
    """Why a row is in quarantine. Stable: `bqsync quarantine --json` prints them."""

    NULL_KEY = "null_key"
    KEY_COLLISION = "key_collision"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    WOULD_CHANGE = "would_change"
    INVALID_TEXT = "invalid_text"
    NOT_FINITE = "not_finite"
    NULL_REQUIRED = "null_required"
    ROW_TOO_LARGE = "row_too_large"
    REFUSED_BY_BIGQUERY = "refused_by_bigquery"


class EncodedRow(NamedTuple):
    """A row that can be delivered. A tuple, because millions of them are made."""

    key: bytes
    """Encoded target key, equal exactly when BigQuery compares the keys as equal."""
    row: bytes
    """Serialized data fields: the bytes that the fingerprint covers."""
    fingerprint: int
    """Signed 64-bit xxh3 of `row`, so that SQLite stores it as an INTEGER."""
    source_key: bytes | None = None
    """Encoded source key, only where `key` does not lead back to it."""
    partition: int | None = None
    """Of the target, into which it goes; None where it has none, or the row does not tell."""

    @property
    def owner(self) -> bytes:
        """The encoded source key, wherever it stands."""
        return self.key if self.source_key is None else self.source_key


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that goes to quarantine instead of BigQuery."""

    source_key: bytes
    """Encoded source key: the identity of the row in the source, NULLs included."""
    key: bytes | None
    """Encoded target key where it could be made."""
    column: str
    reason: Reason
    fingerprint: int
    """Signed 64-bit xxh3 over the source row: while it stays the same, nothing is tried again."""


class LedgerEntry(NamedTuple):
    """What is known of a delivered row. A tuple in the order of the ledger's columns, because millions are read."""

    key: bytes
    fingerprint: int | None
    """None: the row is in the target, what it holds there is not known (after reconciliation)."""
    slot: int
    """Small number of the row, for marks of one bit."""
    source_print: int | None
    """Of the source row that was encoded into these bytes, under this mapping: the same print needs no encoding."""
    source_key: bytes | None
    """As in `EncodedRow`."""

    @property
    def owner(self) -> bytes:
        """The encoded source key of the row that the target holds under this key."""
        return self.key if self.source_key is None else self.source_key


RawEntry = tuple[bytes, int | None, int, int | None, bytes | None]
"""A `LedgerEntry` as the ledger reads it: in the hot path nothing is made of it."""


class Delivery(NamedTuple):
    """What the ledger keeps of a delivered row."""

    key: bytes
    fingerprint: int
    source_key: bytes | None
    source_print: int
    instant_us: int | None = None
    """Unix microseconds of its watermark, where the ledger keeps only rows of the overlap."""
    partition: int | None = None
    """As in `EncodedRow`."""

    @property
    def owner(self) -> bytes:
        """The encoded source key of the row."""
        return self.key if self.source_key is None else self.source_key


class TargetKey(NamedTuple):
    """A key that a target holds."""

    key: bytes
    partition: int | None = None
    """As in `EncodedRow`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Up to where a column has been dealt with."""

    column: str
    source_value: SqlValue
    """The source's own value, exact."""
    instant_us: int
    """The same in Unix microseconds; of numbers that SQLite gives in the order of the commits, the number itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIdentity:
    """What tells one database file from another, and a restored one from its later self."""

    device: int
    inode: int
    application_id: int
    schema_cookie: int
    """`PRAGMA schema_version`: moves forward with every change of the schema."""
    change_counter: int
    """
    Of the file header: never moves back, though in WAL mode it need not move with every commit.

    Source: https://www.sqlite.org/fileformat.html#file_change_counter
    """

    def difference_from(self, earlier: SourceIdentity) -> str | None:
        """In words, why this file is not the later self of the other; None if it may be."""
        if (self.device, self.inode) != (earlier.device, earlier.inode):
            return "another file stands in its place"
        if self.application_id != earlier.application_id:
            return "its application_id is another"
        if self.schema_cookie < earlier.schema_cookie or self.change_counter < earlier.change_counter:
            return "its contents are older than before"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A MERGE job that may be running: committed to the state before the job is submitted."""

    job_id: str
    staging_table: str
    """Full name, `project.dataset.table`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """What one MERGE did, as BigQuery reports it."""

    job_id: str
    affected_rows: int
    bytes_billed: int
    created_us: int
    """When BigQuery took the job, by its own clock, in Unix microseconds."""


@dataclass(slots=True, kw_only=True)
class CycleOutcome:
    """One cycle of one table, as `sync.completed` and `bqsync sync` report it."""

    table: str
    target: str
    swept: bool = False
    """The whole table was compared, to its end."""
    skipped: str = ""
    """Why nothing was read, where nothing was."""
    rows_read: int = 0
    rows_upserted: int = 0
    rows_deleted: int = 0
    rows_unchanged: int = 0
    rows_quarantined: int = 0
    """Rows newly in quarantine."""
    quarantine_total: int = 0
    deletes_deferred: int = 0
    """Rows that are gone from the source and not yet deleted."""
    bytes_sent: int = 0
    bytes_billed: int = 0
    merges: int = 0
    lag_s: float | None = None
    """Seconds from the first change that this cycle delivered, until all of them could be queried."""
    durations_s: dict[str, float] = field(default_factory=dict)
    """Seconds by stage: plan, target, read, encode, compare, append, merge, commit."""
    error: Mapping[str, str] | None = None
