"""Results of several pages: whatever becomes of a page, they are whole, or their reader is told."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.hostile.actions import Action, Method, Reset, RestFailure, When

from bqsync.config import BigQuerySection
from bqsync.deliver.clients import connect
from bqsync.deliver.queries import read_portions
from bqsync.deliver.retry import WAITS, Policy, Waits
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile.proxy import HostileBigQuery

    from bqsync.deliver.clients import Destination

ROWS = 12_345
STATEMENT = f"SELECT n FROM UNNEST(GENERATE_ARRAY(1, {ROWS})) AS n ORDER BY n"
BUSY = RestFailure(status=503, reason="backendError", message="Try again.")
RATE = RestFailure(status=403, reason="rateLimitExceeded", message="Exceeded rate limits")
QUOTA = RestFailure(status=403, reason="quotaExceeded", message="Quota exceeded: partition modifications")


@pytest.fixture
def destination(hostile: HostileBigQuery) -> Iterator[Destination]:
    section = BigQuerySection(project="demo", dataset="d", rest_endpoint=hostile.endpoints.rest,
                              grpc_endpoint=hostile.endpoints.grpc)
    waits = dict.fromkeys(WAITS, Waits(first=0.01, longest=0.02, total=0.5))
    with closing(connect(section, Policy(waits=waits))) as opened:
        yield opened


@pytest.mark.parametrize("action", [BUSY, RATE, Reset(When.BEFORE), Reset(When.AFTER)])
def test_a_page_that_fails_is_asked_for_again_and_no_row_is_lost_or_repeated(
    destination: Destination, hostile: HostileBigQuery, action: Action
) -> None:
    portions = read_portions(destination, STATEMENT)
    found = next(portions)
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, action, times=1)
    found += [row for portion in portions for row in portion]
    assert found == [(n,) for n in range(1, ROWS + 1)]


@pytest.mark.parametrize(("action", "kind"), [
    (BUSY, ErrorKind.BIGQUERY_TRANSIENT), (QUOTA, ErrorKind.BIGQUERY_QUOTA_EXCEEDED)])
def test_a_page_that_keeps_failing_is_told_as_what_it_is(
    destination: Destination, hostile: HostileBigQuery, action: Action, kind: ErrorKind
) -> None:
    """And not as a fault of ours, nor as the end of the rows."""
    portions = read_portions(destination, STATEMENT)
    next(portions)
    hostile.rule(Method.JOBS_GET_QUERY_RESULTS, action)
    with pytest.raises(BqsyncError) as caught:
        list(portions)
    assert caught.value.kind is kind
