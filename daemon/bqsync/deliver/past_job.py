"""How a job stands that was submitted before: looked up, never touched."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, cast

from google.api_core.exceptions import NotFound

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination

if TYPE_CHECKING:
    from google.cloud.bigquery import QueryJob


class JobEnd(StrEnum):
    """How a job stands."""

    UNKNOWN = "unknown"
    """BigQuery does not know it: it never arrived, or is over six months old."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


def look_up(destination: Destination, job_id: str) -> JobEnd:
    """
    How a job of ours stands.

    Raises:
        BqsyncError: BigQuery does not say.
    """
    def get() -> QueryJob | None:
        try:
            found = destination.rest.get_job(job_id, location=destination.location, retry=NO_RETRY,
                                             timeout=CALL_TIMEOUT_S)
            return cast("QueryJob", found)
        except NotFound:
            return None

    job = destination.policy.call(f"look up job {job_id}", get)
    if job is None:
        return JobEnd.UNKNOWN
    if job.state != "DONE":
        return JobEnd.RUNNING
    return JobEnd.DONE if job.error_result is None else JobEnd.FAILED
