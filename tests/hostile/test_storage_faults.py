"""What each action does to a call of the Storage Write API, seen from the wire."""

from __future__ import annotations

import time

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types
from google.rpc import error_details_pb2
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
from tests.hostile.calls import FOREVER, Call, Rule
from tests.hostile.proxy import HostileBigQuery
from tests.hostile.wire import Wire, row

Code = types.StorageError.StorageErrorCode
LOST = (grpc.StatusCode.UNAVAILABLE, "Socket closed")


def test_requests_may_be_sent_before_any_answer_is_read(wire: Wire, hostile: HostileBigQuery) -> None:
    stream = wire.create_stream("t")
    with wire.appending(stream) as appending:
        for number in range(200):
            appending.send(f"r{number:03d}", offset=number)
        assert [appending.offset() for _ in range(200)] == list(range(200))
        appending.end()
        with pytest.raises(StopIteration):
            appending.read()
    assert wire.values("t") == [f"r{number:03d}" for number in range(200)]
    assert [(appended.offset, appended.row) for appended in hostile.appended] == [
        (number, row(f"r{number:03d}")) for number in range(200)]
    assert {appended.table for appended in hostile.appended} == {f"projects/demo/datasets/{wire.dataset}/tables/t"}
    assert len(hostile.matching(Method.APPEND_ROWS, "r007")) == 1
    assert hostile.matching(Method.APPEND_ROWS)[7].body == "offset 7 rows 1"


def test_large_requests_pass(wire: Wire, hostile: HostileBigQuery) -> None:
    with wire.appending(wire.create_stream("t")) as appending:
        appending.send(*["x" * 100] * 60_000, offset=0)
        assert appending.offset() == 0
    assert len(hostile.appended) == 60_000


def test_failures_of_the_emulator_pass_as_they_are(wire: Wire, emulated: Wire) -> None:
    for side in (wire, emulated):
        with side.appending(f"projects/demo/datasets/{wire.dataset}/tables/t/streams/0123456789abcdef") as appending:
            appending.send("a", offset=0)
            assert appending.failure()[0] is grpc.StatusCode.NOT_FOUND
            assert "Stream not found" in appending.call.details()
        with pytest.raises(grpc.RpcError) as raised:
            side.create_stream("missing")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    stream = wire.create_stream("t")
    with wire.appending(stream) as appending:
        appending.send("a", offset=5)
        assert appending.read().error.code == grpc.StatusCode.OUT_OF_RANGE.value[0]


def test_details_of_a_failure_arrive(wire: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.ANY, StorageFailure(
        status=grpc.StatusCode.FAILED_PRECONDITION, message="why", code=Code.STREAM_FINALIZED, retry_after_s=1.5))
    with pytest.raises(grpc.RpcError) as raised:
        wire.create_stream("t")
    error = exceptions.from_grpc_error(raised.value)
    stored, retry = error.details
    assert (error.grpc_status_code, error.message) == (grpc.StatusCode.FAILED_PRECONDITION, "why")
    assert types.StorageError.deserialize(stored.value).code == Code.STREAM_FINALIZED
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 1500


def test_a_failure_is_told_in_an_answer_or_by_the_end_of_the_call(wire: Wire, hostile: HostileBigQuery) -> None:
    stream = wire.create_stream("t")
    full = StorageFailure(status=grpc.StatusCode.RESOURCE_EXHAUSTED, message="slowly", in_band=True)
    rule = hostile.rule(Method.APPEND_ROWS, full, holding="bad")
    with wire.appending(stream) as appending:
        appending.send("bad", offset=0)
        appending.send("good", offset=0)
        assert appending.read().error.message == "slowly"
        assert appending.offset() == 0
        hostile.drop(rule)
        hostile.rule(Method.APPEND_ROWS, StorageFailure(status=grpc.StatusCode.ABORTED, message="go"), holding="bad")
        appending.send("bad", offset=1)
        assert appending.failure() == (grpc.StatusCode.ABORTED, "go")
    assert wire.values("t") == ["good"]


@pytest.mark.parametrize(("action", "end", "arrived"), [
    (Reset(When.BEFORE), LOST, []), (Reset(When.AFTER), LOST, ["row 2"]),
    (Truncate(When.BEFORE), None, []), (Truncate(When.AFTER), None, ["row 2"]),
])
def test_the_answers_before_arrive_and_nothing_after_is_done(
    wire: Wire, hostile: HostileBigQuery, action: Action, end: tuple[grpc.StatusCode, str] | None, arrived: list[str],
) -> None:
    hostile.rule(Method.APPEND_ROWS, action, holding="row 2")
    with wire.appending(wire.create_stream("t")) as appending:
        for offset in range(3):
            appending.send(f"row {offset + 1}", offset=offset)
        assert appending.offset() == 0
        if end is None:
            with pytest.raises(StopIteration):
                appending.read()
        else:
            assert appending.failure() == end
    assert wire.values("t") == ["row 1", *arrived]
    assert [appended.row for appended in hostile.appended] == [row(text) for text in ["row 1", *arrived]]


@pytest.mark.parametrize("when", When)
def test_a_stream_is_created_or_not_where_the_connection_is_lost(
    wire: Wire, hostile: HostileBigQuery, when: When,
) -> None:
    hostile.rule(Method.CREATE_WRITE_STREAM, Reset(when), times=1)
    with pytest.raises(grpc.RpcError, match="Socket closed"):
        wire.create_stream("t")
    assert wire.create_stream("t")


def test_an_answer_arrives_twice_and_the_rows_once(wire: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.APPEND_ROWS, Duplicate(), times=1)
    with wire.appending(wire.create_stream("t")) as appending:
        appending.send("a", offset=0)
        appending.send("b", offset=1)
        assert [appending.offset() for _ in range(3)] == [0, 0, 1]
    assert wire.values("t") == ["a", "b"]


def test_refused_rows_are_named_and_quoted_and_none_of_their_request_arrives(
    wire: Wire, hostile: HostileBigQuery,
) -> None:
    rule = hostile.rule(Method.APPEND_ROWS, RefuseRows(b"POISON"))
    with wire.appending(wire.create_stream("t")) as appending:
        appending.send("a", "POISON 1", "b", "POISON 2", offset=0)
        answer = appending.read()
        assert [error.index for error in answer.row_errors] == [1, 3]
        assert answer.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert "POISON" in answer.error.message
        appending.send("a", "b", offset=0)
        assert appending.offset() == 0
    assert (wire.values("t"), rule.seen, rule.fired) == (["a", "b"], 2, 1)


def test_each_new_table_is_unknown_for_some_calls(wire: Wire, hostile: HostileBigQuery) -> None:
    wire.create_table("u")
    hostile.rule(Method.CREATE_WRITE_STREAM, UnknownFor(calls=2))
    for table in ("t", "u"):
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as raised:
                wire.create_stream(table)
            assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        assert wire.create_stream(table)


def test_a_new_table_is_unknown_for_some_time(wire: Wire, hostile: HostileBigQuery) -> None:
    stream = wire.create_stream("t")
    hostile.rule(Method.APPEND_ROWS, UnknownFor(seconds=0.4))
    with wire.appending(stream) as appending:
        appending.send("a", offset=0)
        assert appending.failure()[0] is grpc.StatusCode.NOT_FOUND
    time.sleep(0.5)
    with wire.appending(stream) as appending:
        appending.send("a", offset=0)
        assert appending.offset() == 0


def test_the_time_counts_from_the_first_call_for_a_table() -> None:
    rule = Rule(method=Method.APPEND_ROWS, action=UnknownFor(seconds=0.4), holding="", first=1, times=FOREVER)
    calls = [("t", 10.0), ("t", 10.3), ("u", 10.5), ("t", 10.5), ("u", 10.8), ("u", 11.0)]
    unknown = [rule.applies(Call(method=Method.APPEND_ROWS, path=path, body="", at=at)) for path, at in calls]
    assert unknown == [True, True, True, False, True, False]


def test_a_delayed_request_is_passed_on_later_in_its_turn(wire: Wire, hostile: HostileBigQuery) -> None:
    hostile.rule(Method.APPEND_ROWS, Delay(0.4), times=1)
    begun = time.monotonic()
    with wire.appending(wire.create_stream("t")) as appending:
        appending.send("a", offset=0)
        appending.send("b", offset=1)
        assert [appending.offset(), appending.offset()] == [0, 1]
    assert time.monotonic() >= begun + 0.4


def test_open_calls_end_when_their_client_dies(wire: Wire, hostile: HostileBigQuery) -> None:
    stream = wire.create_stream("t")
    with wire.appending(stream) as appending:
        appending.send("a", offset=0)
        assert appending.offset() == 0
        hostile.dead = True
        assert appending.failure() == LOST
    with pytest.raises(grpc.RpcError, match="Socket closed"):
        wire.create_stream("t")
    with wire.appending(stream) as appending:
        appending.send("b", offset=1)
        assert appending.failure() == LOST
    hostile.dead = False
    assert wire.values("t") == ["a"]


def test_a_client_that_hangs_up_leaves_nothing_behind(wire: Wire, hostile: HostileBigQuery) -> None:
    stream = wire.create_stream("t")
    for _ in range(100):  # more than there are threads for calls
        with wire.appending(stream) as appending:
            appending.send("a", offset=0)
            appending.read()
    assert wire.values("t") == ["a"]
