"""
The MERGEs that BigQuery remembers: what tells a state file that is older than its targets.

A state file that was put back to an earlier copy still looks whole: its ledger says what the targets held then. But
BigQuery lists every job, and the id of a MERGE says which target it was for.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import TargetRef

JOB_PREFIX = "bqsync_staging"
_MAX_JOBS = 1_000
_PAGE_JOBS = 200


def target_mark(target: TargetRef) -> str:
    """What the ids of all MERGEs into a target have in common."""
    return hashlib.sha256(str(target).encode()).hexdigest()[:8]


def newest_merges(destination: Destination, since_us: int) -> dict[str, int]:
    """
    When BigQuery took the newest MERGE into each target, by the mark of the target, in Unix microseconds.

    Jobs are listed newest first, so that the first of each target is its newest. An account that may not list its jobs
    gets an empty answer: a state that was put back is then found by the next comparison with the target only.
    Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/list

    Args:
        destination: where.
        since_us: older jobs are of no interest.
    """
    newest: dict[str, int] = {}

    def read() -> None:
        jobs = destination.rest.list_jobs(
            max_results=_MAX_JOBS, page_size=_PAGE_JOBS, retry=NO_RETRY, timeout=CALL_TIMEOUT_S,
            min_creation_time=datetime.fromtimestamp(since_us / 1_000_000, UTC),
        )
        for job in jobs:
            parts = str(job.job_id).split("_")
            if job.job_id.startswith(JOB_PREFIX) and len(parts) > 3 and job.created is not None:
                created_us = int(job.created.timestamp() * 1_000_000)
                newest[parts[3]] = max(created_us, newest.get(parts[3], 0))

    try:
        destination.policy.call("list the jobs of this account", read)
    except BqsyncError as error:
        if error.kind is not ErrorKind.BIGQUERY_PERMISSION:
            raise
    return newest
