"""The append stream against a wire-level server: rows, windows, connections that come and go."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import grpc
import pytest
from tests.deliver.append_rig import (
    PATIENCE_S,
    QUICK,
    SOON_S,
    TABLE,
    Retries,
    batches,
    flat,
    refused,
    send,
    wait_until,
)
from tests.fakes.write_server import Fault

from bqsync.deliver.append import MAX_REQUEST_BYTES, AppendStream
from bqsync.deliver.retry import Waits
from bqsync.errors import BqsyncError, ErrorKind, Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.write_server import WriteServer

Status = grpc.StatusCode


def test_rows_arrive_in_order_and_every_request_names_its_stream(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    groups = batches(5)
    assert send(open_stream(), groups) == 15
    assert server.rows == flat(groups)
    assert [seen.offset for seen in server.seen] == [0, 3, 6, 9, 12]
    assert [seen.has_schema for seen in server.seen] == [True, False, False, False, False]
    assert {seen.write_stream for seen in server.seen} == {f"{TABLE}/streams/0"}
    assert {seen.routing for seen in server.seen} == {f"write_stream={TABLE}/streams/0"}
    assert server.connections == 1
    assert not retries


def test_nothing_given_is_nothing_sent(server: WriteServer, open_stream: Callable[..., AppendStream]) -> None:
    with open_stream() as stream:
        stream.append([])
        assert stream.finish() == 0
    assert not server.seen


def test_a_request_over_the_limit_is_the_callers_fault(open_stream: Callable[..., AppendStream]) -> None:
    with open_stream() as stream, pytest.raises(ValueError, match="over the limit"):
        stream.append([b"x" * (MAX_REQUEST_BYTES // 2 + 1)] * 2)


def test_requests_do_not_wait_for_each_others_answers(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    may_answer = threading.Event()
    server.appends[0] = Fault(acts=True, silent_until=may_answer)
    with open_stream() as stream:
        for group in batches(5):
            stream.append(group)
        assert server.rows == []
        may_answer.set()
        assert stream.finish() == 15


def test_a_full_window_blocks_until_an_answer_makes_room(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    may_answer = threading.Event()
    server.appends[0] = Fault(acts=True, silent_until=may_answer)
    with open_stream(max_in_flight_bytes=12) as stream:
        stream.append([b"\x08\x01"] * 3)
        stream.append([b"\x08\x01"] * 3)
        giving = threading.Thread(target=stream.append, args=([b"\x08\x01"] * 3,), daemon=True)
        giving.start()
        giving.join(0.2)
        assert giving.is_alive()
        assert server.rows == []
        may_answer.set()
        giving.join(PATIENCE_S)
        assert not giving.is_alive()
        stream.append([b"\x08\x01"] * 20)  # larger than the window: passes alone
        assert stream.finish() == 29


def test_silence_counts_as_a_lost_connection(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    server.appends[1] = Fault(silent_s=30)
    groups = batches(3)
    begun = time.monotonic()
    assert send(open_stream(timeout_s=0.3), groups) == 9
    assert 0.3 <= time.monotonic() - begun < SOON_S
    assert server.rows == flat(groups)
    assert retries.kinds == {ErrorKind.BIGQUERY_TRANSIENT}


def test_silence_for_good_is_a_failure(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    server.every_append = Fault(silent_s=30)
    waits = {**QUICK, Retry.SOON: Waits(first=0.01, longest=0.05, total=0.5)}
    error = refused(open_stream(retries.policy(waits=waits), timeout_s=0.2), batches(1))
    assert error.kind is ErrorKind.BIGQUERY_TRANSIENT
    assert "no answer came within 0.2 s" in error.why


def test_a_stream_in_use_for_longer_than_the_time_limit_is_not_silent(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    """One of three attempts counts: the machine may stand still in the others."""
    server.every_append = Fault(acts=True, silent_s=0.15)
    for _ in range(3):
        retries.clear()
        assert send(open_stream(timeout_s=0.4), batches(5)) == 15
        if not retries:
            break
    assert not retries


def test_a_dead_endpoint_is_reported_within_the_connect_budget(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    server.kill()
    begun = time.monotonic()
    assert refused(open_stream(), batches(1)).kind is ErrorKind.BIGQUERY_UNREACHABLE
    assert time.monotonic() - begun < SOON_S


def test_a_server_that_dies_in_the_middle_is_reported_within_the_connect_budget(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    with open_stream() as stream:
        stream.append([b"\x08\x01"])
        wait_until(lambda: len(server.rows) == 1)
        server.kill()
        stream.append([b"\x08\x02"])
        begun = time.monotonic()
        with pytest.raises(BqsyncError) as caught:
            stream.finish()
    assert caught.value.kind is ErrorKind.BIGQUERY_UNREACHABLE
    assert time.monotonic() - begun < SOON_S


def test_a_server_that_comes_back_gets_the_rest(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    groups = batches(6)
    server.appends[2] = Fault(acts=True, silent_s=30)
    with open_stream(retries.policy(connect_budget_s=10.0)) as stream:
        for group in groups:
            stream.append(group)
        wait_until(lambda: len(server.seen) == 3)
        server.kill()
        threading.Timer(0.5, server.start).start()
        assert stream.finish() == 18
    assert server.rows == flat(groups)
    assert ErrorKind.BIGQUERY_UNREACHABLE in retries.kinds


def test_a_connection_that_ends_before_the_answer_is_replaced(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    server.ends_after_answers = 2
    groups = batches(5)
    assert send(open_stream(), groups) == 15
    assert server.rows == flat(groups)
    assert server.connections == 3
    assert retries.kinds == {ErrorKind.BIGQUERY_TRANSIENT}, "with a wait, or it would be a busy loop"


@pytest.mark.parametrize("status", [Status.OK, Status.ABORTED], ids=["in good order", "aborted"])
def test_an_idle_connection_may_end(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries, status: grpc.StatusCode,
) -> None:
    server.ends_after_answers = 1
    with open_stream() as stream:
        for number in range(3):
            stream.append([bytes([8, number])])
            wait_until(lambda: server.open_connections == 0 and stream._window.is_empty()
                       and stream._window._cancel is None)  # the client has heard of the end as well
        assert stream.finish() == 3
    assert server.connections == 3
    assert not retries


def test_close_ends_a_finish_that_waits(server: WriteServer, open_stream: Callable[..., AppendStream]) -> None:
    server.every_append = Fault(silent_s=30)
    stream = open_stream()
    stream.append([b"\x08\x01"])
    threading.Timer(0.2, stream.close).start()
    begun = time.monotonic()
    with pytest.raises(BqsyncError, match="append rows") as caught:
        stream.finish()
    assert "closed" in caught.value.why
    stream._worker.join(SOON_S)
    assert time.monotonic() - begun < SOON_S
    assert not stream._worker.is_alive()


@pytest.mark.parametrize("event", ["close", "stop"])
def test_a_long_wait_ends_with_close_or_with_the_policys_stop(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries, event: str,
) -> None:
    server.every_append = Fault(Status.RESOURCE_EXHAUSTED)
    waits = {**QUICK, Retry.SLOWLY: Waits(first=1000.0, longest=1000.0, total=9999.0)}
    policy = retries.policy(waits=waits)
    stream = open_stream(policy)
    stream.append([b"\x08\x01"])
    wait_until(lambda: bool(retries))
    if event == "close":
        stream.close()
    else:
        policy.stop.set()
        with pytest.raises(BqsyncError):
            stream.finish()
    stream._worker.join(PATIENCE_S)
    assert not stream._worker.is_alive()
    stream.close()


@pytest.mark.parametrize("ends_with", ["finish", "close alone", "a failure"])
def test_every_end_frees_connection_and_threads(
    server: WriteServer, open_stream: Callable[..., AppendStream], ends_with: str,
) -> None:
    if ends_with == "a failure":
        server.every_append = Fault(Status.PERMISSION_DENIED)
    stream = open_stream()
    stream.append([b"\x08\x01"])
    wait_until(lambda: len(server.seen) == 1)
    if ends_with == "finish":
        stream.finish()
    elif ends_with == "close alone":
        stream.close()
    wait_until(lambda: server.open_connections == 0)
    wait_until(lambda: not [name for name in thread_names() if "append-stream" in name or "consume_request" in name])
    stream.close()
    stream.close()


def thread_names() -> list[str]:
    """gRPC names the thread that pulls requests after its function, consume_request_iterator."""
    return [thread.name for thread in threading.enumerate()]
