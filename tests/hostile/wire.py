"""A client without patience or manners: every call is made once, and what comes back is shown as it is."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import requests
from google.cloud.bigquery_storage_v1 import types
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from tests.hostile.storage_side import SERVICE

from bqsync.embedded import Endpoints

_WAIT_S = 20.0
_DESCRIPTOR = DescriptorProto(name="Row")
_DESCRIPTOR.field.add(name="v", number=16, type=FieldDescriptorProto.TYPE_STRING,
                      label=FieldDescriptorProto.LABEL_OPTIONAL)


def row(text: str) -> bytes:
    """A serialized row of a table with the one column `v STRING`."""
    return b"\x82\x01" + bytes([len(text)]) + text.encode()


class Wire:
    """Speaks to both interfaces, of the proxy or of the emulator itself."""

    def __init__(self, endpoints: Endpoints, dataset: str) -> None:
        self.dataset = dataset
        self._project = f"{endpoints.rest}/bigquery/v2/projects/demo"
        self._session = requests.Session()
        self._session.trust_env = False
        self._channel = grpc.insecure_channel(endpoints.grpc)

    def close(self) -> None:
        self._session.close()
        self._channel.close()

    def get(self, path: str) -> requests.Response:
        return self._session.get(f"{self._project}{path}", timeout=_WAIT_S)

    def post(self, path: str, resource: dict[str, Any]) -> requests.Response:
        return self._session.post(f"{self._project}{path}", json=resource, timeout=_WAIT_S)

    def create_table(self, table: str) -> requests.Response:
        return self.post(f"/datasets/{self.dataset}/tables", {
            "tableReference": {"projectId": "demo", "datasetId": self.dataset, "tableId": table},
            "schema": {"fields": [{"name": "v", "type": "STRING"}]}})

    def submit(self, statement: str, job_id: str = "") -> requests.Response:
        """Insert a job; {d} in its statement stands for the dataset."""
        reference = {"projectId": "demo", "location": "EU"} | ({"jobId": job_id} if job_id else {})
        text = statement.replace("{d}", f"`demo`.`{self.dataset}`")
        return self.post("/jobs", {"jobReference": reference, "configuration": {
            "query": {"query": text, "useLegacySql": False}}})

    def values(self, table: str) -> list[str]:
        """What the table holds, in the order of its values."""
        job = self.submit(f"SELECT v FROM {{d}}.{table} ORDER BY v").json()["jobReference"]["jobId"]
        return [line["f"][0]["v"] for line in self.get(f"/queries/{job}").json().get("rows", [])]

    def create_stream(self, table: str) -> str:
        request = types.CreateWriteStreamRequest(
            parent=f"projects/demo/datasets/{self.dataset}/tables/{table}",
            write_stream=types.WriteStream(type_=types.WriteStream.Type.COMMITTED))
        answer = self._channel.unary_unary(f"/{SERVICE}/CreateWriteStream")(
            types.CreateWriteStreamRequest.serialize(request), timeout=_WAIT_S)
        return str(types.WriteStream.deserialize(answer).name)

    @contextmanager
    def appending(self, stream: str) -> Iterator[Appending]:
        requests_: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        next_request: Callable[[], bytes | None] = requests_.get
        call = self._channel.stream_stream(f"/{SERVICE}/AppendRows")(iter(next_request, None), timeout=_WAIT_S)
        try:
            yield Appending(stream, requests_, call)
        finally:
            requests_.put(None)
            call.cancel()


class Appending:
    """One AppendRows call."""

    def __init__(self, stream: str, outgoing: queue.SimpleQueue[bytes | None], call: Any) -> None:
        self._stream = stream
        self._outgoing = outgoing
        self.call = call

    def send(self, *texts: str, offset: int) -> None:
        message = types.AppendRowsRequest.pb()(write_stream=self._stream)
        message.offset.value = offset
        message.proto_rows.rows.serialized_rows.extend(map(row, texts))
        message.proto_rows.writer_schema.proto_descriptor.CopyFrom(_DESCRIPTOR)
        self._outgoing.put(message.SerializeToString())

    def end(self) -> None:
        """Send nothing more."""
        self._outgoing.put(None)

    def read(self) -> types.AppendRowsResponse:
        """
        The next answer.

        Raises:
            grpc.RpcError: the call was ended by a failure.
            StopIteration: the call was ended in good order.
        """
        answer: types.AppendRowsResponse = types.AppendRowsResponse.deserialize(next(self.call))
        return answer

    def offset(self) -> int:
        """Which offset the next answer acknowledges."""
        answer = types.AppendRowsResponse.pb(self.read())
        assert answer.append_result.HasField("offset"), answer
        return int(answer.append_result.offset.value)

    def failure(self) -> tuple[grpc.StatusCode, str]:
        """How the call ends, which has to be by a failure and without a further answer."""
        try:
            answer = self.read()
        except grpc.RpcError as error:
            return error.code(), error.details()
        raise AssertionError(answer)
