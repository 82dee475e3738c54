"""The metrics that a scrape finds: their names, types and labels. Stable: alerts and dashboards rely on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class MetricType(StrEnum):
    """What may be asked of the numbers."""

    COUNTER = "counter"
    """Only grows while the process lives."""
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(StrEnum):
    """
    The name of a metric. `METRICS` describes each; docs/metrics.md is held against it.

    Source: https://prometheus.io/docs/practices/naming/
    """

    UP = "bqsync_up"
    BUILD_INFO = "bqsync_build_info"
    RELOAD_SUCCESSFUL = "bqsync_config_last_reload_successful"
    RELOAD_SUCCESS_TIMESTAMP = "bqsync_config_last_reload_success_timestamp_seconds"
    LAG = "bqsync_lag_seconds"
    PENDING_ROWS = "bqsync_pending_rows"
    LAST_SUCCESS_TIMESTAMP = "bqsync_last_success_timestamp_seconds"
    CONSECUTIVE_FAILURES = "bqsync_consecutive_failures"
    DAILY_LIMIT_REACHED = "bqsync_daily_limit_reached"
    MERGE_INTERVAL = "bqsync_merge_interval_seconds"
    DELETES_HELD_ROWS = "bqsync_deletes_held_rows"
    QUARANTINED_ROWS = "bqsync_quarantined_rows"
    LAST_SWEEP_TIMESTAMP = "bqsync_last_sweep_timestamp_seconds"
    LAST_SWEEP_DURATION = "bqsync_last_sweep_duration_seconds"
    LAST_VERIFY_TIMESTAMP = "bqsync_last_verify_timestamp_seconds"
    VERIFY_MISMATCHED_ROWS = "bqsync_verify_mismatched_rows"
    ROWS = "bqsync_rows_total"
    ROWS_QUARANTINED = "bqsync_rows_quarantined_total"
    BYTES_SENT = "bqsync_bytes_sent_total"
    BYTES_BILLED = "bqsync_bytes_billed_total"
    MERGES = "bqsync_merges_total"
    ERRORS = "bqsync_errors_total"
    RETRIES = "bqsync_retries_total"
    FS_EVENTS = "bqsync_fs_events_total"
    SYNC_DURATION = "bqsync_sync_duration_seconds"
    DELIVERY_LAG = "bqsync_delivery_lag_seconds"


@dataclass(frozen=True, slots=True)
class MetricSpecification:
    """How a metric is told."""

    type: MetricType
    help: str
    """One line."""
    labels: tuple[str, ...] = ()
    """In the order in which their values are kept."""
    buckets: tuple[float, ...] = ()
    """Of a histogram: the upper bounds, ascending, in the metric's unit; the last, infinity, goes without saying."""


_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
_TABLE = ("table",)
_STAGE_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""From a page that is in the cache to the MERGE of a first copy."""
_LAG_BUCKETS_S = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

METRICS = MappingProxyType(
    {
        Metric.UP: MetricSpecification(
            _GAUGE, "1 while the database is there and nothing keeps all tables from BigQuery; else 0."),
        Metric.BUILD_INFO: MetricSpecification(
            _GAUGE, "1, labelled with the versions that run.", ("version", "sqlite", "python")),
        Metric.RELOAD_SUCCESSFUL: MetricSpecification(
            _GAUGE, "1 while the configuration that was last read is in force; 0 after one that was refused."),
        Metric.RELOAD_SUCCESS_TIMESTAMP: MetricSpecification(
            _GAUGE, "When the configuration in force was read."),
        Metric.LAG: MetricSpecification(
            _GAUGE, "Age of the oldest change that may not be delivered; 0 where none is pending.", _TABLE),
        Metric.PENDING_ROWS: MetricSpecification(
            _GAUGE, "Rows that are known to differ and not delivered: in hand of the running cycle, or held deletes.",
            _TABLE),
        Metric.LAST_SUCCESS_TIMESTAMP: MetricSpecification(
            _GAUGE, "When a cycle of the table last ended well.", _TABLE),
        Metric.CONSECUTIVE_FAILURES: MetricSpecification(
            _GAUGE, "Cycles of the table that have failed in a row, for a reason of its own.", _TABLE),
        Metric.DAILY_LIMIT_REACHED: MetricSpecification(
            _GAUGE, "1 while the table waits for midnight UTC because a limit of bytes billed is reached; else 0.",
            _TABLE),
        Metric.MERGE_INTERVAL: MetricSpecification(
            _GAUGE, "Least time between the beginnings of two cycles, as it is now.", _TABLE),
        Metric.DELETES_HELD_ROWS: MetricSpecification(
            _GAUGE, "Rows that are gone from the source and that the guard keeps in the target.", _TABLE),
        Metric.QUARANTINED_ROWS: MetricSpecification(
            _GAUGE, "Rows in quarantine at the end of the last cycle.", _TABLE),
        Metric.LAST_SWEEP_TIMESTAMP: MetricSpecification(
            _GAUGE, "When the whole table was last compared with the ledger.", _TABLE),
        Metric.LAST_SWEEP_DURATION: MetricSpecification(
            _GAUGE, "How long the last complete sweep took, with what it delivered.", _TABLE),
        Metric.LAST_VERIFY_TIMESTAMP: MetricSpecification(
            _GAUGE, "When the daemon last compared the table with its target.", _TABLE),
        Metric.VERIFY_MISMATCHED_ROWS: MetricSpecification(
            _GAUGE, "Rows that differed when the daemon last compared the table with its target.", _TABLE),
        Metric.ROWS: MetricSpecification(
            _COUNTER, "Rows that were upserted or deleted in the target, or compared and found unchanged.",
            ("table", "op")),
        Metric.ROWS_QUARANTINED: MetricSpecification(
            _COUNTER, "Rows that were put in quarantine.", _TABLE),
        Metric.BYTES_SENT: MetricSpecification(
            _COUNTER, "Bytes of the rows that were delivered.", _TABLE),
        Metric.BYTES_BILLED: MetricSpecification(
            _COUNTER, "Bytes that BigQuery has billed for statements of the table.", _TABLE),
        Metric.MERGES: MetricSpecification(
            _COUNTER, "MERGE statements that have ended well.", _TABLE),
        Metric.ERRORS: MetricSpecification(
            _COUNTER, "Failures by kind, with the table where they are its own.", ("table", "kind")),
        Metric.RETRIES: MetricSpecification(
            _COUNTER, "Calls to BigQuery that failed in a way that passes and were tried again.", ("kind",)),
        Metric.FS_EVENTS: MetricSpecification(
            _COUNTER, "Events of the file system that told of a write, or of lost events (overflow).", ("kind",)),
        Metric.SYNC_DURATION: MetricSpecification(
            _HISTOGRAM, "Time of each stage in the cycles that ended well.", ("stage",), _STAGE_BUCKETS_S),
        Metric.DELIVERY_LAG: MetricSpecification(
            _HISTOGRAM, "Time from the first change that a cycle delivered until all of them could be queried.",
            (), _LAG_BUCKETS_S),
    }
)
