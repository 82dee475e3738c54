"""What a MERGE would read, by the service's own estimate: a dry run, which changes nothing and is not billed."""

from __future__ import annotations

from dataclasses import dataclass

from google.cloud import bigquery

from bqsync.deliver.clients import CALL_TIMEOUT_S, NO_RETRY, Destination
from bqsync.deliver.merge_sql import merge_statement, quote
from bqsync.deliver.schema import staging_fields
from bqsync.model import TableSpec, TargetRef


@dataclass(frozen=True, slots=True)
class NoRows:
    """
    A staging table without rows, written out in the statement itself.

    The real one does not exist yet. And nothing would come of the statement if a server took a dry run for a run.
    """

    spec: TableSpec

    @property
    def sql(self) -> str:
        """As GoogleSQL takes it behind FROM."""
        cells = ", ".join(f"CAST(NULL AS {field['type']}) AS {quote(field['name'])}"
                          for field in staging_fields(self.spec))
        return f"(SELECT * FROM (SELECT {cells}) WHERE FALSE)"


def dry_merge_statement(spec: TableSpec, target: TargetRef) -> str:
    """The MERGE of a table, of no rows: what it reads of its target is what the real one reads of it."""
    return merge_statement(spec, target, NoRows(spec))


def estimate_merge(destination: Destination, spec: TableSpec, target: TargetRef) -> int | None:
    """
    Bytes that one MERGE into an existing target would process, beside those of its staging table.

    Source: https://cloud.google.com/bigquery/docs/best-practices-costs#estimate-query-costs

    Returns:
        None where the service gives no figure.

    Raises:
        BqsyncError: the service refuses the estimate.
    """
    settings = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)

    def ask() -> bigquery.QueryJob:
        return destination.rest.query(
            dry_merge_statement(spec, target), job_config=settings, location=destination.location, retry=NO_RETRY,
            job_retry=None, timeout=CALL_TIMEOUT_S,
        )

    return destination.policy.call(f"estimate a MERGE into {target}", ask).total_bytes_processed or None
