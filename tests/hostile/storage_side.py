"""The Storage Write API: passes calls on, and misbehaves where a rule says so."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1 import types
from tests.hostile.actions import Delay, Method, Reset, StorageFailure, UnknownFor, When
from tests.hostile.append_call import SOCKET_CLOSED, AppendCall, authorization, end_as, end_by, not_found
from tests.hostile.calls import Call
from tests.hostile.control import Control

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0),
            ("grpc.enable_http_proxy", 0))
_CREATE_S = 60.0
_CALLS = 64
"""At once, at most."""


class StorageSide:
    """
    Listens until `stop`.

    Args:
        control: rules and records.
        upstream: `host:port` of the emulator.
    """

    def __init__(self, control: Control, upstream: str) -> None:
        self._control = control
        self._lock = Lock()
        self._open: set[AppendCall] = set()
        self._channel = grpc.insecure_channel(upstream, options=_OPTIONS)
        self._create_upstream = self._channel.unary_unary(f"/{SERVICE}/CreateWriteStream")
        self._append_upstream = self._channel.stream_stream(f"/{SERVICE}/AppendRows")
        self._server = grpc.server(ThreadPoolExecutor(_CALLS), options=_OPTIONS)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {
            "CreateWriteStream": grpc.unary_unary_rpc_method_handler(self._create),
            "AppendRows": grpc.stream_stream_rpc_method_handler(self._append),
        }),))
        self.endpoint = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        control.when_dead(self.hang_up)

    def stop(self) -> None:
        self._server.stop(grace=None).wait(5)
        self.hang_up()
        self._channel.close()

    def hang_up(self) -> None:
        """End every open append call."""
        with self._lock:
            calls = list(self._open)
        for call in calls:
            call.hang_up()

    def _create(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        parent = types.CreateWriteStreamRequest.pb().FromString(request).parent
        call = Call(method=Method.CREATE_WRITE_STREAM, path=parent, body="", authorization=authorization(context))
        action = self._control.judge(call)
        if isinstance(action, StorageFailure | UnknownFor):
            end_by(context, action if isinstance(action, StorageFailure) else not_found(call))
        if action == Reset(When.BEFORE) or (isinstance(action, Delay) and not self._control.wait(action.seconds)):
            end_by(context, SOCKET_CLOSED)
        answer = self._pass_on(request, context)
        if action == Reset(When.AFTER) or self._control.dead:
            end_by(context, SOCKET_CLOSED)
        return answer

    def _pass_on(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            answer: Any = self._create_upstream(request, timeout=_CREATE_S)
        except grpc.RpcError as error:
            end_as(context, error)
            raise
        return bytes(answer)

    def _append(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        call = AppendCall(self._control, self._append_upstream, requests, context)
        with self._lock:
            self._open.add(call)
        try:
            yield from call.answers()
        finally:
            with self._lock:
                self._open.discard(call)
