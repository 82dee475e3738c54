"""What a comparison asks of BigQuery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.cloud import bigquery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.workbench import Workbench

    from bqsync.engine.verify import VerifyOutcome


def asked(bench: Workbench, table: str) -> tuple[VerifyOutcome, Sequence[str]]:
    """A comparison, and the text of every query that it has sent, oldest first."""
    before = {job.job_id for job in bench.rest.list_jobs()}
    outcome = bench.verify(table)
    jobs = [job for job in bench.rest.list_jobs() if job.job_id not in before]
    texts = [job.query for job in reversed(jobs) if isinstance(job, bigquery.QueryJob)]
    return outcome, [text for text in texts if bench.dataset in text]
