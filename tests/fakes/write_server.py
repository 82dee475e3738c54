"""A Storage Write API on a loopback port that keeps real offsets and misbehaves on request."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.cloud.bigquery_storage_v1 import types
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
Code = types.StorageError.StorageErrorCode


@dataclass(frozen=True)
class Fault:
    """What to do instead of appending and answering."""

    status: grpc.StatusCode = grpc.StatusCode.OK
    code: int = Code.STORAGE_ERROR_CODE_UNSPECIFIED
    """Of a StorageError in the details; 0 for none."""
    retry_after_s: float | None = None
    """Of a RetryInfo in the details."""
    message: str = "as scripted"
    acts: bool = False
    """Append the rows first."""
    ends_call: bool = False
    """Say it by the status that ends the call, not in an answer."""
    row_errors: tuple[int, ...] = ()
    silent_s: float = 0.0
    """Say nothing for so long."""
    silent_until: threading.Event | None = None
    """Say nothing until then."""
    answers_offset: int | None = None
    without_offset: bool = False
    answers_twice: bool = False

    def as_status(self) -> Any:
        status = status_pb2.Status(code=self.status.value[0], message=self.message)
        if self.code:
            detail = any_pb2.Any()
            detail.Pack(types.StorageError.pb(types.StorageError(code=self.code)))
            status.details.append(detail)
        if self.retry_after_s is not None:
            info = error_details_pb2.RetryInfo()
            info.retry_delay.FromMilliseconds(round(self.retry_after_s * 1000))
            detail = any_pb2.Any()
            detail.Pack(info)
            status.details.append(detail)
        return status


@dataclass(frozen=True)
class Seen:
    """One append request as it arrived."""

    connection: int
    offset: int | None
    rows: tuple[bytes, ...]
    write_stream: str
    has_schema: bool
    routing: str


@dataclass
class WriteServer:
    """`appends[n]` and `creates[n]` script the n-th request of their sort, counted from 0 over all connections."""

    appends: dict[int, Fault] = field(default_factory=dict)
    creates: dict[int, Fault] = field(default_factory=dict)
    every_append: Fault | None = None
    ends_after_answers: int | None = None
    """End a connection in good order after so many answers."""
    streams: dict[str, list[bytes]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    created: int = 0
    connections: int = 0
    open_connections: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._dying = threading.Event()
        self.start()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def rows(self) -> list[bytes]:
        return [row for stream in self.streams.values() for row in stream]

    def start(self) -> None:
        self._dying.clear()
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {
            "CreateWriteStream": grpc.unary_unary_rpc_method_handler(
                self._create, types.CreateWriteStreamRequest.deserialize, types.WriteStream.serialize),
            "AppendRows": grpc.stream_stream_rpc_method_handler(
                self._append, types.AppendRowsRequest.deserialize, types.AppendRowsResponse.serialize),
        }),))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def kill(self) -> None:
        """Drop every connection and stop listening; the streams stay, and `start` listens on the same port again."""
        self._dying.set()
        self._server.stop(grace=None).wait(5)

    def _create(self, request: types.CreateWriteStreamRequest, context: grpc.ServicerContext) -> types.WriteStream:
        with self._lock:
            number, self.created = self.created, self.created + 1
        if fault := self.creates.get(number):
            self._dying.wait(fault.silent_s)
            _abort(context, fault)
        assert request.write_stream.type_ == types.WriteStream.Type.COMMITTED
        name = f"{request.parent}/streams/{number}"
        self.streams[name] = []
        return types.WriteStream(name=name)

    def _append(
        self, requests: Iterator[types.AppendRowsRequest], context: grpc.ServicerContext,
    ) -> Iterator[types.AppendRowsResponse]:
        with self._lock:
            self.connections += 1
            self.open_connections += 1
            connection = self.connections
        context.add_callback(self._closed)
        routing = dict(context.invocation_metadata()).get("x-goog-request-params", "")
        for answers, request in enumerate(requests, 1):
            with self._lock:
                number = len(self.seen)
                self.seen.append(_seen(request, connection, routing))
            fault = self.appends.get(number, self.every_append)
            yield from self._answer(request, fault, context)
            if answers == self.ends_after_answers:
                return

    def _answer(
        self, request: types.AppendRowsRequest, fault: Fault | None, context: grpc.ServicerContext,
    ) -> Iterator[types.AppendRowsResponse]:
        fault = fault or Fault(acts=True)
        until = time.monotonic() + fault.silent_s
        while (time.monotonic() < until or _waits(fault.silent_until)) and context.is_active():
            self._dying.wait(0.01)
        answer = self._apply(request) if fault.acts else types.AppendRowsResponse()
        if fault.ends_call:
            _abort(context, fault)
        if fault.row_errors:
            answer.row_errors = [
                types.RowError(index=i, code=types.RowError.RowErrorCode.FIELDS_ERROR, message="bad value SECRET")
                for i in fault.row_errors]
        if fault.status is not grpc.StatusCode.OK or fault.row_errors:
            answer.error = fault.as_status()
        if fault.answers_offset is not None:
            answer.append_result = types.AppendRowsResponse.AppendResult(offset=fault.answers_offset)
        if fault.without_offset:
            answer.append_result = types.AppendRowsResponse.AppendResult()
        yield answer
        if fault.answers_twice:
            yield answer

    def _apply(self, request: types.AppendRowsRequest) -> types.AppendRowsResponse:
        rows, offset = self.streams[request.write_stream], _offset(request)
        if offset is None or offset > len(rows):
            return types.AppendRowsResponse(error=Fault(grpc.StatusCode.OUT_OF_RANGE).as_status())
        if offset < len(rows):
            return types.AppendRowsResponse(
                error=Fault(grpc.StatusCode.ALREADY_EXISTS, Code.OFFSET_ALREADY_EXISTS).as_status())
        rows += request.proto_rows.rows.serialized_rows
        return types.AppendRowsResponse(append_result=types.AppendRowsResponse.AppendResult(offset=offset))

    def _closed(self) -> None:
        with self._lock:
            self.open_connections -= 1


def _waits(event: threading.Event | None) -> bool:
    return event is not None and not event.is_set()


def _abort(context: grpc.ServicerContext, fault: Fault) -> NoReturn:
    context.set_trailing_metadata((("grpc-status-details-bin", fault.as_status().SerializeToString()),))
    context.abort(fault.status, fault.message)
    raise AssertionError


def _offset(request: types.AppendRowsRequest) -> int | None:
    message: Any = types.AppendRowsRequest.pb(request)
    return int(message.offset.value) if message.HasField("offset") else None


def _seen(request: types.AppendRowsRequest, connection: int, routing: str) -> Seen:
    return Seen(
        connection=connection, offset=_offset(request), rows=tuple(request.proto_rows.rows.serialized_rows),
        write_stream=request.write_stream, has_schema="writer_schema" in request.proto_rows, routing=routing)
