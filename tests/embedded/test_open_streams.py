"""Many append streams at once, as a daemon with many tables has: each is answered while all the others stay open."""

from __future__ import annotations

from contextlib import ExitStack
from queue import SimpleQueue
from typing import TYPE_CHECKING

import grpc
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

if TYPE_CHECKING:
    from bqsync.embedded import Endpoints

STREAMS = 40
"""More than asyncio's own pool has threads on any machine: it ends at 32."""

TABLE = "projects/demo/datasets/open_streams/tables/t"
METHOD = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows"


def test_a_stream_is_answered_while_many_others_are_open(emulator: Endpoints) -> None:
    with bigquery.Client(project="demo", credentials=AnonymousCredentials(),
                         client_options=ClientOptions(api_endpoint=emulator.rest)) as client:
        client.create_dataset("open_streams")
        client.create_table(bigquery.Table("demo.open_streams.t", [bigquery.SchemaField("id", "INT64")]))
        with ExitStack() as stack, grpc.insecure_channel(emulator.grpc) as channel:
            append = channel.stream_stream(
                METHOD, request_serializer=AppendRowsRequest.serialize,
                response_deserializer=AppendRowsResponse.deserialize)
            for _ in range(STREAMS):
                requests: SimpleQueue[AppendRowsRequest | None] = SimpleQueue()
                requests.put(one_row())
                answers = append(iter(requests.get, None), timeout=60.0,
                                 metadata=[("x-goog-request-params", f"write_stream={TABLE}/streams/_default")])
                stack.callback(answers.cancel)
                assert not next(answers).error.message
        (count,) = client.query("SELECT COUNT(*) FROM `demo`.`open_streams`.`t`").result()
        assert count[0] == STREAMS


def one_row() -> AppendRowsRequest:
    row = DescriptorProto(name="Row")
    row.field.add(name="id", number=1, type=FieldDescriptorProto.TYPE_INT64, label=FieldDescriptorProto.LABEL_OPTIONAL)
    rows = AppendRowsRequest.ProtoData(
        writer_schema={"proto_descriptor": row}, rows={"serialized_rows": [b"\x08\x01"]})
    return AppendRowsRequest(write_stream=f"{TABLE}/streams/_default", proto_rows=rows)
