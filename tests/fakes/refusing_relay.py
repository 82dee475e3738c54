"""A Storage Write API that passes everything on to another one, and refuses rows that hold a marker."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.cloud.bigquery_storage_v1 import types
from google.rpc import code_pb2, status_pb2  # type: ignore[import-untyped]
from tests.fakes.write_server import SERVICE

_SIZES = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


class RefusingRelay:
    """Listens on a loopback port until `stop`."""

    def __init__(self, upstream: str, marker: bytes) -> None:
        self._marker = marker
        self.refusals = 0
        self._channel = grpc.insecure_channel(upstream, options=_SIZES)
        self._server = grpc.server(ThreadPoolExecutor(8), options=_SIZES)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {
            "CreateWriteStream": grpc.unary_unary_rpc_method_handler(self._create),
            "AppendRows": grpc.stream_stream_rpc_method_handler(self._append),
        }),))
        self.endpoint = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=None).wait(5)
        self._channel.close()

    def _create(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        answer: bytes = self._channel.unary_unary(f"/{SERVICE}/CreateWriteStream")(request)
        return answer

    def _append(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        waiting: queue.Queue[bytes | None] = queue.Queue()
        next_request: Callable[[], bytes | None] = waiting.get
        answers = self._channel.stream_stream(f"/{SERVICE}/AppendRows")(iter(next_request, None))
        for request in requests:
            bad = self._marked_rows(request)
            if bad:
                self.refusals += 1
                yield _refusal(bad, self._marker.decode(errors="replace"))
            else:
                waiting.put(request)
                yield next(answers)
        waiting.put(None)

    def _marked_rows(self, request: bytes) -> list[int]:
        rows = types.AppendRowsRequest.pb().FromString(request).proto_rows.rows.serialized_rows
        return [index for index, row in enumerate(rows) if self._marker in row]


def _refusal(rows: list[int], value: str) -> bytes:
    """BigQuery quotes the cell that it dislikes."""
    answer: bytes = types.AppendRowsResponse.serialize(types.AppendRowsResponse(
        error=status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=f"Errors found: bad value '{value}'"),
        row_errors=[types.RowError(index=index, code=types.RowError.RowErrorCode.FIELDS_ERROR, message=f"Bad: {value}")
                    for index in rows]))
    return answer
