"""The append stream against a wire-level server that answers with failures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc
import pytest
from tests.deliver.append_rig import QUICK, SOON_S, TABLE, Retries, batches, flat, refused, send
from tests.fakes.write_server import Code, Fault

from bqsync.deliver.answers import RowsRefusedError
from bqsync.deliver.append import AppendStream
from bqsync.deliver.retry import Waits
from bqsync.errors import BqsyncError, ErrorKind, Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.write_server import WriteServer

Status = grpc.StatusCode
RETRIABLE = [Status.UNAVAILABLE, Status.ABORTED, Status.INTERNAL, Status.CANCELLED, Status.DEADLINE_EXCEEDED,
             Status.OUT_OF_RANGE, Status.RESOURCE_EXHAUSTED]


@pytest.mark.parametrize("ends_call", [False, True], ids=["in an answer", "ending the call"])
@pytest.mark.parametrize("status", RETRIABLE, ids=lambda status: status.name)
def test_a_passing_failure_sends_the_same_requests_again(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
    *, status: grpc.StatusCode, ends_call: bool,
) -> None:
    server.appends[2] = Fault(status, ends_call=ends_call)
    groups = batches(5)
    assert send(open_stream(), groups) == 15
    assert server.rows == flat(groups)
    assert server.connections == 2
    assert [seen.has_schema for seen in server.seen if seen.connection == 2] == [True, False, False]
    assert {(seen.offset, seen.rows) for seen in server.seen} == {(3 * n, tuple(groups[n])) for n in range(5)}
    expected = ErrorKind.BIGQUERY_RATE_LIMITED if status is Status.RESOURCE_EXHAUSTED else ErrorKind.BIGQUERY_TRANSIENT
    assert retries.kinds == {expected}


@pytest.mark.parametrize("again", [
    None,
    Fault(Status.ALREADY_EXISTS),
    Fault(Status.INVALID_ARGUMENT, Code.OFFSET_ALREADY_EXISTS),
    Fault(Status.ALREADY_EXISTS, Code.OFFSET_ALREADY_EXISTS, ends_call=True),
], ids=["as the server says it", "bare status", "by its code", "ending the call"])
def test_a_request_that_had_arrived_is_not_appended_twice(
    server: WriteServer, open_stream: Callable[..., AppendStream], again: Fault | None,
) -> None:
    server.appends[0] = Fault(Status.UNAVAILABLE, acts=True, ends_call=True)
    groups = batches(1)
    if again is not None:
        server.appends[1] = again
    assert send(open_stream(), groups) == 3
    assert server.rows == flat(groups)


def test_an_offset_that_is_taken_at_the_first_sending_is_another_writers(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    server.appends[0] = Fault(Status.ALREADY_EXISTS, Code.OFFSET_ALREADY_EXISTS)
    assert refused(open_stream(), batches(2)).kind is ErrorKind.BIGQUERY_STREAM_LOST


def test_refused_rows_are_named_by_their_place_in_the_stream(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    server.appends[1] = Fault(Status.INVALID_ARGUMENT, row_errors=(0, 2), message="bad rows")
    error = refused(open_stream(), batches(3))
    assert isinstance(error, RowsRefusedError)
    assert error.kind is ErrorKind.BIGQUERY_ROWS_REFUSED
    assert error.row_indexes == (3, 5)
    assert error.codes == ("FIELDS_ERROR", "FIELDS_ERROR")


@pytest.mark.parametrize("ends_call", [False, True], ids=["in an answer", "ending the call"])
@pytest.mark.parametrize(("status", "code", "kind"), [
    (Status.INVALID_ARGUMENT, Code.STREAM_FINALIZED, ErrorKind.BIGQUERY_STREAM_LOST),
    (Status.NOT_FOUND, Code.STREAM_NOT_FOUND, ErrorKind.BIGQUERY_STREAM_LOST),
    (Status.INVALID_ARGUMENT, Code.INVALID_STREAM_STATE, ErrorKind.BIGQUERY_STREAM_LOST),
    (Status.INVALID_ARGUMENT, Code.INVALID_STREAM_TYPE, ErrorKind.BIGQUERY_STREAM_LOST),
    (Status.FAILED_PRECONDITION, Code.STORAGE_ERROR_CODE_UNSPECIFIED, ErrorKind.BIGQUERY_STREAM_LOST),
    (Status.INVALID_ARGUMENT, Code.SCHEMA_MISMATCH_EXTRA_FIELDS, ErrorKind.TARGET_INCOMPATIBLE),
    (Status.INVALID_ARGUMENT, Code.STORAGE_ERROR_CODE_UNSPECIFIED, ErrorKind.BIGQUERY_ROWS_REFUSED),
    (Status.UNKNOWN, Code.STORAGE_ERROR_CODE_UNSPECIFIED, ErrorKind.BIGQUERY_ROWS_REFUSED),
    (Status.PERMISSION_DENIED, Code.STORAGE_ERROR_CODE_UNSPECIFIED, ErrorKind.BIGQUERY_PERMISSION),
    (Status.UNAUTHENTICATED, Code.STORAGE_ERROR_CODE_UNSPECIFIED, ErrorKind.BIGQUERY_CREDENTIALS),
])
def test_a_failure_for_good_is_raised_at_once(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
    *, status: grpc.StatusCode, code: int, kind: ErrorKind, ends_call: bool,
) -> None:
    server.appends[0] = Fault(status, code, ends_call=ends_call, message="it said 'SECRET'")
    with pytest.raises(BqsyncError) as caught:
        send(open_stream(), batches(1))
    error = caught.value
    assert ("SECRET" in error.why) == (kind is not ErrorKind.BIGQUERY_ROWS_REFUSED)
    assert error.kind is kind
    assert not retries
    assert server.connections == 1


def test_a_failure_is_raised_by_the_next_append(server: WriteServer, open_stream: Callable[..., AppendStream]) -> None:
    server.appends[0] = Fault(Status.PERMISSION_DENIED)
    with open_stream() as stream:
        stream.append([b"\x08\x01"])
        stream._worker.join(5)
        with pytest.raises(BqsyncError, match="append rows"):
            stream.append([b"\x08\x01"])


@pytest.mark.parametrize("fault", [
    Fault(answers_offset=7), Fault(without_offset=True), Fault(acts=True, answers_twice=True),
], ids=["another offset", "no offset", "an answer too many"])
def test_an_answer_that_does_not_fit_its_request_loses_the_stream(
    server: WriteServer, open_stream: Callable[..., AppendStream], fault: Fault,
) -> None:
    server.appends[0] = fault
    server.appends[1] = Fault(acts=True, silent_s=0.3)
    assert refused(open_stream(), batches(2)).kind is ErrorKind.BIGQUERY_STREAM_LOST


def test_progress_begins_the_series_of_waits_anew(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    for number in range(1, 40, 2):
        server.appends[number] = Fault(Status.ABORTED)
    waits = {**QUICK, Retry.SOON: Waits(first=0.05, longest=0.05, total=0.06)}
    one_at_a_time = 1
    assert send(open_stream(retries.policy(waits=waits), max_in_flight_bytes=one_at_a_time), batches(10)) == 30
    assert len(retries) == 9
    assert {attempt for _, attempt, _ in retries} == {1}


def test_without_progress_the_failure_is_raised(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    server.every_append = Fault(Status.ABORTED)
    waits = {**QUICK, Retry.SOON: Waits(first=0.01, longest=0.05, total=0.3)}
    assert refused(open_stream(retries.policy(waits=waits)), batches(1)).kind is ErrorKind.BIGQUERY_TRANSIENT
    assert retries


def test_a_new_table_may_be_unknown_for_a_while(server: WriteServer, open_stream: Callable[..., AppendStream]) -> None:
    server.creates = {0: Fault(Status.NOT_FOUND), 1: Fault(Status.NOT_FOUND, Code.TABLE_NOT_FOUND)}
    server.appends = {0: Fault(Status.NOT_FOUND, ends_call=True), 1: Fault(Status.NOT_FOUND)}
    groups = batches(3)
    assert send(open_stream(new_table_s=5.0), groups) == 9
    assert server.rows == flat(groups)


def test_a_table_that_stays_unknown_is_reported(server: WriteServer, open_stream: Callable[..., AppendStream]) -> None:
    server.creates = dict.fromkeys(range(1000), Fault(Status.NOT_FOUND))
    begun = time.monotonic()
    assert refused(open_stream(new_table_s=0.3), batches(1)).kind is ErrorKind.BIGQUERY_NOT_FOUND
    assert time.monotonic() - begun < SOON_S


def test_a_stream_that_stays_unknown_is_lost(server: WriteServer, open_stream: Callable[..., AppendStream]) -> None:
    server.every_append = Fault(Status.NOT_FOUND, ends_call=True)
    assert refused(open_stream(new_table_s=0.3), batches(1)).kind is ErrorKind.BIGQUERY_STREAM_LOST


def test_not_found_after_rows_were_taken_loses_the_stream_at_once(
    server: WriteServer, open_stream: Callable[..., AppendStream], retries: Retries,
) -> None:
    server.appends[1] = Fault(Status.NOT_FOUND, ends_call=True)
    assert refused(open_stream(), batches(2)).kind is ErrorKind.BIGQUERY_STREAM_LOST
    assert not retries


def test_a_stream_that_cannot_be_made_is_reported(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    server.creates[0] = Fault(Status.PERMISSION_DENIED, message="bigquery.tables.updateData denied")
    error = refused(open_stream(), batches(1))
    assert error.kind is ErrorKind.BIGQUERY_PERMISSION
    assert "updateData" in error.why
    assert TABLE in error.what
