"""The window by itself: what depends on the order in which threads come by."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.deliver.append_rig import PATIENCE_S

from bqsync.deliver.translate import failure
from bqsync.deliver.window import MAX_REQUESTS, Window
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

LOST = failure("append", ErrorKind.BIGQUERY_STREAM_LOST, "gone")


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def drain_failing(window: Window) -> None:
    with pytest.raises(BqsyncError):
        window.drain()


def test_a_request_taken_before_the_connection_is_known_is_watched_all_the_same() -> None:
    window, cancelled = Window(max_bytes=100, timeout_s=0.2), threading.Event()
    window.give([b"a"])
    draining = in_thread(lambda: drain_failing(window))
    assert window.take(window.connect()) is not None
    time.sleep(0.05)
    window.connected(cancelled.set)
    assert cancelled.wait(PATIENCE_S)
    assert window.is_silent
    window.fail(LOST)
    draining.join(PATIENCE_S)
    assert not draining.is_alive()


def test_acknowledged_requests_make_room() -> None:
    window = Window(max_bytes=10, timeout_s=60)
    connection = window.connect()
    window.give([b"1234"])
    window.give([b"1234"])
    giving = in_thread(lambda: window.give([b"1234"]))
    giving.join(0.1)
    assert giving.is_alive()
    assert window.take(connection) is not None
    window.acknowledge()
    giving.join(PATIENCE_S)
    assert not giving.is_alive(), "though the window is not empty"


def test_the_number_of_requests_is_bounded_too() -> None:
    window = Window(max_bytes=10**9, timeout_s=60)
    for _ in range(MAX_REQUESTS):
        window.give([b"a"])
    giving = in_thread(lambda: window.give([b"a"]))
    giving.join(0.1)
    assert giving.is_alive()
    assert window.take(window.connect()) is not None
    window.acknowledge()
    giving.join(PATIENCE_S)
    assert not giving.is_alive()


def test_the_next_connection_gets_what_the_last_one_left_unacknowledged() -> None:
    window = Window(max_bytes=100, timeout_s=60)
    for row in (b"a", b"b", b"c"):
        window.give([row])
    first = window.connect()
    assert [window.take(first), window.take(first)] != [None, None]
    window.acknowledge()
    window.disconnect()
    assert window.head() is None
    assert window.take(first) is None
    second = window.connect()
    taken = [window.take(second), window.take(second)]
    assert [(request.offset, request.rows, request.sendings) for request in taken if request] == [
        (1, (b"b",), 2), (2, (b"c",), 1)]


def test_a_thread_that_waits_to_send_ends_with_its_connection() -> None:
    window = Window(max_bytes=100, timeout_s=60)
    connection = window.connect()
    taking = in_thread(lambda: window.take(connection))
    taking.join(0.05)
    assert taking.is_alive()
    window.disconnect()
    taking.join(PATIENCE_S)
    assert not taking.is_alive()


def test_a_failure_ends_the_connection_whichever_comes_first_and_the_first_one_stands() -> None:
    cancels: list[int] = []
    window = Window(max_bytes=100, timeout_s=60)
    window.connected(lambda: cancels.append(1))
    window.fail(LOST)
    assert cancels == [1]
    window.connected(lambda: cancels.append(2))
    assert cancels == [1, 2]
    window.fail(failure("append", ErrorKind.BIGQUERY_TRANSIENT, "later"))
    with pytest.raises(BqsyncError) as caught:
        window.give([b"a"])
    assert caught.value is LOST
