"""Targets read back, to be compared: as sums of their rows' digests, and as the rows of some buckets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, cast

from bqsync.deliver.checksum_sql import bucket_rows_statement, sums_statement
from bqsync.deliver.clients import Destination
from bqsync.deliver.queries import read_portions
from bqsync.deliver.schema import wire_expressions
from bqsync.model import DeletePolicy, TableSpec, TargetRef, WireValue

_STATEMENT_TIMEOUT_S = cast("float", (5.0, 3600.0))
"""To connect, and to answer: some engines answer only when the job has ended, and this one reads a whole table."""
_MAX_LISTED_BUCKETS = 16_384
"""
With so many the statement is 200 KB long, and next to everything is read in any case. BigQuery takes 1,024 KB.
Source: https://cloud.google.com/bigquery/quotas#query_jobs
"""


class BucketRow(NamedTuple):
    """A row of a target."""

    values: tuple[WireValue, ...]
    """As the target prints them."""
    bucket: str
    """The digits of its bucket."""


def bucket_sums(
    destination: Destination, ref: TargetRef, spec: TableSpec, digits: int
) -> dict[str, tuple[int, int]]:
    """By the digits of a bucket, the number of its rows and the sum of their digests. Reads the whole target once."""
    statement = sums_statement(ref, spec.columns, digits, unmarked_only=_unmarked_only(spec),
                               partitioning=spec.partitioning)
    return {
        str(bucket): (int(rows), (int(high) << 32) + int(low))
        for portion in read_portions(destination, statement, timeout_s=_STATEMENT_TIMEOUT_S)
        for bucket, rows, high, low in portion
    }


def bucket_rows(
    destination: Destination, ref: TargetRef, spec: TableSpec, buckets: Collection[str]
) -> Iterator[list[BucketRow]]:
    """The rows of at least those buckets, in portions; rows that are marked are absent."""
    statement = bucket_rows_statement(
        ref, spec.columns, wire_expressions(spec.columns), digits=len(next(iter(buckets))),
        buckets=buckets if len(buckets) <= _MAX_LISTED_BUCKETS else None, unmarked_only=_unmarked_only(spec),
        partitioning=spec.partitioning)
    for portion in read_portions(destination, statement, timeout_s=_STATEMENT_TIMEOUT_S):
        yield [BucketRow(row[:-1], str(row[-1])) for row in portion]


def _unmarked_only(spec: TableSpec) -> bool:
    return spec.deletes is DeletePolicy.MARK
