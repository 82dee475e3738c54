"""
The typed values that travel between the rooms: schema, mapping, rows, changes, outcomes.

Nothing here does I/O, reads a clock or logs. Everything is frozen: a room receives a value, it never shares one.

    values.py     cells, their types, and names
    policies.py   what a table's configuration chooses
    staging.py    the envelope of a staged row
    partitions.py how a target is partitioned
    schema.py     tables: as the source declares them, as a message does, and as they are delivered
    rows.py       rows on their way, and what is kept of them
    runs.py       rows that were delivered together, packed
    pages.py      many of them at once
    cycles.py     sources, jobs, and how a cycle went
"""

from __future__ import annotations

from bqsync.model.cycles import (
    CycleOutcome,
    Intent,
    MergeResult,
    SourceIdentity,
)
from bqsync.model.pages import (
    EncodedPage,
    FramedRows,
)
from bqsync.model.partitions import (
    NULL_PARTITION,
    OUTSIDE_PARTITION,
    IntegerRange,
    Partitioning,
    PartitionUnit,
)
from bqsync.model.policies import (
    MARK_COLUMN,
    ROW_ID_COLUMN,
    DeletePolicy,
    NullValues,
    SweepPolicy,
    TableMode,
)
from bqsync.model.rows import (
    Delivery,
    EncodedRow,
    LedgerEntry,
    RawEntry,
    Reason,
    RejectedRow,
    TargetKey,
    Watermark,
)
from bqsync.model.runs import (
    PRINT_BYTES,
    Run,
    StoredRun,
    Stretch,
    pack_prints,
    run_of,
    unpack_prints,
)
from bqsync.model.schema import (
    Affinity,
    ColumnSpec,
    ProtoField,
    ProtoScalar,
    SourceColumn,
    SourceTable,
    TableSpec,
    TargetRef,
)
from bqsync.model.staging import (
    FIRST_FIELD_NUMBER,
    Operation,
    StagingColumn,
)
from bqsync.model.values import (
    SqlValue,
    TargetType,
    TimestampFormat,
    WireValue,
    folded,
)

__all__ = [
    "FIRST_FIELD_NUMBER",
    "MARK_COLUMN",
    "NULL_PARTITION",
    "OUTSIDE_PARTITION",
    "PRINT_BYTES",
    "ROW_ID_COLUMN",
    "Affinity",
    "ColumnSpec",
    "CycleOutcome",
    "DeletePolicy",
    "Delivery",
    "EncodedPage",
    "EncodedRow",
    "FramedRows",
    "IntegerRange",
    "Intent",
    "LedgerEntry",
    "MergeResult",
    "NullValues",
    "Operation",
    "PartitionUnit",
    "Partitioning",
    "ProtoField",
    "ProtoScalar",
    "RawEntry",
    "Reason",
    "RejectedRow",
    "Run",
    "SourceColumn",
    "SourceIdentity",
    "SourceTable",
    "SqlValue",
    "StagingColumn",
    "StoredRun",
    "Stretch",
    "SweepPolicy",
    "TableMode",
    "TableSpec",
    "TargetKey",
    "TargetRef",
    "TargetType",
    "TimestampFormat",
    "Watermark",
    "WireValue",
    "folded",
    "pack_prints",
    "run_of",
    "unpack_prints",
]
