"""Several streams onto one table, against a wire-level server that keeps real offsets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.deliver.append_rig import batches, flat, wait_until
from tests.fakes.write_server import Fault

from bqsync.deliver.answers import RowsRefusedError
from bqsync.deliver.streams import MOST_STREAMS, StreamGroup
from bqsync.errors import BqsyncError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.write_server import WriteServer

    from bqsync.deliver.append import AppendStream


def two_streams(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> tuple[StreamGroup, threading.Event]:
    """Each with two requests; no answer comes before the event is set."""
    answering = threading.Event()
    server.every_append = Fault(acts=True, silent_until=answering)
    group = StreamGroup(open_stream(), open_stream, most=2, crowded_bytes=6)
    for rows in batches(4):
        group.append(rows)
    return group, answering


def test_one_stream_is_enough_while_it_keeps_up(server: WriteServer, open_stream: Callable[..., AppendStream]) -> None:
    group = StreamGroup(open_stream(), open_stream)
    groups = batches(20)
    for rows in groups:
        group.append(rows)
    assert group.finish() == 60
    group.close()
    assert (len(group), server.rows) == (1, flat(groups))


def test_a_slow_stream_gets_others_and_every_row_arrives_once(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    answering = threading.Event()
    server.every_append = Fault(acts=True, silent_until=answering)
    group = StreamGroup(open_stream(), open_stream, crowded_bytes=6)
    groups = batches(20)
    for rows in groups:
        group.append(rows)
    assert len(group) == MOST_STREAMS
    answering.set()
    assert group.finish() == 60
    group.close()
    assert sorted(server.rows) == sorted(flat(groups))
    assert len([rows for rows in server.streams.values() if rows]) == MOST_STREAMS
    wait_until(lambda: server.open_connections == 0)


def test_refused_rows_are_counted_over_all_streams(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    group, answering = two_streams(server, open_stream)
    wait_until(lambda: len(server.seen) == 2)  # the server takes the second request of a stream after its first answer
    server.every_append = Fault(row_errors=(1,))
    answering.set()
    with pytest.raises(RowsRefusedError) as caught:
        group.finish()
    group.close()
    assert caught.value.row_indexes == (7,), "the first stream has the first and the third request"


def test_a_stream_that_fails_for_good_fails_them_all(
    server: WriteServer, open_stream: Callable[..., AppendStream],
) -> None:
    group, answering = two_streams(server, open_stream)
    wait_until(lambda: len(server.seen) >= 2)
    server.every_append = Fault(acts=True, answers_offset=77)
    answering.set()
    with pytest.raises(BqsyncError) as caught:
        group.finish()
    group.close()
    assert caught.value.kind is ErrorKind.BIGQUERY_STREAM_LOST
