"""One AppendRows call between a client and the emulator, request by request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1 import types
from google.rpc import code_pb2, status_pb2
from tests.hostile.actions import (
    Action,
    Delay,
    Duplicate,
    Method,
    RefuseRows,
    Reset,
    StorageFailure,
    Truncate,
    UnknownFor,
    When,
)
from tests.hostile.calls import Call
from tests.hostile.control import Control
from tests.hostile.rows import AppendedRow

SOCKET_CLOSED = StorageFailure(status=grpc.StatusCode.UNAVAILABLE, message="Socket closed")
_GOOD_ORDER = StorageFailure(status=grpc.StatusCode.OK)
_DETAILS = "grpc-status-details-bin"
_Open = Callable[..., Any]
"""Opens the same call at the emulator."""


def not_found(call: Call) -> StorageFailure:
    """What is said of a table that is not known yet."""
    code = types.StorageError.StorageErrorCode.TABLE_NOT_FOUND
    return StorageFailure(status=grpc.StatusCode.NOT_FOUND, message=f"Table not found: {call.table}", code=code)


def authorization(context: grpc.ServicerContext) -> str:
    """What the caller of a call shows."""
    return str(dict(context.invocation_metadata()).get("authorization", ""))


def end_by(context: grpc.ServicerContext, failure: StorageFailure) -> None:
    """End a call by a status; raises, unless it is the status of a good end."""
    if failure.status is not grpc.StatusCode.OK:
        context.set_trailing_metadata(((_DETAILS, failure.as_status().SerializeToString()),))
        context.abort(failure.status, failure.message)


def end_as(context: grpc.ServicerContext, upstream: grpc.RpcError) -> None:
    """End a call as the emulator ended its own; raises, unless that was a good end."""
    if upstream.code() is not grpc.StatusCode.OK:
        details = [(key, value) for key, value in upstream.trailing_metadata() or () if key == _DETAILS]
        context.set_trailing_metadata(tuple(details))
        context.abort(upstream.code(), upstream.details() or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What the client is given for one request, in this order."""

    passed_on: Call | None = None
    """The request that the emulator's next answer is for."""
    answers: int = 1
    """How often that answer is given."""
    own_answer: bytes | None = None
    end: StorageFailure | None = None


class AppendCall:
    """
    Requests are judged and passed on by a thread of their own, answers are given in the thread of the call.

    So a client may send any number of requests before it reads an answer.
    """

    def __init__(
        self, control: Control, open_upstream: _Open, requests: Iterator[bytes], context: grpc.ServicerContext,
    ) -> None:
        self._control = control
        self._requests = requests
        self._context = context
        self._authorization = authorization(context)
        self._steps: SimpleQueue[_Step | None] = SimpleQueue()
        """None: the emulator has ended its call."""
        self._outgoing: SimpleQueue[bytes | None] = SimpleQueue()
        metadata = [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-goog-")]
        next_request: Callable[[], bytes | None] = self._outgoing.get
        self._upstream = open_upstream(iter(next_request, None), metadata=metadata)
        if not self._upstream.add_callback(self._wake) or not context.add_callback(self.hang_up):
            self.hang_up()
        threading.Thread(target=self._feed, daemon=True).start()

    def hang_up(self) -> None:
        """End it from this side, at once. May be called twice, by any thread."""
        self._upstream.cancel()
        self._outgoing.put(None)
        self._wake()

    def answers(self) -> Iterator[bytes]:
        try:
            while (step := self._steps.get()) is not None:
                if step.passed_on is not None:
                    answer = self._next_answer(step.passed_on)
                    if answer is None:
                        break
                    yield from [answer] * step.answers
                if step.own_answer is not None:
                    yield step.own_answer
                if step.end is not None:
                    end_by(self._context, step.end)
                    return
            end_by(self._context, SOCKET_CLOSED if self._control.dead else _GOOD_ORDER)
            end_as(self._context, self._upstream)
        finally:
            self.hang_up()

    def _wake(self) -> None:
        self._steps.put(None)

    def _next_answer(self, call: Call) -> bytes | None:
        """The emulator's answer to a request; None if it has ended its call, or nobody is to hear it."""
        try:
            answer: bytes | None = next(self._upstream, None)
        except grpc.RpcError:
            return None
        if answer is not None and _is_acknowledged(answer):
            first = int(call.body.split()[1])
            self._control.note_appended(
                [AppendedRow(call.table, first + index, row) for index, row in enumerate(call.rows)])
        return None if self._control.dead else answer

    def _feed(self) -> None:
        try:
            for request in self._requests:
                call = _call(request, self._authorization)
                step = self._step(self._control.judge(call), call)
                if step.passed_on is not None:
                    self._outgoing.put(request)
                self._steps.put(step)
                if step.end is not None:
                    break
        except grpc.RpcError:
            """The client has hung up."""
        finally:
            self._outgoing.put(None)

    def _step(self, action: Action | None, call: Call) -> _Step:  # noqa: PLR0911 (one for each action)
        match action:
            case StorageFailure(in_band=True):
                return _Step(own_answer=_failed(action.as_status(), ()))
            case StorageFailure():
                return _Step(end=action)
            case RefuseRows(marker):
                return _Step(own_answer=_refusal(call.rows, marker))
            case UnknownFor():
                return _Step(end=not_found(call))
            case Delay(seconds) if not self._control.wait(seconds):
                return _Step(end=SOCKET_CLOSED)
            case Reset(when) | Truncate(when):
                end = SOCKET_CLOSED if isinstance(action, Reset) else _GOOD_ORDER
                return _Step(passed_on=call if when is When.AFTER else None, answers=0, end=end)
        return _Step(passed_on=call, answers=2 if isinstance(action, Duplicate) else 1)


def _call(request: bytes, shown: str) -> Call:
    message: Any = types.AppendRowsRequest.pb().FromString(request)
    rows = tuple(message.proto_rows.rows.serialized_rows)
    return Call(method=Method.APPEND_ROWS, path=message.write_stream, rows=rows, authorization=shown,
                body=f"offset {message.offset.value} rows {len(rows)}")


def _is_acknowledged(answer: bytes) -> bool:
    message: Any = types.AppendRowsResponse.pb().FromString(answer)
    return bool(message.HasField("append_result"))


def _refusal(rows: Sequence[bytes], marker: bytes) -> bytes:
    """BigQuery quotes the cell that it dislikes."""
    value = marker.decode(errors="replace")
    errors = [
        types.RowError(index=index, code=types.RowError.RowErrorCode.FIELDS_ERROR, message=f"Bad: {value}")
        for index, row in enumerate(rows) if marker in row]
    message = f"Errors found: bad value '{value}'"
    return _failed(status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=message), errors)


def _failed(status: Any, row_errors: Sequence[types.RowError]) -> bytes:
    answer: bytes = types.AppendRowsResponse.serialize(types.AppendRowsResponse(error=status, row_errors=row_errors))
    return answer
