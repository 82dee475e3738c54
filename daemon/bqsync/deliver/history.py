"""
The MERGEs that BigQuery remembers: what tells a state file that is older than its targets.

A state file that was put back to an earlier copy still looks whole: its ledger says what the targets held then. But
BigQuery lists every job, and the id of a MERGE says which target it was for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import TargetRef

JOB_PREFIX = "bqsync_staging"
_INSTANCE_AT, _MARK_AT = 2, 3
"""Places of the parts of a job id: see `staging.new_name`."""
_MAX_JOBS = 1_000
_PAGE_JOBS = 200


def target_mark(target: TargetRef) -> str:
    """What the ids of all MERGEs into a target have in common."""
    return hashlib.sha256(str(target).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class PastMerge:
    """A MERGE that BigQuery remembers."""

    job_id: str
    created_us: int
    """When BigQuery took it, by its own clock, in Unix microseconds."""

    @property
    def instance(self) -> str:
        """The state file that it belongs to."""
        return self.job_id.split("_")[_INSTANCE_AT]

    @property
    def target_mark(self) -> str:
        """The target that it was for."""
        return self.job_id.split("_")[_MARK_AT]


def merges_since(destination: Destination, since_us: int) -> list[PastMerge]:
    """
    The MERGEs of this account that BigQuery took later than that, newest first.

    Every account may list its own jobs, and they come newest first; where it is refused all the same, the answer is
    empty, and a state that was put back is found by the next comparison with the target only.
    Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/jobs/list

    Args:
        destination: where.
        since_us: Unix microseconds by BigQuery's clock.
    """
    def read() -> list[PastMerge]:
        jobs = destination.rest.list_jobs(
            max_results=_MAX_JOBS, page_size=_PAGE_JOBS, retry=NO_RETRY, timeout=CALL_TIMEOUT_S,
            min_creation_time=datetime.fromtimestamp(since_us / 1_000_000, UTC),
        )
        named = [(str(job.job_id), job.created) for job in jobs]
        return [
            PastMerge(job_id, int(created.timestamp() * 1_000_000)) for job_id, created in named
            if created is not None and job_id.startswith(f"{JOB_PREFIX}_") and job_id.count("_") > _MARK_AT
        ]

    try:
        merges = destination.policy.call("list the jobs of this account", read)
    except BqsyncError as error:
        if error.kind is not ErrorKind.BIGQUERY_PERMISSION:
            raise
        return []
    return [merge for merge in merges if merge.created_us > since_us]
