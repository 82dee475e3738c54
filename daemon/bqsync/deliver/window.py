"""The requests of an append stream that are not acknowledged yet: what its threads share, under one condition."""

from __future__ import annotations

import time
from collections import deque
from threading import Condition
from typing import TYPE_CHECKING

from bqsync.deliver.answers import Request, size_of
from bqsync.model import FramedRows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bqsync.errors import BqsyncError

MAX_REQUESTS = 1000
"""Source: https://github.com/googleapis/java-bigquerystorage (StreamWriter.java: the requests of its window)"""


class Window:
    """
    Requests in order, from the first that is not acknowledged to the last that was given.

    The caller gives and drains; a connection takes requests and acknowledges their heads. A request stays until it is
    acknowledged, so that the next connection can send it again unaltered.

    Args:
        max_bytes: the most bytes of rows to hold; a request that is larger passes alone.
        timeout_s: how long an answer may be outstanding.
    """

    def __init__(self, *, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._changed = Condition()
        self._requests: deque[Request] = deque()
        self._bytes = 0
        self._given = 0
        self._acknowledged = 0
        self._failure: BqsyncError | None = None
        self._is_finishing = False
        # Of the present connection: its number, how many requests it has taken, when it was last heard of.
        self._connection = 0
        self._cancel: Callable[[], object] | None = None
        self._taken = 0
        self._heard_at = 0.0
        self._is_silent = False

    # For the caller of the stream.

    def give(self, rows: Sequence[bytes] | FramedRows) -> None:
        """Add a request, as soon as there is room. Raises the failure of the stream."""
        size = size_of(rows)
        with self._changed:
            self._wait(lambda: not self._requests or (
                self._bytes + size <= self._max_bytes and len(self._requests) < MAX_REQUESTS))
            request = Request(offset=self._given, rows=rows if isinstance(rows, FramedRows) else tuple(rows), size=size)
            self._requests.append(request)
            self._bytes += size
            self._given = request.end
            self._changed.notify_all()

    def drain(self) -> int:
        """Wait until everything is acknowledged; return the number of rows. Raises the failure of the stream."""
        with self._changed:
            self._is_finishing = True
            self._changed.notify_all()
            self._wait(lambda: not self._requests)
            return self._acknowledged

    def fail(self, error: BqsyncError) -> None:
        """End the stream: every call that waits, and every later one, raises this. The first failure stands."""
        with self._changed:
            self._failure = self._failure or error
            self._hang_up()
            self._changed.notify_all()

    @property
    def has_failed(self) -> bool:
        """Whether the stream has failed for good, or was closed."""
        with self._changed:
            return self._failure is not None

    @property
    def size_bytes(self) -> int:
        """Bytes of the rows of all requests."""
        with self._changed:
            return self._bytes

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> None:
        """Wait for something that is told by a nudge, for the failure of the stream, or so long."""
        with self._changed:
            self._changed.wait_for(lambda: is_so() or self._failure is not None, timeout_s)

    # For the worker and its connections.

    def nudge(self) -> None:
        """Have everybody who waits look again."""
        with self._changed:
            self._changed.notify_all()

    @property
    def acknowledged(self) -> int:
        """How many rows are acknowledged."""
        with self._changed:
            return self._acknowledged

    @property
    def is_silent(self) -> bool:
        """Whether the present connection was cancelled because an answer was overdue."""
        with self._changed:
            return self._is_silent

    def has_work(self) -> bool:
        """Wait until there is a request to send; False if none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._requests or self._is_finishing or self._failure is not None)
            return bool(self._requests) and self._failure is None

    def connect(self) -> int:
        """Begin a connection, to which every request is still to be sent; return its number."""
        with self._changed:
            self._connection += 1
            self._is_silent = False
            return self._connection

    def connected(self, cancel: Callable[[], object]) -> None:
        """Say how the present connection is ended when its answers are overdue or the stream has failed."""
        with self._changed:
            self._cancel = cancel
            if self._failure is not None:
                self._hang_up()
            self._changed.notify_all()  # gRPC's thread may have taken requests before: now their silence can be ended

    def disconnect(self) -> None:
        """End the present connection: it takes no further request."""
        with self._changed:
            self._connection += 1
            self._taken = 0
            self._cancel = None
            self._changed.notify_all()

    def take(self, connection: int) -> Request | None:
        """The next request for that connection, as soon as there is one; None when there will be no more for it."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._connection != connection or self._taken < len(self._requests) or self._is_finishing)
            if self._connection != connection or self._taken == len(self._requests):
                return None
            request = self._requests[self._taken]
            self._taken += 1
            request.sendings += 1
            request.sent_at = time.monotonic()
            self._changed.notify_all()  # a caller that waits now has an answer to wait for
            return request

    def head(self) -> Request | None:
        """The request that the next answer is about; None if this connection has taken none."""
        with self._changed:
            return self._requests[0] if self._taken else None

    def is_empty(self) -> bool:
        """Whether everything given so far is acknowledged."""
        with self._changed:
            return not self._requests

    def acknowledge(self) -> None:
        """Let the head go."""
        with self._changed:
            request = self._requests.popleft()
            self._taken -= 1
            self._bytes -= request.size
            self._acknowledged = request.end
            self._heard_at = time.monotonic()
            self._changed.notify_all()

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Wait for that, and watch that the answers keep coming: whoever waits, watches."""
        while True:
            if self._failure is not None:
                raise self._failure
            if is_done():
                return
            left = self._silence_left()
            if left is not None and left <= 0:
                self._is_silent = True
                self._hang_up()
                left = None
            self._changed.wait(left)

    def _silence_left(self) -> float | None:
        """Seconds until an answer is overdue; None while none is due."""
        if self._cancel is None or not self._taken:
            return None
        return max(self._heard_at, self._requests[0].sent_at) + self._timeout_s - time.monotonic()

    def _hang_up(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
