"""A request is the bytes that Google's own classes make of it, however its rows came."""

from __future__ import annotations

from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, ProtoRows
from google.protobuf.descriptor_pb2 import DescriptorProto
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import MODEST

from bqsync.deliver.answers import Request
from bqsync.deliver.requests import APPEND_ROWS, request_bytes
from bqsync.model import FramedRows

SCHEMA = DescriptorProto(name="Row")


def framed(rows: list[bytes]) -> FramedRows:
    return FramedRows(ProtoRows.serialize(ProtoRows(serialized_rows=rows)), len(rows))


@MODEST
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=80), st.integers(0, 2**63 - 1),
       st.sampled_from([None, SCHEMA]))
def test_framed_rows_and_single_ones_make_the_same_request(
    rows: list[bytes], offset: int, schema: DescriptorProto | None,
) -> None:
    made = request_bytes("s", Request(offset=offset, rows=framed(rows), size=1), schema)
    assert made == request_bytes("s", Request(offset=offset, rows=tuple(rows), size=1), schema)
    read = AppendRowsRequest.deserialize(made)
    assert (read.write_stream, read.offset, list(read.proto_rows.rows.serialized_rows)) == ("s", offset, rows)
    assert bool(read.proto_rows.writer_schema.proto_descriptor.name) == (schema is not None)


def test_the_method_is_that_of_the_client_library() -> None:
    class Channel:
        def stream_stream(self, path: str, **_: object) -> str:
            return path

        def unary_unary(self, path: str, **_: object) -> str:
            return path

    transport = BigQueryWriteGrpcTransport.__new__(BigQueryWriteGrpcTransport)
    transport._logged_channel, transport._stubs = Channel(), {}
    assert str(transport.append_rows) == APPEND_ROWS
