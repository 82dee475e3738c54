"""
Several streams onto one table: rows that come faster than one stream takes them get another one.

A stream is one conversation, whose answers BigQuery gives in its order: "at least 1 MB/s, possibly more than 10" says
Google, and a first copy makes more. In which stream a row arrives does not matter, since each carries its number.

Source: https://docs.cloud.google.com/bigquery/docs/write-api-best-practices#limit_the_number_of_concurrent_connections
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bqsync.deliver.answers import RowsRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bqsync.deliver.append import AppendStream
    from bqsync.model import FramedRows

MOST_STREAMS = 4
CROWDED_BYTES = 4 * 1024 * 1024
"""A stream that has so many bytes unacknowledged takes them more slowly than they come."""


@dataclass(slots=True)
class _Member:
    """A stream, and which rows of all were given to it."""

    stream: AppendStream
    portions: list[tuple[int, int]] = field(default_factory=list)
    """Number of the first row, and how many follow each other."""

    def numbers(self, indexes: Sequence[int]) -> tuple[int, ...]:
        """The numbers among all rows of some rows of this stream."""
        found = []
        for index in indexes:
            left = index
            for first, count in self.portions:
                if left < count:
                    found.append(first + left)
                    break
                left -= count
        return tuple(found)


class StreamGroup:
    """
    Streams onto one table, for one writer: as `AppendStream`, but that requests may arrive in any order.

    Args:
        first: is open already, or being opened.
        open_another: opens one more.
        most: how many there may be.
        crowded_bytes: unacknowledged in each of them, before another one is opened.
    """

    def __init__(
        self, first: AppendStream, open_another: Callable[[], AppendStream], *, most: int = MOST_STREAMS,
        crowded_bytes: int = CROWDED_BYTES,
    ) -> None:
        self._members = [_Member(first)]
        self._open_another = open_another
        self._most = most
        self._crowded_bytes = crowded_bytes
        self._rows = 0

    def __len__(self) -> int:
        """How many streams there are."""
        return len(self._members)

    def append(self, rows: Sequence[bytes] | FramedRows) -> None:
        """
        Send rows as one request; blocks only while every stream is full.

        Raises:
            RowsRefusedError, BqsyncError, ValueError: as `AppendStream.append`.
        """
        if not rows:
            return
        member = self._roomiest()
        with self._refusals_of(member):
            member.stream.append(rows)
        member.portions.append((self._rows, len(rows)))
        self._rows += len(rows)

    def finish(self) -> int:
        """
        Wait until every request is acknowledged at its offset; return how many rows there are. None may follow.

        Raises:
            RowsRefusedError: BigQuery refused rows, counted from 0 over all that were given.
            BqsyncError: a stream has failed for good; start again with a new staging table.
        """
        arrived = 0
        for member in self._members:
            with self._refusals_of(member):
                arrived += member.stream.finish()
        return arrived

    def close(self) -> None:
        """Let go of all streams. Never raises."""
        for member in self._members:
            member.stream.close()

    def _roomiest(self) -> _Member:
        waiting = {id(member): member.stream.in_flight_bytes for member in self._members}
        member = min(self._members, key=lambda one: waiting[id(one)])
        if waiting[id(member)] >= self._crowded_bytes and len(self._members) < self._most:
            member = _Member(self._open_another())
            self._members.append(member)
        return member

    @contextmanager
    def _refusals_of(self, member: _Member) -> Iterator[None]:
        """A stream counts its own rows; whoever gave them counts all."""
        try:
            yield
        except RowsRefusedError as error:
            error.row_indexes = member.numbers(error.row_indexes)
            raise
