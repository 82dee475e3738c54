"""
Exceptions of Google's clients become `BqsyncError`s: the edge behind which only kinds count.

A client reports one fault in several ways (REST by HTTP status and reason, gRPC by status and details, the network by
the exceptions of requests, credentials by those of google-auth); each is reduced to one kind here.
"""

from __future__ import annotations

import http.client
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

import grpc
import requests
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from bqsync.deliver.grpc_status import kind_of_status
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

VENDOR_ERRORS = (
    api.GoogleAPIError, auth.GoogleAuthError, grpc.RpcError, requests.RequestException, ConnectionError, TimeoutError,
)
"""Every exception that `translate` understands."""

_BY_REASON: Mapping[str, ErrorKind] = MappingProxyType({
    "rateLimitExceeded": ErrorKind.BIGQUERY_RATE_LIMITED,
    "jobRateLimitExceeded": ErrorKind.BIGQUERY_RATE_LIMITED,
    "userRateLimitExceeded": ErrorKind.BIGQUERY_RATE_LIMITED,
    "quotaExceeded": ErrorKind.BIGQUERY_QUOTA_EXCEEDED,
    "dailyLimitExceeded": ErrorKind.BIGQUERY_QUOTA_EXCEEDED,
    "accessDenied": ErrorKind.BIGQUERY_PERMISSION,
    "billingNotEnabled": ErrorKind.BIGQUERY_PERMISSION,
    "blocked": ErrorKind.BIGQUERY_PERMISSION,
    "authError": ErrorKind.BIGQUERY_CREDENTIALS,
    "backendError": ErrorKind.BIGQUERY_TRANSIENT,
    "internalError": ErrorKind.BIGQUERY_TRANSIENT,
    "badGateway": ErrorKind.BIGQUERY_TRANSIENT,
    "tableUnavailable": ErrorKind.BIGQUERY_TRANSIENT,
    "jobBackendError": ErrorKind.BIGQUERY_TRANSIENT,
    "jobInternalError": ErrorKind.BIGQUERY_TRANSIENT,
    "duplicate": ErrorKind.BIGQUERY_JOB_UNSETTLED,
    "notFound": ErrorKind.BIGQUERY_NOT_FOUND,
    "conditionNotMet": ErrorKind.BIGQUERY_CONFLICT,
})
"""Source: https://docs.cloud.google.com/bigquery/docs/error-messages"""

_FAILED_REASONS = frozenset({
    "invalid", "invalidQuery", "resourcesExceeded", "billingTierLimitExceeded", "bytesBilledLimitExceeded",
    "responseTooLarge", "stopped", "timeout",
})
"""The statement itself is at fault, whatever HTTP status comes with it; unless the text says otherwise."""

_BY_HTTP_STATUS: Mapping[int, ErrorKind] = MappingProxyType({
    401: ErrorKind.BIGQUERY_CREDENTIALS,
    403: ErrorKind.BIGQUERY_PERMISSION,
    404: ErrorKind.BIGQUERY_NOT_FOUND,
    407: ErrorKind.BIGQUERY_UNREACHABLE,
    408: ErrorKind.BIGQUERY_TRANSIENT,
    409: ErrorKind.BIGQUERY_JOB_UNSETTLED,
    412: ErrorKind.BIGQUERY_CONFLICT,
    429: ErrorKind.BIGQUERY_RATE_LIMITED,
    500: ErrorKind.BIGQUERY_TRANSIENT,
    502: ErrorKind.BIGQUERY_TRANSIENT,
    503: ErrorKind.BIGQUERY_TRANSIENT,
    504: ErrorKind.BIGQUERY_TRANSIENT,
})

_BY_TEXT: tuple[tuple[str, ErrorKind], ...] = (
    ("could not serialize access", ErrorKind.BIGQUERY_CONFLICT),
    ("too many dml statements outstanding", ErrorKind.BIGQUERY_RATE_LIMITED),
    ("too many table update operations", ErrorKind.BIGQUERY_RATE_LIMITED),
    ("exceeded rate limits", ErrorKind.BIGQUERY_RATE_LIMITED),
    ("quota exceeded", ErrorKind.BIGQUERY_QUOTA_EXCEEDED),
)
"""
Failures that pass, though they arrive as 400 with the reason of a statement that is wrong.

Source: https://github.com/googleapis/java-bigquery/issues/1426
"""

_FIXES: Mapping[ErrorKind, str] = MappingProxyType({
    ErrorKind.BIGQUERY_UNREACHABLE: "Check the network, the proxy and the endpoints under [bigquery].",
    ErrorKind.BIGQUERY_TRANSIENT: "Nothing to do if it passes; see https://status.cloud.google.com if it does not.",
    ErrorKind.BIGQUERY_RATE_LIMITED: "Nothing to do if it passes; else sync less often or fewer tables at a time.",
    ErrorKind.BIGQUERY_QUOTA_EXCEEDED: "Wait until the quota is renewed, or ask for more: IAM & Admin, Quotas.",
    ErrorKind.BIGQUERY_CONFLICT: "Nothing to do if it passes; else find what else modifies the table.",
    ErrorKind.BIGQUERY_PERMISSION: "Grant roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the "
                                   "dataset to the account that bqsync runs as, and check that billing is enabled.",
    ErrorKind.BIGQUERY_CREDENTIALS: "Point GOOGLE_APPLICATION_CREDENTIALS at a valid key file, or run "
                                    "`gcloud auth application-default login`.",
    ErrorKind.BIGQUERY_NOT_FOUND: "Check project, dataset, table and location: what lies in another location is not "
                                  "found either.",
    ErrorKind.BIGQUERY_DATASET_MISSING: "Create the dataset, or correct `bigquery.dataset` and `bigquery.location`: "
                                        "a dataset is found only in its own location.",
    ErrorKind.BIGQUERY_STREAM_LOST: "Nothing to do: the next cycle sends the rows to a new staging table.",
    ErrorKind.BIGQUERY_ROWS_REFUSED: "Run `bqsync check`; if it finds nothing, report this with the log.",
    ErrorKind.BIGQUERY_JOB_FAILED: "Read the reason; the job's page in the BigQuery console shows the statement.",
    ErrorKind.BIGQUERY_JOB_UNSETTLED: "Nothing to do: the job is looked up before anything else touches the table.",
    ErrorKind.TARGET_INCOMPATIBLE: "Run `bqsync check` to compare the table with its mapping.",
})
_WHY_MAX = 400
_QUOTED = re.compile(r"['\"`].*['\"`]")
"""What a refusal quotes may be the value of a cell; from the first mark to the last, for values hold marks too."""
_VALUE = re.compile(r"(?<=\bvalue: ).+?(?= Location: |$)|(['\"]).*\1")
"""The same of a failed statement: what follows "value:" or stands in quotes. Names stay, they stand in backticks."""
_REQUEST = re.compile(r"^(?:GET|POST|PUT|PATCH|DELETE) https?://\S+: ")
"""The clients begin with the request; the operation in hand says the same in words."""
_POOLED = re.compile(
    r"HTTPS?ConnectionPool\(host='([^']+', port=\d+)\):"
    r".*?(?:\[Errno -?\d+\] ([^'\")]+)|(Read timed out[^'\")]*\)?)|\[SSL[^]]*\] ([^'\"(]*[^'\"( ])"
    r"|(Tunnel connection failed: [^'\")]+)|(Connection to \S+ timed out))"
)
_PORT = "', port="
"""urllib3 tells a refused connection in 300 letters; an operator needs the host and the cause."""


def translate(operation: str, error: BaseException) -> BqsyncError:
    """
    One of `VENDOR_ERRORS` as a BqsyncError.

    Args:
        operation: what was being tried, in words that follow "could not".
        error: any other exception becomes INTERNAL.
    """
    return failure(operation, kind_of(error), _message(error))


def failure(operation: str, kind: ErrorKind, message: str) -> BqsyncError:
    """A BqsyncError of that kind, with the sentence that tells an operator what to do about it."""
    why = " ".join(message.split())
    if kind is ErrorKind.BIGQUERY_ROWS_REFUSED:
        why = _QUOTED.sub("'…'", why)
    elif kind is ErrorKind.BIGQUERY_JOB_FAILED:
        why = _VALUE.sub(lambda found: "'…'" if found[1] else "…", why)
    why = why if len(why) <= _WHY_MAX else f"{why[:_WHY_MAX]} …"
    fix = _FIXES.get(kind, "Report this with the log; it is a fault of bqsync.")
    return BqsyncError(kind, what=f"Could not {operation}.", why=why or "no reason was given", fix=fix)


def kind_of(error: BaseException) -> ErrorKind:
    """The kind of an exception of Google's clients."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        return kind_of(error.cause)
    if isinstance(error, grpc.RpcError):
        return kind_of(readable(error))
    if isinstance(error, api.GoogleAPICallError):
        return _kind_of_call(error)
    if isinstance(error, auth.GoogleAuthError):
        return _kind_of_auth(error)
    return _kind_of_network(error)


def reason_of(error: BaseException) -> str:
    """BigQuery's reason for a REST failure, such as `rateLimitExceeded`; '' if none is given."""
    errors = error.errors if isinstance(error, api.GoogleAPICallError) else []
    first = errors[0] if errors else None
    return str(first.get("reason", "")) if isinstance(first, dict) else ""


def speaks_no_http(error: requests.ConnectionError) -> bool:
    """Whether the other end answered in some other protocol; to hang up without a word is not an answer."""
    cause = error.args[0] if error.args else None
    reasons = cause.args if isinstance(cause, urllib3.exceptions.ProtocolError) else ()
    return any(isinstance(reason, http.client.BadStatusLine) and not isinstance(reason, http.client.RemoteDisconnected)
               for reason in reasons)


def readable(error: grpc.RpcError) -> api.GoogleAPICallError:
    """A failure as gRPC itself raises it, as the exception that the clients make of it."""
    call_error: api.GoogleAPICallError = api.from_grpc_error(error)
    return call_error


def _kind_of_call(error: api.GoogleAPICallError) -> ErrorKind:
    message = error.message or ""
    if isinstance(error.response, grpc.RpcError) and error.grpc_status_code is not None:
        return kind_of_status(error.grpc_status_code, message, error.details)
    reason, text = reason_of(error), message.lower()
    kind = _BY_REASON.get(reason) or next((kind for phrase, kind in _BY_TEXT if phrase in text), None)
    if kind is None and reason not in _FAILED_REASONS and error.code is not None:
        kind = _BY_HTTP_STATUS.get(int(error.code))
    if kind is ErrorKind.BIGQUERY_NOT_FOUND and "not found: dataset" in text:
        return ErrorKind.BIGQUERY_DATASET_MISSING
    return kind or ErrorKind.BIGQUERY_JOB_FAILED


def _kind_of_auth(error: auth.GoogleAuthError) -> ErrorKind:
    if isinstance(error, auth.TransportError):
        return ErrorKind.BIGQUERY_UNREACHABLE
    return ErrorKind.BIGQUERY_TRANSIENT if error.retryable else ErrorKind.BIGQUERY_CREDENTIALS


def _kind_of_network(error: BaseException) -> ErrorKind:
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError | ConnectionRefusedError):
        return ErrorKind.BIGQUERY_UNREACHABLE
    if isinstance(error, requests.exceptions.ConnectionError):
        cause = error.args[0] if error.args else None
        reason = cause.reason if isinstance(cause, urllib3.exceptions.MaxRetryError) else cause
        never = isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ProxyError)
        return ErrorKind.BIGQUERY_UNREACHABLE if never else ErrorKind.BIGQUERY_TRANSIENT
    if isinstance(error, requests.RequestException | http.client.HTTPException | ConnectionError | TimeoutError):
        return ErrorKind.BIGQUERY_TRANSIENT
    return ErrorKind.INTERNAL


def _message(error: BaseException) -> str:
    if isinstance(error, grpc.RpcError):
        return _message(readable(error))
    if isinstance(error, auth.RefreshError) and error.args and error.args[0]:
        return str(error.args[0])  # the other is the answer of the token endpoint, as it came
    text = (error.message if isinstance(error, api.GoogleAPICallError) else str(error)) or type(error).__name__
    pooled = _POOLED.search(text)
    if pooled is None:
        return _REQUEST.sub("", text)
    host, *causes = pooled.groups()
    way = " by way of the proxy" if "ProxyError" in text else ""
    return f"{host.replace(_PORT, ':')} did not answer{way}: {next(filter(None, causes))}"
