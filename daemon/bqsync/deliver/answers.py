"""What an answer on an append stream means: acknowledged, to be tried again, or refused. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.cloud.bigquery_storage_v1.types import AppendRowsResponse, RowError

from bqsync.deliver.grpc_status import STATUS_BY_NUMBER, is_offset_taken, kind_of_status, retry_delay_s
from bqsync.deliver.translate import failure
from bqsync.errors import BqsyncError, ErrorKind
from bqsync.model import FramedRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class RowsRefusedError(BqsyncError):
    """
    BigQuery named rows that it does not accept; none of the rows of their request were appended.

    Attributes:
        row_indexes: the refused rows, counted from 0 over all rows given to the stream.
        codes: BigQuery's code for each of them, by name. Its messages are left out: they may quote a cell.
    """

    def __init__(self, operation: str, row_indexes: Sequence[int], codes: Sequence[str]) -> None:
        plain = failure(operation, ErrorKind.BIGQUERY_ROWS_REFUSED,
                        f"BigQuery refused {len(row_indexes)} rows ({', '.join(sorted(set(codes)))}), "
                        f"the first of them row {row_indexes[0]} of the stream")
        super().__init__(plain.kind, what=plain.what, why=plain.why, fix=plain.fix)
        self.row_indexes = tuple(row_indexes)
        self.codes = tuple(codes)


@dataclass(slots=True)
class Request:
    """Rows that were given to a stream and are not acknowledged yet."""

    offset: int
    """Number of the first row, counted from 0 over the stream."""
    rows: tuple[bytes, ...] | FramedRows
    size: int
    """Bytes of the rows as they count against the window."""
    sendings: int = 0
    """How many connections have taken it."""
    sent_at: float = 0.0
    """When the last one did, on the monotonic clock."""

    @property
    def end(self) -> int:
        """Number of the row after the last."""
        return self.offset + len(self.rows)


def size_of(rows: Sequence[bytes] | FramedRows) -> int:
    """Bytes of rows as they count against the window and the limit of a request."""
    return len(rows.body) if isinstance(rows, FramedRows) else sum(map(len, rows))


def check_answer(operation: str, request: Request, answer: AppendRowsResponse) -> None:
    """
    Return if the answer acknowledges the request.

    Raises:
        RowsRefusedError: rows are bad.
        BqsyncError: of the kind that says what to do; TRANSIENT asks for a new connection.
    """
    message = AppendRowsResponse.pb(answer)
    if message.row_errors:
        indexes = [request.offset + error.index for error in message.row_errors]
        raise RowsRefusedError(operation, indexes, [_code_name(error.code) for error in message.row_errors])
    if message.HasField("error") and message.error.code:
        status = STATUS_BY_NUMBER.get(message.error.code, grpc.StatusCode.UNKNOWN)
        check_status(operation, request, status, message.error.message, message.error.details)
        return
    if not message.append_result.HasField("offset"):
        raise failure(operation, ErrorKind.BIGQUERY_STREAM_LOST, "an answer names no offset")
    offset = message.append_result.offset.value
    if offset != request.offset:
        raise failure(operation, ErrorKind.BIGQUERY_STREAM_LOST,
                      f"rows for offset {request.offset} were acknowledged at offset {offset}")


def check_status(
    operation: str, request: Request, status: grpc.StatusCode, message: str, details: Iterable[Any],
) -> None:
    """
    Return if a failure status acknowledges the request all the same: an earlier sending of it has arrived.

    That holds only because a request is always sent with the same rows at the same offset.

    Raises:
        BqsyncError: in every other case.
    """
    details = list(details)
    if is_offset_taken(status, details) and request.sendings > 1:
        return
    raise failure(operation, kind_of_status(status, message, details), f"{status.name}: {message}",
                  retry_delay_s(details))


def _code_name(code: int) -> str:
    return RowError.RowErrorCode(code).name if code in set(RowError.RowErrorCode) else f"CODE_{code}"
