"""What a hostile BigQuery does in a history, beside dying with its client."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from tests.hostile.actions import (
    Action,
    Duplicate,
    Method,
    Reset,
    RestFailure,
    RunLate,
    RunTwice,
    StorageFailure,
    Truncate,
    Underway,
    UnknownFor,
    When,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with some calls."""

    method: Method
    action: Action
    holding: str = ""


_BUSY = RestFailure(status=503, reason="backendError", message="try again")
_LIMIT = RestFailure(status=403, reason="rateLimitExceeded", message="Exceeded rate limits")
_CONFLICT = RestFailure(status=400, reason="invalidQuery", message="Could not serialize access to table t")
_UNKNOWN = RestFailure(status=404, reason="notFound", message="Not found: Job")
_MERGE = "MERGE"

FAULTS = (
    Fault(Method.JOBS_INSERT, Reset(When.BEFORE), _MERGE),
    Fault(Method.JOBS_INSERT, Reset(When.AFTER), _MERGE),
    Fault(Method.JOBS_INSERT, RunLate(), _MERGE),
    Fault(Method.JOBS_INSERT, RunLate(answer=_BUSY), _MERGE),
    Fault(Method.JOBS_INSERT, RunLate(never=True), _MERGE),
    Fault(Method.JOBS_INSERT, RunTwice(), _MERGE),
    Fault(Method.JOBS_INSERT, Underway(), _MERGE),
    Fault(Method.JOBS_INSERT, _LIMIT, _MERGE),
    Fault(Method.JOBS_INSERT, _CONFLICT, _MERGE),
    Fault(Method.JOBS_INSERT, Truncate(), _MERGE),
    Fault(Method.JOBS_INSERT, Reset(When.BEFORE), "SELECT 1"),
    Fault(Method.JOBS_INSERT, Reset(When.AFTER), "SELECT 1"),
    Fault(Method.JOBS_GET, _BUSY),
    Fault(Method.JOBS_GET, _UNKNOWN),
    Fault(Method.JOBS_GET_QUERY_RESULTS, _BUSY),
    Fault(Method.JOBS_GET_QUERY_RESULTS, Reset(When.AFTER)),
    Fault(Method.TABLES_GET, _BUSY),
    Fault(Method.TABLES_INSERT, Reset(When.AFTER)),
    Fault(Method.TABLES_DELETE, Reset(When.BEFORE)),
    Fault(Method.TABLES_LIST, _BUSY),
    Fault(Method.CREATE_WRITE_STREAM, StorageFailure(status=grpc.StatusCode.UNAVAILABLE)),
    Fault(Method.CREATE_WRITE_STREAM, UnknownFor(calls=1)),
    Fault(Method.APPEND_ROWS, Reset(When.BEFORE)),
    Fault(Method.APPEND_ROWS, Reset(When.AFTER)),
    Fault(Method.APPEND_ROWS, Duplicate()),
    Fault(Method.APPEND_ROWS, Truncate(When.BEFORE)),
    Fault(Method.APPEND_ROWS, Truncate(When.AFTER)),
    Fault(Method.APPEND_ROWS, StorageFailure(status=grpc.StatusCode.INTERNAL, in_band=True)),
    Fault(Method.APPEND_ROWS, StorageFailure(status=grpc.StatusCode.RESOURCE_EXHAUSTED)),
)
