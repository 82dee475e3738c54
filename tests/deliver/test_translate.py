"""Every failure that Google's clients report becomes one kind, and keeps its reason."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import grpc
import pytest
import requests
from google.api_core import exceptions as api
from google.api_core.client_options import ClientOptions
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.types import WriteStream
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from tests.fakes.write_server import Code, Fault, WriteServer

from bqsync.deliver.grpc_status import retry_delay_s
from bqsync.deliver.translate import VENDOR_ERRORS, failure, kind_of, reason_of, retry_after_s, translate
from bqsync.errors import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
    from google.protobuf.message import Message

Kind = ErrorKind
TRANSIENT, LOST, REFUSED = Kind.BIGQUERY_TRANSIENT, Kind.BIGQUERY_STREAM_LOST, Kind.BIGQUERY_ROWS_REFUSED
UNREACHABLE, FAILED, INCOMPATIBLE = Kind.BIGQUERY_UNREACHABLE, Kind.BIGQUERY_JOB_FAILED, Kind.TARGET_INCOMPATIBLE
LIMITED, QUOTA, PERMISSION = Kind.BIGQUERY_RATE_LIMITED, Kind.BIGQUERY_QUOTA_EXCEEDED, Kind.BIGQUERY_PERMISSION
CREDENTIALS, NOT_FOUND, CONFLICT = Kind.BIGQUERY_CREDENTIALS, Kind.BIGQUERY_NOT_FOUND, Kind.BIGQUERY_CONFLICT
Status = grpc.StatusCode

BY_STATUS = {
    Status.CANCELLED: TRANSIENT, Status.UNKNOWN: REFUSED, Status.INVALID_ARGUMENT: REFUSED,
    Status.DEADLINE_EXCEEDED: TRANSIENT, Status.NOT_FOUND: NOT_FOUND, Status.ALREADY_EXISTS: LOST,
    Status.PERMISSION_DENIED: PERMISSION, Status.UNAUTHENTICATED: CREDENTIALS, Status.RESOURCE_EXHAUSTED: LIMITED,
    Status.FAILED_PRECONDITION: LOST, Status.ABORTED: TRANSIENT, Status.OUT_OF_RANGE: TRANSIENT,
    Status.UNIMPLEMENTED: UNREACHABLE, Status.INTERNAL: TRANSIENT, Status.UNAVAILABLE: TRANSIENT,
    Status.DATA_LOSS: REFUSED,
}
BY_CODE = {
    Code.STORAGE_ERROR_CODE_UNSPECIFIED: REFUSED, Code.TABLE_NOT_FOUND: NOT_FOUND,
    Code.STREAM_ALREADY_COMMITTED: LOST, Code.STREAM_NOT_FOUND: LOST, Code.INVALID_STREAM_TYPE: LOST,
    Code.INVALID_STREAM_STATE: LOST, Code.STREAM_FINALIZED: LOST, Code.SCHEMA_MISMATCH_EXTRA_FIELDS: INCOMPATIBLE,
    Code.OFFSET_ALREADY_EXISTS: LOST, Code.OFFSET_OUT_OF_RANGE: TRANSIENT, Code.CMEK_NOT_PROVIDED: INCOMPATIBLE,
    Code.INVALID_CMEK_PROVIDED: INCOMPATIBLE, Code.CMEK_ENCRYPTION_ERROR: INCOMPATIBLE,
    Code.KMS_SERVICE_ERROR: TRANSIENT, Code.KMS_PERMISSION_DENIED: PERMISSION,
}


def grpc_failure(server: WriteServer, client: BigQueryWriteClient, fault: Fault) -> api.GoogleAPICallError:
    server.creates[server.created] = fault
    with pytest.raises(api.GoogleAPICallError) as caught:
        client.create_write_stream(parent="projects/p/datasets/d/tables/t", retry=None, timeout=5,
                                   write_stream=WriteStream(type_=WriteStream.Type.COMMITTED))
    return caught.value


def test_every_grpc_status_has_its_kind(server: WriteServer, client: BigQueryWriteClient) -> None:
    assert set(BY_STATUS) == set(Status) - {Status.OK}
    for status, kind in BY_STATUS.items():
        error = grpc_failure(server, client, Fault(status))
        assert (status, kind_of(error)) == (status, kind)


def test_every_storage_error_has_its_kind_whatever_the_status(server: WriteServer, client: BigQueryWriteClient) -> None:
    assert set(BY_CODE) == set(Code)
    for code, kind in BY_CODE.items():
        error = grpc_failure(server, client, Fault(Status.INVALID_ARGUMENT, code))
        assert (code, kind_of(error)) == (code, kind)


def test_a_failure_that_grpc_itself_raises_is_read_as_the_clients_is(
    server: WriteServer, client: BigQueryWriteClient,
) -> None:
    error = grpc_failure(server, client, Fault(Status.INVALID_ARGUMENT, Code.STREAM_FINALIZED, message="finalized"))
    assert isinstance(error.response, grpc.RpcError)
    assert translate("append", error.response).as_dict() == translate("append", error).as_dict()


@pytest.mark.parametrize(("message", "kind"), [
    ("failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:443: Connection refused", UNREACHABLE),
    ("DNS resolution failed for bigquerystorage.googleapis.com:443", UNREACHABLE),
    ("Getting metadata from plugin failed with error: HTTPSConnectionPool(...)", UNREACHABLE),
    ("Getting metadata from plugin failed with error: ('invalid_grant: Bad Request', {})", CREDENTIALS),
    ("Socket closed", TRANSIENT),
    ("502:Bad Gateway", TRANSIENT),
])
def test_unavailable_is_told_apart_from_nothing_answers(
    server: WriteServer, client: BigQueryWriteClient, message: str, kind: ErrorKind,
) -> None:
    assert kind_of(grpc_failure(server, client, Fault(Status.UNAVAILABLE, message=message))) is kind


def rest_failure(status: int, reason: str = "", message: str = "said") -> api.GoogleAPICallError:
    """As google-cloud-bigquery makes it of a response."""
    response = requests.Response()
    response.status_code = status
    response.request = requests.Request("POST", "http://127.0.0.1/bigquery/v2/projects/p/jobs").prepare()
    errors = [{"reason": reason, "message": message}] if reason else []
    response._content = json.dumps({"error": {"message": message, "errors": errors}}).encode()
    error: api.GoogleAPICallError = api.from_http_response(response)
    return error


@pytest.mark.parametrize(("status", "reason", "kind"), [
    (403, "rateLimitExceeded", LIMITED),
    (429, "", LIMITED),
    (403, "quotaExceeded", QUOTA),
    (403, "accessDenied", PERMISSION),
    (403, "billingNotEnabled", PERMISSION),
    (403, "blocked", PERMISSION),
    (403, "", PERMISSION),
    (401, "authError", CREDENTIALS),
    (401, "", CREDENTIALS),
    (500, "backendError", TRANSIENT),
    (500, "internalError", TRANSIENT),
    (502, "badGateway", TRANSIENT),
    (500, "", TRANSIENT),
    (502, "", TRANSIENT),
    (503, "", TRANSIENT),
    (504, "", TRANSIENT),
    (400, "jobBackendError", TRANSIENT),
    (400, "jobInternalError", TRANSIENT),
    (400, "jobRateLimitExceeded", LIMITED),
    (409, "duplicate", Kind.BIGQUERY_JOB_UNSETTLED),
    (409, "", Kind.BIGQUERY_JOB_UNSETTLED),
    (404, "notFound", NOT_FOUND),
    (404, "", NOT_FOUND),
    (412, "conditionNotMet", CONFLICT),
    (412, "", CONFLICT),
    (400, "invalid", FAILED),
    (400, "invalidQuery", FAILED),
    (400, "resourcesExceeded", FAILED),
    (400, "billingTierLimitExceeded", FAILED),
    (403, "responseTooLarge", FAILED),
    (400, "", FAILED),
    (418, "somethingNew", FAILED),
])
def test_a_rest_failure_has_its_kind_by_reason_and_else_by_status(status: int, reason: str, kind: ErrorKind) -> None:
    error = rest_failure(status, reason)
    assert reason_of(error) == reason
    assert kind_of(error) is kind


@pytest.mark.parametrize(("message", "kind"), [
    ("Could not serialize access to table p:d.t due to concurrent update", CONFLICT),
    ("Resources exceeded: Too many DML statements outstanding against table p:d.t, limit is 20", LIMITED),
    ("Exceeded rate limits: too many table update operations for this table", LIMITED),
    ("Quota exceeded: Your table exceeded quota for imports or query appends per table", QUOTA),
    ("Syntax error: Unexpected keyword WHEN at [3:1]", FAILED),
])
@pytest.mark.parametrize("reason", ["invalid", "invalidQuery", "resourcesExceeded"])
def test_a_failure_that_passes_is_known_by_its_text(message: str, kind: ErrorKind, reason: str) -> None:
    assert kind_of(rest_failure(400, reason, message)) is kind


def test_a_missing_dataset_is_told_apart_from_a_missing_table() -> None:
    assert kind_of(rest_failure(404, "notFound", "Not found: Dataset p:d")) is Kind.BIGQUERY_DATASET_MISSING
    message = "Not found: Dataset p:d was not found in location EU"
    assert kind_of(rest_failure(404, "notFound", message)) is Kind.BIGQUERY_DATASET_MISSING
    assert kind_of(rest_failure(404, "notFound", "Not found: Table p:d.t")) is NOT_FOUND


def rest_call(port: int, timeout: float = 5.0) -> BaseException:
    with bigquery.Client(
        project="p", credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=f"http://127.0.0.1:{port}"),
    ) as client, pytest.raises(VENDOR_ERRORS) as caught:
        client.get_dataset("p.d", retry=None, timeout=timeout)
    error: BaseException = caught.value
    return error


def serve_once(port_of: socket.socket, answer: Callable[[socket.socket], object]) -> threading.Thread:
    def serve() -> None:
        with port_of.accept()[0] as connection:
            connection.recv(65536)
            answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_a_refused_connection_is_unreachable_and_a_broken_one_passes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        serving = serve_once(listener, lambda _connection: None)
        assert kind_of(rest_call(port)) is TRANSIENT, "closed without an answer"
        serving.join()
        enough = threading.Event()
        serving = serve_once(listener, lambda _connection: enough.wait(5))
        assert kind_of(rest_call(port, timeout=0.2)) is TRANSIENT, "no answer in time"
        enough.set()
        serving.join()
    assert kind_of(rest_call(port)) is UNREACHABLE


@pytest.mark.parametrize(("error", "kind"), [
    (auth.DefaultCredentialsError("none"), CREDENTIALS),
    (auth.RefreshError("invalid_grant"), CREDENTIALS),
    (auth.RefreshError("later", retryable=True), TRANSIENT),
    (auth.TransportError("no route"), UNREACHABLE),
    (requests.exceptions.ConnectTimeout(), UNREACHABLE),
    (requests.exceptions.SSLError(), UNREACHABLE),
    (requests.exceptions.ReadTimeout(), TRANSIENT),
    (requests.exceptions.ChunkedEncodingError(), TRANSIENT),
    (ConnectionResetError(), TRANSIENT),
    (ConnectionRefusedError(), UNREACHABLE),
    (TimeoutError(), TRANSIENT),
    (api.RetryError("gave up", cause=rest_failure(403)), PERMISSION),
    (api.RetryError("gave up", cause=None), Kind.INTERNAL),
    (KeyError("x"), Kind.INTERNAL),
])
def test_network_credentials_and_the_rest(error: Exception, kind: ErrorKind) -> None:
    assert kind_of(error) is kind
    assert translate("do it", error).why


def test_the_sentence_says_what_why_and_how_to_fix_it() -> None:
    error = translate("query p.d.t", rest_failure(403, "accessDenied", "Access Denied:\n  Table p:d.t"))
    assert error.what == "Could not query p.d.t."
    assert "Access Denied: Table p:d.t" in error.why
    assert "roles/bigquery.dataEditor" in error.fix


def test_a_reason_is_cut_and_a_refusal_quotes_nothing() -> None:
    assert len(failure("x", FAILED, "y" * 5000).why) < 450
    assert "secret" not in failure("x", REFUSED, "can't convert 'secret' or \"secret\" to INT64").why


def answer(headers: str) -> Callable[[socket.socket], object]:
    return lambda connection: connection.sendall(
        f"HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\nConnection: close\r\n{headers}\r\n{{}}".encode())


@pytest.mark.parametrize(("headers", "asked_s"), [
    ("", None), ("Retry-After: 17\r\n", 17.0), ("retry-after:  0 \r\n", 0.0), ("Retry-After: soon\r\n", None),
    ("Retry-After: -3\r\n", None), ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", 0.0),
    ("Retry-After: 99 Foo 10000000 99:99\r\n", None),
])
def test_rest_says_how_long_to_wait(headers: str, asked_s: float | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = serve_once(listener, answer(headers))
        error = translate("do it", rest_call(listener.getsockname()[1]))
        serving.join()
    assert (error.kind, error.retry_after_s) == (LIMITED, asked_s)


def test_a_date_to_wait_for_counts_from_now() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = serve_once(listener, answer(f"Retry-After: {later}\r\n"))
        asked_s = retry_after_s(rest_call(listener.getsockname()[1]))
        serving.join()
    assert asked_s is not None
    assert 3_600.0 < asked_s <= 7_200.0


def packed(message: Message) -> any_pb2.Any:
    detail = any_pb2.Any()
    detail.Pack(message)
    return detail


def test_grpc_says_how_long_to_wait() -> None:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromMilliseconds(1_500)
    for detail in (info, packed(info)):
        assert retry_delay_s([error_details_pb2.Help(), packed(error_details_pb2.Help()), detail]) == 1.5
    broken = packed(info)
    broken.value = b"\xff\xff"
    assert retry_delay_s([broken]) is None
    assert retry_delay_s([error_details_pb2.RetryInfo()]) is None
    assert retry_delay_s([]) is None


def test_a_status_that_ends_a_call_says_how_long_to_wait(server: WriteServer, client: BigQueryWriteClient) -> None:
    error = grpc_failure(server, client, Fault(Status.RESOURCE_EXHAUSTED, retry_after_s=2.5))
    assert translate("do it", error).retry_after_s == 2.5
