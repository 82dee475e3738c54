"""The kinds of failures, and the ways in which the reactions to them differ."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of every command (after BSD's sysexits)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 69
    IO = 74
    LOCKED = 75
    PERMISSION = 77
    CONFIGURATION = 78


class Scope(StrEnum):
    """How much stops when an error of a kind occurs."""

    ROW = "row"
    """The rows that it names: they wait in quarantine, and the others go on."""
    BATCH = "batch"
    """What was staged: it is sent anew, under another name."""
    TABLE = "table"
    """The table; the others go on."""
    SOURCE = "source"
    """Every table of the database would meet it, and it may be over at any moment: what is read is on this machine."""
    PROCESS = "process"
    """Every table would meet it: those that have not begun are not tried."""


class Retry(StrEnum):
    """How a failed call is tried again. The waits stand in `bqsync.deliver.retry`."""

    NEVER = "never"
    SOON = "soon"
    """A passing fault: exponential back-off from a fraction of a second."""
    CONNECT = "connect"
    """Nothing answers at the other end: few tries, so that a one-shot command says so at once."""
    SLOWLY = "slowly"
    """A quota or a rate limit: back-off from seconds."""


class Pause(StrEnum):
    """How long the daemon leaves alone what has failed. The pauses stand in `bqsync.engine.setbacks`."""

    SHORT = "short"
    """What failed is quickly tried, and may be over at any moment: seconds."""
    HELD = "held"
    """An operator is asked, and what is new goes on being delivered meanwhile: seconds."""
    OUTAGE = "outage"
    """Nothing can be delivered at all: up to a minute."""
    TABLE = "table"
    """One table's own trouble: up to minutes."""
    QUOTA = "quota"
    """BigQuery asks for fewer calls: from many seconds up to a quarter of an hour."""


class ErrorKind(StrEnum):
    """What went wrong, as far as the reaction to it differs."""

    CONFIG_INVALID = "config_invalid"
    CONFIG_MISSING = "config_missing"
    PROTO_INVALID = "proto_invalid"
    SOURCE_TABLE_INVALID = "source_table_invalid"
    TIMESTAMP_UNIT_UNCLEAR = "timestamp_unit_unclear"

    SOURCE_MISSING = "source_missing"
    SOURCE_UNREADABLE = "source_unreadable"
    SOURCE_NOT_A_DATABASE = "source_not_a_database"
    SOURCE_EMPTY = "source_empty"
    SOURCE_BUSY = "source_busy"
    SOURCE_CORRUPT = "source_corrupt"
    SOURCE_CHANGED = "source_changed"

    BIGQUERY_UNREACHABLE = "bigquery_unreachable"
    BIGQUERY_TRANSIENT = "bigquery_transient"
    BIGQUERY_RATE_LIMITED = "bigquery_rate_limited"
    BIGQUERY_QUOTA_EXCEEDED = "bigquery_quota_exceeded"
    BIGQUERY_CONFLICT = "bigquery_conflict"
    BIGQUERY_PERMISSION = "bigquery_permission"
    BIGQUERY_CREDENTIALS = "bigquery_credentials"
    BIGQUERY_NOT_FOUND = "bigquery_not_found"
    BIGQUERY_DATASET_MISSING = "bigquery_dataset_missing"
    BIGQUERY_STREAM_LOST = "bigquery_stream_lost"
    BIGQUERY_ROWS_REFUSED = "bigquery_rows_refused"
    BIGQUERY_JOB_FAILED = "bigquery_job_failed"
    BIGQUERY_JOB_UNSETTLED = "bigquery_job_unsettled"
    TARGET_INCOMPATIBLE = "target_incompatible"
    TARGET_FOREIGN = "target_foreign"
    EMBEDDED_FAILED = "embedded_failed"

    STATE_LOCKED = "state_locked"
    STATE_NEWER = "state_newer"
    STATE_UNWRITABLE = "state_unwritable"
    STATE_DAMAGED = "state_damaged"
    STATE_MISSING = "state_missing"

    SERVICE_NOT_PERMITTED = "service_not_permitted"
    SERVICE_EDITED = "service_edited"
    SERVICE_FAILED = "service_failed"
    LOG_UNREADABLE = "log_unreadable"

    DELETES_HELD_BACK = "deletes_held_back"
    QUARANTINE_FLOOD = "quarantine_flood"
    DAILY_LIMIT_REACHED = "daily_limit_reached"
    INTERNAL = "internal"
