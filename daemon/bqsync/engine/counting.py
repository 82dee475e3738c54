"""What is counted of deliveries, cycles, bills and failures, in the words of the metrics."""

from __future__ import annotations

from bqsync.errors import BqsyncError
from bqsync.model import CycleOutcome
from bqsync.observe.metrics import Metric
from bqsync.observe.tally import Tally

UPSERTED, DELETED, UNCHANGED = "upserted", "deleted", "unchanged"


def count_delivery(
    tally: Tally, table: str, *, upserted: int, deleted: int, quarantined: int, sent_bytes: int
) -> None:
    """A chunk has been delivered and noted: at once, for a first copy may take hours."""
    tally.add(Metric.ROWS, upserted, table=table, op=UPSERTED)
    tally.add(Metric.ROWS, deleted, table=table, op=DELETED)
    tally.add(Metric.ROWS_QUARANTINED, quarantined, table=table)
    tally.add(Metric.BYTES_SENT, sent_bytes, table=table)


def count_bill(tally: Tally, table: str, size_bytes: int, *, merges: int = 0) -> None:
    """A statement has ended, and its cost is noted in the state."""
    tally.add(Metric.BYTES_BILLED, size_bytes, table=table)
    tally.add(Metric.MERGES, merges, table=table)


def count_cycle(tally: Tally, outcome: CycleOutcome) -> None:
    """A cycle has ended, well or not. One that read nothing tells nothing of how long anything takes."""
    tally.add(Metric.ROWS, outcome.rows_unchanged, table=outcome.table, op=UNCHANGED)
    if outcome.skipped or outcome.error is not None:
        return
    for stage, seconds in outcome.durations_s.items():
        tally.observe(Metric.SYNC_DURATION, seconds, stage=stage)
    if outcome.lag_s is not None:
        tally.observe(Metric.DELIVERY_LAG, outcome.lag_s)


def count_failure(tally: Tally, failure: BqsyncError, table: str = "") -> None:
    """
    Something has failed.

    Args:
        tally: that counts it.
        failure: by its kind.
        table: that has met it; not told where every table would.
    """
    tally.add(Metric.ERRORS, kind=failure.kind.value, table="" if failure.rule.concerns_all else table)
