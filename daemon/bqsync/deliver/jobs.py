"""
Query jobs: submitted under an id of ours, waited for, looked up again after a crash.

No job of unknown end: the id of a MERGE is committed as an intent before it is submitted, and the intent is withdrawn
only when the job is known to have ended. One that is found at start is settled before anything else touches its target.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast

from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.deliver.translate import VENDOR_ERRORS, failure, kind_of, translate
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.failpoints import reached
from bqsync.model import Intent, MergeResult, TargetRef

if TYPE_CHECKING:
    from google.cloud.bigquery import QueryJob

JOB_WAIT_S = 3600.0
"""A job that has not ended by then is left to its intent: the next cycle settles it."""
_WAIT_MS = 10_000
"""For so long one call waits for the end of a job; the connection is given up after half a minute of silence."""
_PAUSE_S = 0.2
"""So far apart such calls begin, where BigQuery does not wait as long as it was asked to."""
_PLACEHOLDER = "SELECT 1"
"""Burns the id of a job that BigQuery does not know."""
_SUBMISSION_UNKNOWN = (ErrorKind.BIGQUERY_UNREACHABLE, ErrorKind.BIGQUERY_TRANSIENT)
"""After these failures of a submission the job may exist all the same, whatever HTTP status they came with."""
_GIVEN_UP = (408, 499)
"""Of the refusals, these speak of the wait and not of the request."""


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
        failed = _wait(destination, job)
        if failed is not None:
            intents.clear_intent(created_us(job))
            raise failed
        return MergeResult(job_id=intent.job_id, affected_rows=int(job.num_dml_affected_rows or 0),
                           bytes_billed=int(job.total_bytes_billed or 0), created_us=created_us(job))

    try:
        return destination.policy.call(f"merge into its target from {staging.table}", attempt)
    except _Unsettled as unsettled:
        raise unsettled.error from unsettled


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The end of a job that a crash or a time-out left behind."""

    outcome: Literal["done", "failed", "never ran"]
    created_us: int
    """When BigQuery took the job of its id, by its own clock, in Unix microseconds."""
    bytes_billed: int


def settle(destination: Destination, intent: Intent) -> Settled:
    """
    See an intent that a crash or a time-out left behind to its end.

    Raises:
        BqsyncError: its end is still not known.
    """
    try:
        # If BigQuery does not know it, it may still be on its way: a job of this id that does nothing takes its place
        # for good, unless the MERGE arrives just then. Which of the two has the id, only the text of the job tells.
        job = _find(destination, intent.job_id) or _submit(destination, _PLACEHOLDER, intent.job_id)
        # Of a job that has ended the resource tells how; its results are gone after a day, and are not asked for.
        has_failed = job.error_result is not None if job.state == "DONE" else _wait(destination, job) is not None
    except _Unsettled as unsettled:
        raise unsettled.error from unsettled
    did_run = job.query != _PLACEHOLDER
    return Settled(
        outcome="never ran" if not did_run else "failed" if has_failed else "done", created_us=created_us(job),
        bytes_billed=int(job.total_bytes_billed or 0),
    )


def created_us(job: QueryJob) -> int:
    """When BigQuery took a job, by its own clock, in Unix microseconds."""
    return 0 if job.created is None else int(job.created.timestamp() * 1_000_000)


class _Unsettled(Exception):  # noqa: N818 - carries an error past the retries of the whole MERGE
    """The end of a job is not known: a further attempt could run beside it."""

    def __init__(self, error: BqsyncError) -> None:
        super().__init__(error.what)
        self.error = error


def _submit_merge(destination: Destination, statement: str, intent: Intent, intents: IntentLog) -> QueryJob:
    try:
        return _submit(destination, statement, intent.job_id)
    except BqsyncError:
        intents.clear_intent()
        raise


def _submit(destination: Destination, statement: str, job_id: str) -> QueryJob:
    """
    Submit once, whatever the network does: the id makes a repeated request harmless.

    Raises:
        _Unsettled: the job may exist. Of all attempts one is enough for that, whatever the last one met.
        BqsyncError: the job was not created.
    """
    may_exist = False

    def insert() -> QueryJob:
        nonlocal may_exist
        try:
            return destination.rest.query(
                statement, job_id=job_id, location=destination.location, retry=NO_RETRY, job_retry=None,
                timeout=CALL_TIMEOUT_S,
            )
        except Conflict:
            may_exist = True
            return _get(destination, job_id)
        except VENDOR_ERRORS as error:
            may_exist = may_exist or not _is_refusal(error)
            raise

    try:
        return destination.policy.call(f"submit job {job_id}", insert)
    except BqsyncError as error:
        if may_exist:
            raise _Unsettled(error) from error
        raise


def _is_refusal(error: BaseException) -> bool:
    """Whether a submission failed because somebody refused it: a proxy's own 5xx does not tell what is behind it."""
    if kind_of(error) in _SUBMISSION_UNKNOWN or not isinstance(error, GoogleAPICallError) or error.code is None:
        return False
    return 400 <= error.code < 500 and error.code not in _GIVEN_UP


def _find(destination: Destination, job_id: str) -> QueryJob | None:
    def get() -> QueryJob | None:
        try:
            return _get(destination, job_id)
        except NotFound:
            return None

    return destination.policy.call(f"look up job {job_id}", get)


def _get(destination: Destination, job_id: str) -> QueryJob:
    return cast(
        "QueryJob",
        destination.rest.get_job(job_id, location=destination.location, retry=NO_RETRY, timeout=CALL_TIMEOUT_S),
    )


def _wait(destination: Destination, job: QueryJob) -> BqsyncError | None:
    """
    Wait for the end of a job, in slices, so that a lost connection costs one slice and not the job.

    Returns:
        Why the job failed; None if it did not.

    Raises:
        _Unsettled: the end of the job can't be learned, or takes too long.
    """
    deadline = time.monotonic() + JOB_WAIT_S
    operation = f"run job {job.job_id}"

    def look() -> tuple[bool, BqsyncError | None]:
        if job.state != "DONE":
            _await_end(destination, job)
        elif job.error_result is None and job.num_dml_affected_rows is None:
            # Its submission told that it has ended, and not how.
            job.reload(retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
        if job.state != "DONE":
            return False, None
        return True, _failure_of(operation, job)

    while True:
        begun_s = time.monotonic()
        try:
            ended, failed = destination.policy.call(f"wait for job {job.job_id}", look)
        except BqsyncError as error:
            raise _Unsettled(error) from error
        if ended:
            return failed
        if time.monotonic() > deadline or destination.policy.stop.is_set():
            raise _Unsettled(BqsyncError(
                ErrorKind.BIGQUERY_JOB_UNSETTLED, what=f"job {job.job_id} has not ended yet",
                why=f"BigQuery reports it as {job.state}",
                fix="nothing is lost: the next cycle waits for it before it touches the table; look at the job in the "
                "console if it keeps running",
            ))
        destination.policy.stop.wait(max(0.0, begun_s + _PAUSE_S - time.monotonic()))


def _failure_of(operation: str, job: QueryJob) -> BqsyncError | None:
    """Why a job that has ended failed. The client forgets to tell where it took the job for a success before."""
    if job.error_result is None:
        return None
    error = job.exception(timeout=0)
    if isinstance(error, GoogleAPICallError):
        return translate(operation, error)
    return failure(operation, ErrorKind.BIGQUERY_JOB_FAILED, str(job.error_result.get("message") or ""))


def _await_end(destination: Destination, job: QueryJob) -> None:
    """
    One call that returns when the job has ended, or after a while; then one that tells how, and what it has cost.

    The client's own `result` asks how the job is before it waits, and once more after that: a call more for each MERGE.

    Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
    """
    is_complete = False
    try:
        answer = destination.rest._connection.api_request(  # noqa: SLF001 - no public call waits without asking first
            method="GET", path=f"/projects/{job.project}/queries/{job.job_id}", timeout=CALL_TIMEOUT_S,
            query_params={"location": destination.location, "maxResults": 0, "timeoutMs": _WAIT_MS},
        )
        is_complete = bool(answer.get("jobComplete"))
    except GoogleAPICallError:
        # Of the job, or of the call: the job itself tells. One that has ended is known, whatever the call met.
        job.reload(retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
        if job.state != "DONE":
            raise
    if is_complete:
        job.reload(retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
