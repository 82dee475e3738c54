"""
Rows travel to a staging table: one committed stream with explicit offsets, pipelined, each answer checked.

Three threads take part. The caller gives requests and waits for room in the window. The worker opens connections and
reads answers; when one is lost it opens the next, as the policy allows. gRPC's own thread pulls requests out of the
window. All they share is the window.

The client library's AppendRowsStream is not used: it hides why a first request failed, keeps trying a dead endpoint for
minutes, and polls for its answers. Source: https://github.com/googleapis/google-cloud-python/issues/14275
"""

from __future__ import annotations

import time
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Self, TypeVar, cast

import grpc
from google.cloud.bigquery_storage_v1.types import AppendRowsResponse, WriteStream

from bqsync.deliver.answers import check_answer, check_status, size_of
from bqsync.deliver.renewal import Renew, renewing
from bqsync.deliver.requests import APPEND_ROWS, request_bytes
from bqsync.deliver.translate import failure, readable
from bqsync.deliver.window import Window
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import FramedRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
    from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
    from google.protobuf.descriptor_pb2 import DescriptorProto

    from bqsync.deliver.retry import Policy

T = TypeVar("T")

MAX_REQUEST_BYTES = 9_900_000
"""
The most bytes of rows in one request. BigQuery takes 20 MB (older documents say 10), the embedded one 10 MiB; the rest
is room for what surrounds the rows.

Source: https://docs.cloud.google.com/bigquery/quotas#write-api-limits
"""
MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024
NEW_TABLE_S = 120.0
"""
For how long a table that was just created may be unknown to the Write API. No bound is documented; about a minute was
seen. Source: https://github.com/googleapis/google-cloud-go/issues/12449
"""
CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
"""
For the channel of the client: a connection that is not made in 5 s counts as failed (by default 20), and after an
outage the next one is tried within 5 s (by default up to 120).

Source: https://grpc.github.io/grpc/core/group__grpc__arg__keys.html
"""
_JOIN_S = 5.0


class AppendStream:
    """
    A stream onto one table, for one writer: rows given in order arrive in order, each exactly once.

    One thread calls `append` and `finish`; `close` may come from any thread and ends a call that waits. The policy's
    `on_retry` is told of waits in the stream's own thread.

    Args:
        client: shared by all streams of the process.
        table_path: `projects/P/datasets/D/tables/T`.
        descriptor: of the rows' message: proto2, self-contained.
        max_in_flight_bytes: how many bytes of unacknowledged rows are held before `append` blocks.
        timeout_s: how long an answer may be outstanding before the connection counts as lost.
        new_table_s: for how long NOT_FOUND is taken for a table that is not known everywhere yet.
        renew: asks for a token where the one that there is was refused.
    """

    def __init__(
        self,
        client: BigQueryWriteClient,
        table_path: str,
        descriptor: DescriptorProto,
        *,
        policy: Policy,
        max_in_flight_bytes: int = MAX_IN_FLIGHT_BYTES,
        timeout_s: float = 60.0,
        new_table_s: float = NEW_TABLE_S,
        renew: Renew | None = None,
    ) -> None:
        self._client = client
        self._table_path = table_path
        self._operation = f"append rows to {table_path}"
        self._descriptor = descriptor
        self._policy = policy
        self._renew = renew
        self._timeout_s = timeout_s
        self._patience = {ErrorKind.BIGQUERY_NOT_FOUND: new_table_s}
        self._window = Window(max_bytes=max_in_flight_bytes, timeout_s=timeout_s)
        self._made_s = time.monotonic()
        self._abandoned = Event()
        self._opened = Event()
        self._worker = Thread(target=self._work, name="append-stream", daemon=True)
        self._worker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether BigQuery has opened the stream, and nothing has failed since."""
        return self._opened.is_set() and not self._window.has_failed

    @property
    def in_flight_bytes(self) -> int:
        """Bytes of rows that were given and are not acknowledged."""
        return self._window.size_bytes

    def wait_open(self, timeout_s: float) -> None:
        """Wait until it is open or has failed, so long at most."""
        self._window.wait_until(self._opened.is_set, timeout_s)

    def hand_over(self, policy: Policy) -> None:
        """
        Have another policy decide from now on: an open stream to which nothing was given passes to another owner.

        Its table may have been made long ago: if that is unknown now, it is gone.
        """
        self._policy = policy
        left_s = max(0.0, self._patience[ErrorKind.BIGQUERY_NOT_FOUND] - (time.monotonic() - self._made_s))
        self._patience = {ErrorKind.BIGQUERY_NOT_FOUND: left_s}

    def append(self, rows: Sequence[bytes] | FramedRows) -> None:
        """
        Send rows as one request, without waiting for its answer; blocks only while the window is full.

        A single row may be larger than `MAX_REQUEST_BYTES`: BigQuery judges it.

        Raises:
            RowsRefusedError: BigQuery refused rows of an earlier request.
            BqsyncError: the stream has failed for good; start again with a new staging table.
            ValueError: the rows are more than `MAX_REQUEST_BYTES`.
        """
        size = size_of(rows)
        if size > MAX_REQUEST_BYTES and len(rows) > 1:
            raise ValueError(f"a request of {size} bytes is over the limit of {MAX_REQUEST_BYTES}")
        if rows:
            self._window.give(rows)

    def finish(self) -> int:
        """
        Wait until every request is acknowledged at its offset; return how many rows the stream holds. None may follow.

        Raises:
            RowsRefusedError: BigQuery refused rows.
            BqsyncError: the stream has failed for good; start again with a new staging table.
        """
        return self._window.drain()

    def close(self) -> None:
        """Let go of connection and threads, whatever the state. Never raises; may be called twice, by any thread."""
        self._abandoned.set()
        self._window.fail(failure(self._operation, ErrorKind.BIGQUERY_TRANSIENT, "the stream was closed"))
        self._worker.join(_JOIN_S)  # a CreateWriteStream under way may take longer; the thread is a daemon

    def _work(self) -> None:
        try:
            stream = self._call(f"open a stream on {self._table_path}", self._create)
            self._opened.set()
            self._window.nudge()
            self._send_all(stream)
        except BqsyncError as error:
            self._window.fail(error)
        except BaseException as error:
            self._window.fail(failure(self._operation, ErrorKind.INTERNAL, f"{type(error).__name__}: {error}"))
            raise

    def _call(self, operation: str, function: Callable[[], T]) -> T:
        return renewing(self._renew, operation, lambda: self._policy.call(
            operation, function, patience=self._patience, progress=lambda: self._window.acknowledged,
            until=self._abandoned))

    def _create(self) -> str:
        stream = self._client.create_write_stream(
            parent=self._table_path, write_stream=WriteStream(type_=WriteStream.Type.COMMITTED), retry=None,
            timeout=self._timeout_s)
        return str(stream.name)

    def _send_all(self, stream: str) -> None:
        try:
            while self._window.has_work():
                self._call(self._operation, partial(self._converse, stream))
        except BqsyncError as error:
            if error.kind is ErrorKind.BIGQUERY_NOT_FOUND:
                raise self._lost(error) from error
            raise

    def _converse(self, stream: str) -> None:
        """One connection, from its first request to its end. Raises unless that end needs no wait before the next."""
        connection = self._window.connect()
        # By the channel itself: the client's method waits for the first answer, and can't be cancelled meanwhile; and
        # the requests are bytes already.
        channel = cast("BigQueryWriteGrpcTransport", self._client.transport).grpc_channel
        append_rows: grpc.StreamStreamMultiCallable = channel.stream_stream(
            APPEND_ROWS, response_deserializer=AppendRowsResponse.deserialize)
        call = append_rows(
            self._requests(stream, connection), metadata=(("x-goog-request-params", f"write_stream={stream}"),))
        self._window.connected(call.cancel)
        try:
            self._read_answers(call)
        except BqsyncError as error:
            if error.kind is ErrorKind.BIGQUERY_NOT_FOUND and self._window.acknowledged:
                raise self._lost(error) from error  # the table was known already
            raise
        finally:
            self._window.disconnect()
            call.cancel()

    def _read_answers(self, call: grpc.Call) -> None:
        try:
            for answer in call:
                head = self._window.head()
                if head is None:
                    raise failure(self._operation, ErrorKind.BIGQUERY_STREAM_LOST, "an answer came without a request")
                check_answer(self._operation, head, answer)
                self._window.acknowledge()
                self._policy.on_progress()
        except grpc.RpcError as error:
            self._connection_ended(error)
        else:
            self._connection_ended(None)

    def _connection_ended(self, error: grpc.RpcError | None) -> None:
        """Judge the end of a connection: no failure while nothing is outstanding, for BigQuery ends idle ones."""
        if self._window.is_empty():
            return
        if self._window.is_silent:
            why = f"no answer came within {self._timeout_s:g} s"
            raise failure(self._operation, ErrorKind.BIGQUERY_TRANSIENT, why)
        if error is None:
            raise failure(self._operation, ErrorKind.BIGQUERY_TRANSIENT, "the connection ended before the answer came")
        head = self._window.head()
        if head is None:
            raise error
        known = readable(error)
        check_status(self._operation, head, known.grpc_status_code, known.message or "", known.details)
        self._window.acknowledge()

    def _requests(self, stream: str, connection: int) -> Iterator[bytes]:
        """What gRPC's thread sends on that connection; the schema goes with the first request alone."""
        schema: DescriptorProto | None = self._descriptor
        while (request := self._window.take(connection)) is not None:
            yield request_bytes(stream, request, schema)
            schema = None

    def _lost(self, error: BqsyncError) -> BqsyncError:
        return failure(self._operation, ErrorKind.BIGQUERY_STREAM_LOST, error.why)
