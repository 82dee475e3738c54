"""
The calls about one query job: it is submitted under an id of ours, looked up, and waited for.

Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.deliver.translate import VENDOR_ERRORS, failure, kind_of, translate
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from google.cloud.bigquery import QueryJob

JOB_WAIT_S = 3600.0
"""A job that has not ended by then is left to its intent: the next cycle settles it."""
_WAIT_MS = 10_000
"""For so long one call waits for the end of a job; the connection is given up after half a minute of silence."""
_PAUSE_S = 0.2
"""So far apart such calls begin, where BigQuery does not wait as long as it was asked to."""
_SUBMISSION_UNKNOWN = (ErrorKind.BIGQUERY_UNREACHABLE, ErrorKind.BIGQUERY_TRANSIENT)
"""After these failures of a submission the job may exist all the same, whatever HTTP status they came with."""
_GIVEN_UP = (408, 499)
"""Of the refusals, these speak of the wait and not of the request."""


class Unsettled(Exception):  # noqa: N818 - no failure by itself: carries an error past the retries of the whole MERGE
    """The end of a job is not known: a further attempt could run beside it."""

    def __init__(self, error: BqsyncError) -> None:
        super().__init__(error.what)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a job has ended."""

    failed: BqsyncError | None = None
    """Why it has failed; None if it did not."""
    affected_rows: int = 0
    bytes_billed: int | None = None
    """None where only the job itself tells, and was not asked: `find_bill`."""


def created_us(job: QueryJob) -> int:
    """When BigQuery took a job, by its own clock, in Unix microseconds."""
    return 0 if job.created is None else int(job.created.timestamp() * 1_000_000)


def submit(destination: Destination, statement: str, job_id: str) -> QueryJob:
    """
    Submit once, whatever the network does: the id makes a repeated request harmless.

    Raises:
        Unsettled: the job may exist. Of all attempts one is enough for that, whatever the last one met.
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
            raise Unsettled(error) from error
        raise


def _is_refusal(error: BaseException) -> bool:
    """Whether a submission failed because somebody refused it: a proxy's own 5xx does not tell what is behind it."""
    if kind_of(error) in _SUBMISSION_UNKNOWN or not isinstance(error, GoogleAPICallError) or error.code is None:
        return False
    return 400 <= error.code < 500 and error.code not in _GIVEN_UP


def find(destination: Destination, job_id: str) -> QueryJob | None:
    """The job of an id; None where BigQuery knows none."""
    def get() -> QueryJob | None:
        try:
            return _get(destination, job_id)
        except NotFound:
            return None

    return destination.policy.call(f"look up job {job_id}", get)


def find_bill(destination: Destination, job_id: str) -> int:
    """
    With how many bytes a job was billed that has ended. 0 for one that BigQuery does not know: nobody will tell.

    Raises:
        BqsyncError: BigQuery does not say.
    """
    operation = f"look up the cost of job {job_id}"

    def get() -> int:
        try:
            job = _get(destination, job_id)
        except NotFound:
            return 0
        if job.state != "DONE":
            # Its results are known before its resource is up to date.
            raise failure(operation, ErrorKind.BIGQUERY_TRANSIENT, f"BigQuery reports it as {job.state}")
        return _billed_bytes(job)

    return destination.policy.call(operation, get)


def _get(destination: Destination, job_id: str) -> QueryJob:
    return cast(
        "QueryJob",
        destination.rest.get_job(job_id, location=destination.location, retry=NO_RETRY, timeout=CALL_TIMEOUT_S),
    )


def wait(destination: Destination, job: QueryJob) -> Ended:
    """
    Wait for the end of a job, in slices, so that a lost connection costs one slice and not the job.

    Raises:
        Unsettled: the end of the job can't be learned, or takes too long.
    """
    deadline = time.monotonic() + JOB_WAIT_S

    def look() -> Ended | None:
        if job.state != "DONE":
            ended = _await_end(destination, job)
            if ended is not None:
                return ended
        elif job.error_result is None and job.num_dml_affected_rows is None:
            # Its submission told that it has ended, and not how.
            job.reload(retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
        return told_by(job) if job.state == "DONE" else None

    while True:
        begun_s = time.monotonic()
        try:
            ended = destination.policy.call(f"wait for job {job.job_id}", look)
        except BqsyncError as error:
            raise Unsettled(error) from error
        if ended is not None:
            return ended
        if time.monotonic() > deadline or destination.policy.stop.is_set():
            raise Unsettled(BqsyncError(
                ErrorKind.BIGQUERY_JOB_UNSETTLED, what=f"job {job.job_id} has not ended yet",
                why=f"BigQuery reports it as {job.state}",
                fix="nothing is lost: the next cycle waits for it before it touches the table; look at the job in the "
                "console if it keeps running",
            ))
        destination.policy.stop.wait(max(0.0, begun_s + _PAUSE_S - time.monotonic()))


def told_by(job: QueryJob) -> Ended:
    """What the resource of a job that has ended tells."""
    return Ended(failed=_failure_of(f"run job {job.job_id}", job), affected_rows=int(job.num_dml_affected_rows or 0),
                 bytes_billed=_billed_bytes(job))


def _billed_bytes(job: QueryJob) -> int:
    """What a job that has ended was billed with, by its resource; the emulator names nothing."""
    return int(job.total_bytes_billed or 0)


def _failure_of(operation: str, job: QueryJob) -> BqsyncError | None:
    """Why a job that has ended failed. The client forgets to tell where it took the job for a success before."""
    if job.error_result is None:
        return None
    error = job.exception(timeout=0)
    if isinstance(error, GoogleAPICallError):
        return translate(operation, error)
    return failure(operation, ErrorKind.BIGQUERY_JOB_FAILED, str(job.error_result.get("message") or ""))


def _await_end(destination: Destination, job: QueryJob) -> Ended | None:
    """
    One call that returns when the job has ended, or after a while.

    Where its answer tells all that a MERGE has to be asked for, no other is made: what it was billed with, only the job
    itself tells. The client's own `result` asks how the job is before it waits, and once more after that.

    Returns:
        How it has ended, if the answer tells; else the job has been looked up, and knows.

    Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
    """
    try:
        answer = destination.rest._connection.api_request(  # noqa: SLF001 - no public call waits without asking first
            method="GET", path=f"/projects/{job.project}/queries/{job.job_id}", timeout=CALL_TIMEOUT_S,
            query_params={"location": destination.location, "maxResults": 0, "timeoutMs": _WAIT_MS},
        )
    except GoogleAPICallError:
        # Of the job, or of the call: the job itself tells. One that has ended is known, whatever the call met.
        job.reload(retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
        if job.state != "DONE":
            raise
        return None
    if not answer.get("jobComplete"):
        return None
    if job.created is not None and _tells_success(answer):
        return Ended(affected_rows=int(answer["numDmlAffectedRows"]))
    job.reload(retry=NO_RETRY, timeout=CALL_TIMEOUT_S)
    return None


def _tells_success(answer: dict[str, Any]) -> bool:
    """
    Whether the results of a job that is complete leave no doubt about its end.

    A job that has failed is told as the failure of the call. `errors` need not mean one: then the job is asked.
    """
    return answer.get("numDmlAffectedRows") is not None and not answer.get("errors")
