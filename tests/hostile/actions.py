"""What a hostile BigQuery can be told to do with a call, and which methods of BigQuery each of it is for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import grpc
from google.cloud.bigquery_storage_v1 import types
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2


class Method(StrEnum):
    """BigQuery's names of what can be called: the Storage Write API has the two in camel case, REST the others."""

    ANY = "any"
    DATASETS_GET = "datasets.get"
    DATASETS_INSERT = "datasets.insert"
    TABLES_GET = "tables.get"
    TABLES_INSERT = "tables.insert"
    TABLES_LIST = "tables.list"
    TABLES_DELETE = "tables.delete"
    TABLES_PATCH = "tables.patch"
    TABLEDATA_LIST = "tabledata.list"
    JOBS_INSERT = "jobs.insert"
    JOBS_GET = "jobs.get"
    JOBS_QUERY = "jobs.query"
    JOBS_GET_QUERY_RESULTS = "jobs.getQueryResults"
    JOBS_CANCEL = "jobs.cancel"
    OTHER_REST = "other"
    CREATE_WRITE_STREAM = "CreateWriteStream"
    APPEND_ROWS = "AppendRows"


STORAGE_METHODS = frozenset({Method.CREATE_WRITE_STREAM, Method.APPEND_ROWS})
REST_METHODS = frozenset(Method) - STORAGE_METHODS - {Method.ANY}
ALL_METHODS = REST_METHODS | STORAGE_METHODS

_STATUS_NAMES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
                 409: "ALREADY_EXISTS", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
_USAGE = frozenset({"rateLimitExceeded", "quotaExceeded"})


class When(StrEnum):
    """On which side of its effect a call goes wrong."""

    BEFORE = "before"
    """BigQuery never hears of it."""
    AFTER = "after"
    """BigQuery has done what was asked; only the answer is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestFailure:
    """
    An answer in the form of BigQuery's errors; without a reason it is the message as it stands, as others answer.

    Source: https://docs.cloud.google.com/bigquery/docs/error-messages
    """

    methods: ClassVar = REST_METHODS
    status: int
    reason: str
    message: str
    location: str = ""
    retry_after: str = ""
    """The header that says for how long to wait."""

    @property
    def body(self) -> bytes:
        if not self.reason:
            return self.message.encode()
        domain = "usageLimits" if self.reason in _USAGE else "global"
        error = {"message": self.message, "domain": domain, "reason": self.reason}
        if self.location:
            error |= {"location": self.location, "locationType": "other"}
        return json.dumps({"error": {
            "code": self.status, "message": self.message, "errors": [error],
            "status": _STATUS_NAMES.get(self.status, "INTERNAL"),
        }}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFailure:
    """A status of the Storage Write API; what was asked is not done."""

    methods: ClassVar = STORAGE_METHODS
    status: grpc.StatusCode
    message: str = "as scripted"
    code: int = 0
    """Of a StorageError in the details; 0 for none."""
    retry_after_s: float | None = None
    """Of a RetryInfo in the details."""
    in_band: bool = False
    """AppendRows: said in an answer; the call goes on."""

    def as_status(self) -> Any:
        status = status_pb2.Status(code=self.status.value[0], message=self.message)
        if self.code:
            _attach(status, types.StorageError.pb(types.StorageError(code=self.code)))
        if self.retry_after_s is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(round(self.retry_after_s * 1000))
            _attach(status, error_details_pb2.RetryInfo(retry_delay=delay))
        return status


@dataclass(frozen=True, slots=True)
class Delay:
    """The call waits before it is passed on."""

    methods: ClassVar = ALL_METHODS
    seconds: float


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is lost: with a TCP reset under REST, as UNAVAILABLE under gRPC."""

    methods: ClassVar = ALL_METHODS
    when: When = When.BEFORE


@dataclass(frozen=True, slots=True)
class Truncate:
    """REST: half of the answer's body arrives. AppendRows: the call ends in good order without the answer."""

    methods: ClassVar = ALL_METHODS - {Method.CREATE_WRITE_STREAM}
    when: When = When.AFTER
    """Under AppendRows, whether the rows were appended; a REST call was always acted upon."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The answer arrives twice."""

    methods: ClassVar = frozenset({Method.APPEND_ROWS})


@dataclass(frozen=True, slots=True)
class RefuseRows:
    """A request with rows that hold the marker is refused as a whole, and these rows are named and quoted."""

    methods: ClassVar = frozenset({Method.APPEND_ROWS})
    marker: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFor:
    """Each table is NOT_FOUND at first, as a new one may be: for so many calls, or so long after the first of them."""

    methods: ClassVar = STORAGE_METHODS
    calls: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLate:
    """The submission of a job gets stuck on its way, and its client is told of a failure."""

    methods: ClassVar = frozenset({Method.JOBS_INSERT})
    answer: Reset | RestFailure = field(default_factory=Reset)
    visible: bool = False
    """The job exists already, and is RUNNING until it is released; else nobody knows of it."""
    never: bool = False
    """It is lost for good."""


@dataclass(frozen=True, slots=True)
class RunTwice:
    """A job takes effect twice; the client sees the answer of the first time."""

    methods: ClassVar = frozenset({Method.JOBS_INSERT})


@dataclass(frozen=True, slots=True, kw_only=True)
class FailJob:
    """A job is taken, and fails without effect: its submission, its resource and its results say so."""

    methods: ClassVar = frozenset({Method.JOBS_INSERT})
    reason: str
    message: str
    told: bool = True
    """By the submission too; else that says no more than that the job has ended."""


@dataclass(frozen=True, slots=True)
class Billed:
    """A job runs, and its resource says that it was billed with so many bytes: the emulator says none."""

    methods: ClassVar = frozenset({Method.JOBS_INSERT})
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Underway:
    """A job runs, and its submission is told so, as by BigQuery: the emulator answers when it has ended."""

    methods: ClassVar = frozenset({Method.JOBS_INSERT})
    state: str = "RUNNING"
    """All that the submission is told, beside when the job was taken."""
    size_bytes: int | None = None
    """With so much it was billed, as its resource tells once it has ended; None: the emulator's word."""


Action: TypeAlias = (
    RestFailure | StorageFailure | Delay | Reset | Truncate | Duplicate | RefuseRows | UnknownFor | RunLate | RunTwice
    | FailJob | Billed | Underway
)


def _attach(status: Any, message: Any) -> None:
    detail = any_pb2.Any()
    detail.Pack(message)
    status.details.append(detail)
