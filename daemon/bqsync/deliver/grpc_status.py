"""What a gRPC status of the Storage Write API means: pure, for statuses in answers and for those that end a call."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import grpc
from google.cloud.bigquery_storage_v1.types import StorageError
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2

from bqsync.errors import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Code = StorageError.StorageErrorCode

STATUS_BY_NUMBER: Mapping[int, grpc.StatusCode] = MappingProxyType({code.value[0]: code for code in grpc.StatusCode})
"""google.rpc.Status carries the number, grpc.StatusCode the name."""

_BY_STORAGE_CODE: Mapping[int, ErrorKind] = MappingProxyType({
    Code.TABLE_NOT_FOUND: ErrorKind.BIGQUERY_NOT_FOUND,
    Code.STREAM_ALREADY_COMMITTED: ErrorKind.BIGQUERY_STREAM_LOST,
    Code.STREAM_NOT_FOUND: ErrorKind.BIGQUERY_STREAM_LOST,
    Code.INVALID_STREAM_TYPE: ErrorKind.BIGQUERY_STREAM_LOST,
    Code.INVALID_STREAM_STATE: ErrorKind.BIGQUERY_STREAM_LOST,
    Code.STREAM_FINALIZED: ErrorKind.BIGQUERY_STREAM_LOST,
    Code.SCHEMA_MISMATCH_EXTRA_FIELDS: ErrorKind.TARGET_INCOMPATIBLE,
    Code.OFFSET_ALREADY_EXISTS: ErrorKind.BIGQUERY_STREAM_LOST,
    Code.OFFSET_OUT_OF_RANGE: ErrorKind.BIGQUERY_TRANSIENT,
    Code.CMEK_NOT_PROVIDED: ErrorKind.TARGET_INCOMPATIBLE,
    Code.INVALID_CMEK_PROVIDED: ErrorKind.TARGET_INCOMPATIBLE,
    Code.CMEK_ENCRYPTION_ERROR: ErrorKind.TARGET_INCOMPATIBLE,
    Code.KMS_SERVICE_ERROR: ErrorKind.BIGQUERY_TRANSIENT,
    Code.KMS_PERMISSION_DENIED: ErrorKind.BIGQUERY_PERMISSION,
})
"""
Source: https://docs.cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1#storageerror
"""

_BY_STATUS: Mapping[grpc.StatusCode, ErrorKind] = MappingProxyType({
    grpc.StatusCode.ABORTED: ErrorKind.BIGQUERY_TRANSIENT,
    grpc.StatusCode.UNAVAILABLE: ErrorKind.BIGQUERY_TRANSIENT,
    grpc.StatusCode.INTERNAL: ErrorKind.BIGQUERY_TRANSIENT,
    grpc.StatusCode.CANCELLED: ErrorKind.BIGQUERY_TRANSIENT,
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorKind.BIGQUERY_TRANSIENT,
    grpc.StatusCode.OUT_OF_RANGE: ErrorKind.BIGQUERY_TRANSIENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ErrorKind.BIGQUERY_RATE_LIMITED,
    grpc.StatusCode.NOT_FOUND: ErrorKind.BIGQUERY_NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: ErrorKind.BIGQUERY_STREAM_LOST,
    grpc.StatusCode.FAILED_PRECONDITION: ErrorKind.BIGQUERY_STREAM_LOST,
    grpc.StatusCode.PERMISSION_DENIED: ErrorKind.BIGQUERY_PERMISSION,
    grpc.StatusCode.UNAUTHENTICATED: ErrorKind.BIGQUERY_CREDENTIALS,
    grpc.StatusCode.UNIMPLEMENTED: ErrorKind.BIGQUERY_UNREACHABLE,
})
"""
What stands in no table (INVALID_ARGUMENT, UNKNOWN, DATA_LOSS) is taken as a refusal of what was sent: trying it again
would bring the same answer.

Source: https://github.com/googleapis/java-bigquerystorage (ConnectionWorker.java: its set of retriable statuses)
"""

_NOTHING_ANSWERS = (
    "failed to connect", "connection refused", "connections to all backends failing", "dns resolution failed",
    "name resolution", "name or service not known", "errors resolving", "network is unreachable", "no route to host",
)
_NO_TOKEN = "getting metadata from plugin failed"  # noqa: S105 (the text of an error)
_TOKEN_REFUSED = ("invalid_grant", "invalid_client", "reauthentication", "defaultcredentialserror")


def kind_of_status(status: grpc.StatusCode, message: str, details: Iterable[Any] = ()) -> ErrorKind:
    """The kind of a failure: by BigQuery's own code where one is attached, else by the status."""
    code = storage_code(details)
    if code in _BY_STORAGE_CODE:
        return _BY_STORAGE_CODE[code]
    text = message.lower()
    if _NO_TOKEN in text:
        refused = any(word in text for word in _TOKEN_REFUSED)
        return ErrorKind.BIGQUERY_CREDENTIALS if refused else ErrorKind.BIGQUERY_UNREACHABLE
    if status is grpc.StatusCode.UNAVAILABLE and any(phrase in text for phrase in _NOTHING_ANSWERS):
        return ErrorKind.BIGQUERY_UNREACHABLE  # gRPC gives its own failure to connect the server's status
    return _BY_STATUS.get(status, ErrorKind.BIGQUERY_ROWS_REFUSED)


def is_offset_taken(status: grpc.StatusCode, details: Iterable[Any] = ()) -> bool:
    """Whether the stream says that it already holds rows at the offset of a request."""
    code = storage_code(details)
    return code == Code.OFFSET_ALREADY_EXISTS or (not code and status is grpc.StatusCode.ALREADY_EXISTS)


def storage_code(details: Iterable[Any]) -> int:
    """The StorageErrorCode packed in the details of a status; 0 if there is none."""
    for detail in details:
        # A detail of a type that is known to the client library arrives unpacked: it is another one then.
        if getattr(detail, "type_url", "").endswith("google.cloud.bigquery.storage.v1.StorageError"):
            return int(StorageError.deserialize(detail.value).code)
    return 0


def retry_delay_s(details: Iterable[Any]) -> float | None:
    """
    For how long a status asks to be left alone (google.rpc.RetryInfo), in seconds; None if it does not.

    Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
    """
    for detail in details:
        info = _retry_info(detail)
        if info is not None and info.HasField("retry_delay"):
            delay = info.retry_delay
            return max(0.0, float(delay.seconds) + float(delay.nanos) / 1e9)
    return None


def _retry_info(detail: Any) -> Any:  # noqa: ANN401 (google.rpc has no annotations)
    """A detail that is a RetryInfo: unpacked by the client library, or packed as in an answer of a stream."""
    if isinstance(detail, error_details_pb2.RetryInfo):
        return detail
    if not getattr(detail, "type_url", "").endswith("/google.rpc.RetryInfo"):
        return None
    info = error_details_pb2.RetryInfo()
    try:
        return info if detail.Unpack(info) else None
    except DecodeError:
        return None  # what can't be read asks for nothing
