"""A committed stream of the Storage Write API, by Google's client alone: one connection for each append."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.api_core.retry import Retry, if_exception_type
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.types import (
    AppendRowsRequest,
    AppendRowsResponse,
    ProtoRows,
    ProtoSchema,
    WriteStream,
)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Kind = descriptor_pb2.FieldDescriptorProto.Type
NUMBER, TEXT, OCTETS = Kind.TYPE_INT64, Kind.TYPE_STRING, Kind.TYPE_BYTES
_TIMEOUT_S = 120.0
_NEW_TABLE = Retry(predicate=if_exception_type(NotFound), initial=1.0, maximum=5.0, timeout=180.0)
"""A table that was just made may be unknown to the Write API for a while."""
_STATUS = {status.value[0]: status.name for status in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request, whether in the answer itself or as the end of the call."""

    status: str
    offset: int | None = None
    refused_rows: tuple[int, ...] = ()
    """Which rows of the request are bad, as BigQuery names them."""


class Stream:
    """
    One stream onto one table.

    Args:
        client: the official one.
        table: `project.dataset.table`.
        columns: the wire type of each column of the message.
        is_new: the table may not be known everywhere yet.
    """

    def __init__(self, client: BigQueryWriteClient, table: str, columns: Mapping[str, Any], *, is_new: bool = True,
                 ) -> None:
        self._client = client
        self._descriptor = _descriptor(columns)
        self._message = _message(self._descriptor)
        project, dataset, name = table.split(".")
        parent = f"projects/{project}/datasets/{dataset}/tables/{name}"
        wanted = WriteStream(type_=WriteStream.Type.COMMITTED)
        self.name = client.create_write_stream(
            parent=parent, write_stream=wanted, retry=_NEW_TABLE if is_new else None, timeout=_TIMEOUT_S).name

    def append(self, rows: Sequence[Mapping[str, Any]], *, offset: int) -> Answer:
        """Send rows as one request on a connection of its own; a column that a row lacks is an absent field."""
        request = AppendRowsRequest(write_stream=self.name, offset=offset)
        request.proto_rows.writer_schema = ProtoSchema(proto_descriptor=self._descriptor)
        request.proto_rows.rows = ProtoRows(serialized_rows=[self._message(**row).SerializeToString() for row in rows])
        try:
            answer: Answer = _NEW_TABLE(self._send)(request)
        except GoogleAPICallError as error:
            return Answer(error.grpc_status_code.name if error.grpc_status_code else "UNKNOWN")
        return answer

    def _send(self, request: AppendRowsRequest) -> Answer:
        answers = self._client.append_rows(
            iter([request]), retry=None, timeout=_TIMEOUT_S,
            metadata=(("x-goog-request-params", f"write_stream={self.name}"),))
        (answer, *_) = list(answers)
        if answer.error.code or answer.row_errors:
            return Answer(_STATUS[answer.error.code], None, tuple(sorted(error.index for error in answer.row_errors)))
        return Answer("OK", AppendRowsResponse.pb(answer).append_result.offset.value)


def _descriptor(columns: Mapping[str, Any]) -> descriptor_pb2.DescriptorProto:
    descriptor = descriptor_pb2.DescriptorProto(name="Row")
    for number, (name, kind) in enumerate(columns.items(), 1):
        descriptor.field.add(name=name, number=number, type=kind,
                             label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
    return descriptor


def _message(descriptor: descriptor_pb2.DescriptorProto) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="row.proto", syntax="proto2", message_type=[descriptor])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Row"))
