"""The events that bqsync logs: their names, levels and fields. Stable: scripts and alerts may rely on them."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Event(StrEnum):
    """The value of `event` in a log line. `SPECIFICATIONS` describes each; docs/events.md is held against it."""

    SYNC_COMPLETED = "sync.completed"
    SYNC_FAILED = "sync.failed"
    SYNC_RECOVERED = "sync.recovered"
    DAEMON_STARTED = "daemon.started"
    DAEMON_READY = "daemon.ready"
    DAEMON_HEARTBEAT = "daemon.heartbeat"
    DAEMON_RELOADED = "daemon.reloaded"
    DAEMON_RELOAD_FAILED = "daemon.reload_failed"
    DAEMON_STALLED = "daemon.stalled"
    DAEMON_STOPPING = "daemon.stopping"
    DAEMON_STOPPED = "daemon.stopped"
    CONTROL_UNAVAILABLE = "control.unavailable"
    HTTP_LISTENING = "http.listening"
    HTTP_UNAVAILABLE = "http.unavailable"
    ANSWER_FAILED = "answer.failed"
    WATCH_DEGRADED = "watch.degraded"
    WATCH_RECOVERED = "watch.recovered"
    WATCH_OVERFLOW = "watch.overflow"
    SOURCE_UNAVAILABLE = "source.unavailable"
    SOURCE_RECOVERED = "source.recovered"
    BIGQUERY_UNAVAILABLE = "bigquery.unavailable"
    TABLE_REFUSED = "table.refused"
    TARGET_CREATED = "target.created"
    TARGET_ALTERED = "target.altered"
    ROW_QUARANTINED = "row.quarantined"
    QUARANTINE_RECOVERED = "quarantine.recovered"
    RETRY_SCHEDULED = "retry.scheduled"
    MERGE_INTERVAL_WIDENED = "merge_interval.widened"
    MERGE_INTERVAL_NARROWED = "merge_interval.narrowed"
    DAILY_LIMIT_REACHED = "daily_limit.reached"
    MERGE_COMPLETED = "merge.completed"
    MERGE_BILLED = "merge.billed"
    BILL_DELAYED = "merge.bill_delayed"
    INTENT_SETTLED = "intent.settled"
    STAGING_SWEPT = "staging.swept"
    STAGING_LEFT = "staging.left"
    DELETES_HELD_BACK = "deletes.held_back"
    STATE_REBUILT = "state.rebuilt"
    STATE_OUTDATED = "state.outdated"
    SOURCE_REPLACED = "source.replaced"
    WATERMARK_ANOMALY = "watermark.anomaly"
    EMBEDDED_STARTED = "bigquery.embedded_started"
    VERIFY_COMPLETED = "verify.completed"
    VERIFY_REPAIRED = "verify.repaired"
    VERIFY_FAILED = "verify.failed"
    SCHEMA_WARNING = "schema.warning"
    NATIVE_UNFIT = "native.unfit"
    DEMO_WRITER_FINISHED = "demo.writer_finished"
    LIBRARY_MESSAGE = "library.message"


@dataclass(frozen=True, slots=True)
class EventSpecification:
    """How an event is logged."""

    level: str
    """As it is logged when nothing unusual comes with it."""
    description: str
    """One line."""
    fields: tuple[str, ...]
    """Beside timestamp, level and event. A field may be absent where it does not apply. Never a cell value."""


_ERROR_FIELDS = ("code", "kind", "what", "why", "fix")
_CYCLE_FIELDS = (
    "table",
    "target",
    "swept",
    "skipped",
    "rows_read",
    "rows_upserted",
    "rows_deleted",
    "rows_unchanged",
    "rows_quarantined",
    "quarantine_total",
    "deletes_deferred",
    "bytes_sent",
    "bytes_billed",
    "merges",
    "lag_s",
    "durations_s",
)

SPECIFICATIONS = MappingProxyType(
    {
        Event.SYNC_COMPLETED: EventSpecification(
            "info", "One cycle of one table has been delivered and its state committed.", _CYCLE_FIELDS
        ),
        Event.SYNC_FAILED: EventSpecification(
            "error", "A cycle of a table has failed; nothing is lost, it is tried again.",
            ("table", *_ERROR_FIELDS, "failures", "retry_in_s"),
        ),
        Event.SYNC_RECOVERED: EventSpecification(
            "info", "What had failed works again: a table, or, without one, what all of them need.",
            ("table", "code", "failures", "duration_s"),
        ),
        Event.DAEMON_STARTED: EventSpecification(
            "info", "The daemon begins.", ("version", "config", "db", "tables", "pid")
        ),
        Event.DAEMON_READY: EventSpecification(
            "info", "Configuration, state and credentials are in order, and the database was looked at.",
            ("tables", "is_database_there", "duration_s"),
        ),
        Event.DAEMON_HEARTBEAT: EventSpecification(
            "info", "The daemon is alive; what it has done since the last line of this kind.",
            ("tables", "failing", "lag_s", "cycles", "rows_upserted", "rows_deleted", "file_events", "uptime_s",
             "rss_bytes"),
        ),
        Event.DAEMON_RELOADED: EventSpecification(
            "info", "The configuration was read anew and is in force.", ("config", "changed", "tables")
        ),
        Event.DAEMON_RELOAD_FAILED: EventSpecification(
            "error", "The new configuration can't be used; the old one stays in force.",
            (*_ERROR_FIELDS, "problems"),
        ),
        Event.DAEMON_STALLED: EventSpecification(
            "error", "A cycle makes no progress; the service manager is no longer told that all is well.",
            ("table", "silent_s", "why", "fix"),
        ),
        Event.DAEMON_STOPPING: EventSpecification("info", "The daemon was asked to end.", ("signal", "running")),
        Event.DAEMON_STOPPED: EventSpecification(
            "info", "The daemon ends. What was abandoned is sent again by the next start.",
            ("abandoned", "duration_s"),
        ),
        Event.CONTROL_UNAVAILABLE: EventSpecification(
            "warning", "The control socket can't be made; the daemon works without it.", ("what", "why", "fix")
        ),
        Event.HTTP_LISTENING: EventSpecification(
            "info", "Status page, health and readiness are served to this machine.", ("address",)
        ),
        Event.HTTP_UNAVAILABLE: EventSpecification(
            "error", "The address of `http.listen` can't be had; the daemon works without, and it is tried again.",
            ("what", "why", "fix", "retry_in_s"),
        ),
        Event.ANSWER_FAILED: EventSpecification(
            "error", "Somebody who asked the daemon could not be answered, by a fault of bqsync; it goes on.",
            ("where", "exception"),
        ),
        Event.WATCH_DEGRADED: EventSpecification(
            "warning", "Changes are found by polling alone.", ("what", "why", "fix", "poll_interval_s")
        ),
        Event.WATCH_RECOVERED: EventSpecification(
            "info", "Events of the file system tell of changes again.", ("file",)
        ),
        Event.WATCH_OVERFLOW: EventSpecification(
            "warning", "More file events came than the kernel keeps; the file was looked at.", ("overflows",)
        ),
        Event.SOURCE_UNAVAILABLE: EventSpecification(
            "error", "There is no database to look at; it is waited for, and nothing is deleted.",
            ("file", *_ERROR_FIELDS),
        ),
        Event.SOURCE_RECOVERED: EventSpecification("info", "The database is there again.", ("file", "duration_s")),
        Event.BIGQUERY_UNAVAILABLE: EventSpecification(
            "error", "BigQuery could not be reached at the start; it is tried again.",
            (*_ERROR_FIELDS, "failures", "retry_in_s"),
        ),
        Event.TABLE_REFUSED: EventSpecification(
            "error", "A table can't be synced as it is configured or declared.",
            ("table", *_ERROR_FIELDS, "failures", "retry_in_s"),
        ),
        Event.TARGET_CREATED: EventSpecification(
            "info", "A target table was missing and has been created.", ("table", "target", "columns")
        ),
        Event.TARGET_ALTERED: EventSpecification(
            "info",
            "Columns of a target table were added (`columns`), widened, let take NULL, or its key is another.",
            ("table", "target", "columns", "widened", "relaxed", "primary_key"),
        ),
        Event.ROW_QUARANTINED: EventSpecification(
            "warning",
            "Rows can't be delivered as they are and wait in quarantine.",
            ("table", "column", "reason", "rows"),
        ),
        Event.QUARANTINE_RECOVERED: EventSpecification(
            "info", "Rows have left the quarantine: delivered, or gone from the source.", ("table", "rows")
        ),
        Event.RETRY_SCHEDULED: EventSpecification(
            "warning",
            "A call has failed in a way that passes, and is tried again.",
            ("attempt", "wait_s", "code", "kind", "what", "why", "repeats"),
        ),
        Event.MERGE_INTERVAL_WIDENED: EventSpecification(
            "warning",
            "BigQuery asks for fewer calls, or the bytes of the day are short: the cycles of a table begin further "
            "apart, and each MERGE carries more.",
            ("table", "interval_s", "before_s", "configured_s", "cause"),
        ),
        Event.MERGE_INTERVAL_NARROWED: EventSpecification(
            "info",
            "A cycle has met no quota, or another day has begun: the next one comes sooner again, down to what is "
            "configured.",
            ("table", "interval_s", "before_s", "configured_s", "cause"),
        ),
        Event.DAILY_LIMIT_REACHED: EventSpecification(
            "warning", "The statements of a table have cost as much as a day may: it waits until the next one.",
            ("table", *_ERROR_FIELDS, "bytes_billed", "limit_bytes", "until"),
        ),
        Event.MERGE_COMPLETED: EventSpecification(
            "debug", "One MERGE has ended; `partitions` is how many its target was read in, and absent where all were.",
            ("table", "job_id", "rows_affected", "bytes_billed", "partitions"),
        ),
        Event.MERGE_BILLED: EventSpecification(
            "info", "BigQuery has told what a MERGE has cost, after its rows were delivered and noted.",
            ("table", "job_id", "bytes_billed"),
        ),
        Event.BILL_DELAYED: EventSpecification(
            "warning",
            "What MERGEs have cost can't be asked for; it is missing in the day's bill, and asked for again.",
            ("table", *_ERROR_FIELDS),
        ),
        Event.INTENT_SETTLED: EventSpecification(
            "info", "The end of a MERGE that an earlier run had begun is known.",
            ("table", "job_id", "outcome", "bytes_billed"),
        ),
        Event.STAGING_SWEPT: EventSpecification(
            "info", "Staging tables that an earlier run left behind were dropped.", ("dataset", "tables")
        ),
        Event.STAGING_LEFT: EventSpecification(
            "warning", "Staging tables of an earlier run could not be looked for; they expire within a day.",
            _ERROR_FIELDS,
        ),
        Event.DELETES_HELD_BACK: EventSpecification(
            "error",
            "More deletes than the guard lets pass wait for a confirmation.",
            ("table", "deletes", "rows", "why", "fix"),
        ),
        Event.STATE_REBUILT: EventSpecification(
            "warning", "The state file was damaged or outdated; it was moved aside and is built anew.",
            ("file", "moved_to", "why"),
        ),
        Event.STATE_OUTDATED: EventSpecification(
            "warning", "The state file is older than a target, as a copy that was put back; the table is reconciled.",
            ("table", "why"),
        ),
        Event.SOURCE_REPLACED: EventSpecification(
            "warning", "The database file is not the one of the last cycle; every table is swept.", ("file", "why")
        ),
        Event.WATERMARK_ANOMALY: EventSpecification(
            "warning", "The clock or a watermark column went back; the table is swept.", ("table", "column", "what")
        ),
        Event.EMBEDDED_STARTED: EventSpecification(
            "info", "The BigQuery on this machine answers.", ("rest_endpoint", "grpc_endpoint", "directory")
        ),
        Event.VERIFY_COMPLETED: EventSpecification(
            "info",
            "Source and target of a table were compared; a warning where rows differ.",
            ("table", "target", "rows", "rows_different", "rows_pending", "duration_s"),
        ),
        Event.VERIFY_REPAIRED: EventSpecification(
            "warning", "Rows of a target that differed from the source were sent again, or deleted.",
            ("table", "rows", "rows_upserted", "rows_deleted"),
        ),
        Event.VERIFY_FAILED: EventSpecification(
            "warning", "The daemon could not compare a table with its target; it is tried again.",
            ("table", *_ERROR_FIELDS, "retry_in_s"),
        ),
        Event.SCHEMA_WARNING: EventSpecification(
            "warning", "A mapping works, and is perhaps not what was meant.", ("table", "column", "what")
        ),
        Event.NATIVE_UNFIT: EventSpecification(
            "debug", "A page is not for compiled code, and is read by rows.", ("table", "why")
        ),
        Event.DEMO_WRITER_FINISHED: EventSpecification(
            "info", "The demo's writer has made its last change.", ("inserts", "updates", "deletes", "duration_s")
        ),
        Event.LIBRARY_MESSAGE: EventSpecification(
            "warning", "A library has logged a warning or an error of its own.", ("logger", "message", "exception")
        ),
    }
)
