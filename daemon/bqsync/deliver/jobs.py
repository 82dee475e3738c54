"""
MERGEs: each runs under an intent, and one that a crash or a time-out left behind is seen to its end.

No job of unknown end: the id of a MERGE is committed as an intent before it is submitted, and the intent is withdrawn
only when the job is known to have ended. One that is found at start is settled before anything else touches its target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from bqsync.deliver.clients import Destination
from bqsync.deliver.job_calls import Unsettled, created_us, find, submit, told_by, wait
from bqsync.errors import BqsyncError
from bqsync.failpoints import reached
from bqsync.model import Intent, MergeResult, TargetRef

if TYPE_CHECKING:
    from google.cloud.bigquery import QueryJob

_PLACEHOLDER = "SELECT 1"
"""Burns the id of a job that BigQuery does not know."""


class IntentLog(Protocol):
    """Where intents are kept; each call is durable when it returns."""

    def record_intent(self, intent: Intent) -> None:
        """A job of this id may be running from now on."""

    def clear_intent(self, job_created_us: int | None = None) -> None:
        """The job of the last intent has ended without effect, or (None) was never created."""


def run_merge(destination: Destination, statement: str, staging: TargetRef, intents: IntentLog) -> MergeResult:
    """
    Run one MERGE to its end. Its intent is left for the caller to replace by the outcome, in one transaction.

    Args:
        destination: where.
        statement: the text.
        staging: its source. The job's id is made of its unique name and the number of the attempt, for the id of a
            failed job is burnt.
        intents: keeps the intent.

    Raises:
        BqsyncError: the MERGE had no effect, or, where an intent is still in the log, its end is not known: then
            nothing may touch the target until `settle` has returned.
    """
    attempts = 0

    def attempt() -> MergeResult:
        nonlocal attempts
        attempts += 1
        intent = Intent(job_id=f"{staging.table.lstrip('_')}_{attempts}", staging_table=str(staging))
        intents.record_intent(intent)
        job = _submit_merge(destination, statement, intent, intents)
        reached("merge.submitted")
        ended = wait(destination, job)
        if ended.failed is not None:
            intents.clear_intent(created_us(job))
            raise ended.failed
        return MergeResult(job_id=intent.job_id, affected_rows=ended.affected_rows, bytes_billed=ended.bytes_billed,
                           created_us=created_us(job))

    try:
        return destination.policy.call(f"merge into its target from {staging.table}", attempt)
    except Unsettled as unsettled:
        raise unsettled.error from unsettled


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The end of a job that a crash or a time-out left behind."""

    outcome: Literal["done", "failed", "never ran"]
    created_us: int
    """When BigQuery took the job of its id, by its own clock, in Unix microseconds."""
    bytes_billed: int | None
    """None where it is asked for later: see `MergeResult`."""


def settle(destination: Destination, intent: Intent) -> Settled:
    """
    See an intent that a crash or a time-out left behind to its end.

    Raises:
        BqsyncError: its end is still not known.
    """
    try:
        # If BigQuery does not know it, it may still be on its way: a job of this id that does nothing takes its place
        # for good, unless the MERGE arrives just then. Which of the two has the id, only the text of the job tells.
        job = find(destination, intent.job_id) or submit(destination, _PLACEHOLDER, intent.job_id)
        # Of a job that has ended the resource tells how; its results are gone after a day, and are not asked for.
        ended = told_by(job) if job.state == "DONE" else wait(destination, job)
    except Unsettled as unsettled:
        raise unsettled.error from unsettled
    did_run = job.query != _PLACEHOLDER
    return Settled(
        outcome="never ran" if not did_run else "done" if ended.failed is None else "failed",
        created_us=created_us(job), bytes_billed=ended.bytes_billed,
    )


def _submit_merge(destination: Destination, statement: str, intent: Intent, intents: IntentLog) -> QueryJob:
    try:
        return submit(destination, statement, intent.job_id)
    except BqsyncError:
        intents.clear_intent()
        raise
